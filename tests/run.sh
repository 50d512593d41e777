#!/usr/bin/env bash
# Installs what is missing, builds everything and runs all tests; ctest's summary comes last.
#   tests/run.sh [--preset dev|asan-ubsan|tsan] [--long] [arguments for ctest, such as -R unit]
# With --long, a hundred thousand streaming calls end badly and a hundred servers go down with open ones; then the fuzz targets
# are built too, and run a minute each.
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
cmake --build --preset "$preset"
ctest --preset "$preset" "$@"
if [ -n "$long" ]; then
  MIND_STRESS_CALLS=100000 MIND_STRESS_ENDS=100 "build/$preset/bin/test-functional" --gtest_filter='Streams.*'
  cmake --preset fuzz >/dev/null
  cmake --build --preset fuzz
  ctest --preset fuzz
fi
