#!/usr/bin/env bash
# tests/golden.sh mind-golden DIR [options]: passes if every case of the directory does; 77, "skipped", if there is
# no such directory.
set -uo pipefail
program=$1 directory=$2
shift 2
if [ ! -e "$directory/README.md" ]; then
  echo "skipped: there is no golden directory $directory"
  exit 77
fi
output=$("$program" "$directory" "$@")
status=$?
echo "$output"
[ $status -eq 0 ] && grep -qE '^[1-9][0-9]* passed, 0 failed, 0 unsupported$' <<<"${output##*$'\n'}"
