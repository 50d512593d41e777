#!/usr/bin/env bash
# Formatting of C++ and protos, and a few rules of the house that a tool can see.
# Ends with 77 where all is well but the formatting, which could not be looked at.
set -euo pipefail
list() { git ls-files "$@" 2>/dev/null || true; }
mapfile -t sources < <(list '*.h' '*.cc' 'proto/mind/*.proto')
[ ${#sources[@]} -gt 0 ] || mapfile -t sources < <(find proto/mind proto/support server worker client tests -name '*.h' -o -name '*.cc' -o -name '*.proto')
status=0 skipped=0
# Versions differ in what they make of some lines; Debian 12's is the one that counts.
version=$(clang-format --version 2>&1) || version="no clang-format"
if [[ $version == *" version 14."* ]]; then
  clang-format --dry-run --Werror "${sources[@]}" || status=1
else
  echo "formatting is not looked at: this is $version, and the sources are formatted by version 14"
  skipped=77
fi
for file in "${sources[@]}"; do
  lines=$(wc -l <"$file")
  [ "$lines" -le 800 ] || { echo "$file: $lines lines; no file over 800"; status=1; }
done
if grep -rnE '(grpc|absl|google/protobuf|mind/v1)' --include='*.h' --include='*.cc' worker/diffusion | grep '#include'; then
  echo "the engine includes nothing of gRPC, protobuf or Abseil"
  status=1
fi
# A ctest entry runs the suites named after its file, and no others.
for file in tests/unit/*/*_test.cc; do
  suite=$(basename "$file" _test.cc | sed -E 's/(^|_)(.)/\U\2/g')
  for given in $(sed -nE 's/^TEST(_F|_P)?\((\w+),.*/\2/p' "$file" | sort -u); do
    [[ $given == "$suite"* ]] || { echo "$file: suite $given is run by nothing; it must begin with $suite"; status=1; }
  done
done
tests/unnamed_names.py || status=1
# Whoever writes to one that leaves early may be ended by that, and under pipefail the line fails, now and then.
if grep -nE '[^|]\|[^|]*\b(grep +-[a-zA-Z]*[qm]|hea[d]\b)' $(grep -l pipefail .ci/run deploy/*.sh deploy/*/*.sh tests/*.sh tests/*/*.sh); then
  echo "a reader that leaves early at the end of a pipe, under pipefail; give it the text as <<<, or read all"
  status=1
fi
[ $status -ne 0 ] || status=$skipped
exit $status
