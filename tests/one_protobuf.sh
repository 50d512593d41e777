#!/usr/bin/env bash
# tests/one_protobuf.sh mind-worker: the program loads one protobuf, and its LibTorch brings none of its own. Two in one
# process abort before main, or worse, much later (docs/adr/0027-any-libtorch.md).
set -euo pipefail
program=$1
libraries=$(ldd "$program")
if grep 'not found' <<<"$libraries"; then
  echo "one_protobuf.sh: $program does not find all its libraries"
  exit 1
fi
count=$(grep -cE 'libprotobuf(-lite)?\.so' <<<"$libraries" || true)
[ "$count" -le 1 ] || { grep libprotobuf <<<"$libraries"; echo "one_protobuf.sh: $count of them are loaded"; exit 1; }
torch=$(sed -nE 's/.*libtorch_cpu\.so[^ ]* => ([^ ]+) .*/\1/p' <<<"$libraries")
[ -n "$torch" ] || { echo "one_protobuf.sh: $program has no libtorch_cpu.so"; exit 1; }
# Not its instances of templates, which are weak: what only a protobuf linked into it has.
own=$(nm --dynamic --defined-only --demangle "$torch" | grep -cE "^[0-9a-f]+ [TDB] google::protobuf::" || true)
[ "$own" -eq 0 ] || { echo "one_protobuf.sh: $torch gives out $own symbols of protobuf"; exit 1; }
# It runs: what is registered twice would end it here.
"$program" --version
echo "one protobuf, none of it in $torch"
