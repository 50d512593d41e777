#!/usr/bin/env bash
# Runs blocks.py with what requirements.txt pins, in an environment of its own under the build.
#   tests/reference/run.sh BUILD [ARGUMENTS...]
# Ends with 77 where the packages (some 3 GB) cannot be had. MIND_REFERENCE_PYTHON names a Python that has them already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1
shift
python=${MIND_REFERENCE_PYTHON:-}
if [ -z "$python" ]; then
  venv=$build/reference-python
  if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" || exit 77
    cp "$here/requirements.txt" "$venv/requirements.txt"
  fi
  python=$venv/bin/python
fi
exec "$python" "$here/blocks.py" "$build/bin/mind-golden" "$@"
