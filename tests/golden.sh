#!/usr/bin/env bash
# tests/golden.sh mind-golden DIR [options]: passes if every case of the directory does; 77, "skipped", if there is
# no such directory, or bfloat16 is asked of a processor that LibTorch 1.13 has no products of it for.
set -uo pipefail
program=$1 directory=$2
shift 2
if [ ! -e "$directory/README.md" ]; then
  echo "skipped: there is no golden directory $directory"
  exit 77
fi
# Without AVX-512 LibTorch 1.13 sums a product's terms in bfloat16 itself, which loses more than the tolerances allow for.
if [[ " $* " == *" --precision bf16 "* ]] && ! grep -qw avx512bw /proc/cpuinfo; then
  echo "skipped: this processor has no AVX-512, without which products in bfloat16 are summed in bfloat16"
  exit 77
fi
output=$("$program" "$directory" "$@")
status=$?
echo "$output"
[ $status -eq 0 ] && tail -n 1 <<<"$output" | grep -qE '^[1-9][0-9]* passed, 0 failed, 0 unsupported$'
