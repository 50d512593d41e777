#!/usr/bin/env bash
# Runs a script of this folder with what requirements.lock pins, in an environment of its own under the build.
#   tests/api/python.sh BUILD SCRIPT [ARGUMENTS...]
# Ends with 77, which ctest shows as skipped, where the packages cannot be had.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1 script=$2
shift 2
mkdir -p "$build"
(
  flock 9 # two tests may come for it at once
  venv=$build/test-python
  if ! cmp -s "$here/requirements.lock" "$venv/requirements.lock"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.lock" || exit 77
    cp "$here/requirements.lock" "$venv/requirements.lock"
  fi
) 9>"$build/test-python.lock"
exec "$build/test-python/bin/python" "$here/$script" "$@"
