#!/usr/bin/env bash
# Installs the clients that tests run, as the lock files beside this pin them, into a folder of the build.
#   tests/clients/install.sh FOLDER
# FOLDER/js holds node_modules, FOLDER/python a virtual environment with the protos' code.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
locks=("$here/package-lock.json" "$here/requirements.txt" "$here/install.sh" "$root"/proto/mind/v1/*.proto)
stamp=$(cat "${locks[@]}" | sha256sum)
[ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder/js" "$folder/python"

fail() {
  echo "The clients' packages cannot be installed: $1. The tests of clients and of the page need the npm registry and PyPI," \
    "or what stands in for them (npm's and pip's own configuration)." >&2
  exit 1
}
cp "$here/package.json" "$here/package-lock.json" "$folder/js/"
npm ci --prefix "$folder/js" --ignore-scripts --no-audit --no-fund --loglevel=error || fail "npm ci"
python3 -m venv "$folder/python" || fail "python3 -m venv"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt" ||
  fail "pip install"
protoc -I "$root/proto" --python_out="$folder/python" --grpc_python_out="$folder/python" \
  --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" \
  "$root"/proto/mind/v1/*.proto "$root"/proto/google/rpc/*.proto
echo "$stamp" >"$folder/stamp"
