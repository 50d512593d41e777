#!/usr/bin/env bash
# Installs what is missing, builds everything and runs all tests; ctest's summary comes last.
#   tests/run.sh [--preset dev|asan-ubsan|tsan] [arguments for ctest, such as -R unit]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=dev
if [ "${1:-}" = --preset ]; then
  preset=$2
  shift 2
fi
deploy/install.sh build run test
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset"
ctest --preset "$preset" "$@"
