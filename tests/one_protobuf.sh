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
mapfile -t torch < <(sed -nE 's/.*lib(torch|c10)[^ ]*\.so[^ ]* => ([^ ]+) .*/\2/p' <<<"$libraries")
grep -q libtorch_cpu <<<"${torch[*]}" || { echo "one_protobuf.sh: $program has no libtorch_cpu.so"; exit 1; }
protobuf=$(sed -nE 's/.*libprotobuf\.so[^ ]* => ([^ ]+) .*/\1/p' <<<"$libraries")
exports() { nm --dynamic --defined-only "$1" | awk '{ print $3 }' | sed 's/@.*//' | sort -u; }
for library in "${torch[@]}"; do
  # What only a protobuf linked into it has: nothing of the kind is given out.
  own=$(nm --dynamic --defined-only --demangle "$library" | grep -cE "^[0-9a-f]+ [TDBRV] google::protobuf::" || true)
  [ "$own" -eq 0 ] || { echo "one_protobuf.sh: $library gives out $own symbols of protobuf"; exit 1; }
  needs=$(ldd "$library")
  ! grep -q libprotobuf <<<"$needs" || continue  # the very one that the program has
  # Of one name there are instances of the standard library's templates alone, which are the same with any protobuf.
  both=$(comm -12 <(exports "$library") <(exports "$protobuf") | c++filt | grep -vE '^std::' || true)
  [ -z "$both" ] || { echo "one_protobuf.sh: $library and $protobuf both define: $both"; exit 1; }
  # Asking for another's it would get gRPC's, of another version.
  asks=$(nm --dynamic --undefined-only --demangle "$library" | grep -c "google::protobuf::" || true)
  [ "$asks" -eq 0 ] || { echo "one_protobuf.sh: $library asks for $asks symbols of protobuf and is linked with none"; exit 1; }
done
# It runs: what is registered twice would end it here.
"$program" --version
echo "one protobuf, none of it in ${torch[*]}"
