#!/usr/bin/env bash
# Installs what is missing, builds everything and runs all tests; ctest's summary comes last.
#   tests/run.sh [--preset dev|asan-ubsan|tsan] [--long] [arguments for ctest, such as -R unit]
# With --long, what CI has no time for follows (tests/long.sh; docs/testing.md says what that is).
set -euo pipefail
cd "$(dirname "$0")/.."
preset=dev
if [ "${1:-}" = --preset ]; then
  preset=$2
  shift 2
fi
long=
if [ "${1:-}" = --long ]; then
  long=1
  shift
fi
deploy/install.sh build run test
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" --parallel "$(nproc)"  # which is as many as large sources have memory for
ctest --preset "$preset" "$@"
[ -z "$long" ] || exec tests/long.sh
