#!/usr/bin/env bash
# tests/gpu/run.sh [BUILD] [DEVICE]: what only a GPU can show, in eight minutes, from a tree that is built with a LibTorch of CUDA
# (docs/operations/running.md). BUILD is build/cuda, DEVICE cuda:0 unless said otherwise. One table comes out, a line a check, and
# the logs in BUILD/gpu. Fails if any check did; at once, with one line, where there is no such device.
set -uo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/cuda} device=${2:-cuda:0}
golden=tests/data/golden
logs=$build/gpu

fail() { echo "tests/gpu/run.sh: $*" >&2; exit 1; }
[[ $device =~ ^cuda:([0-9]+)$ ]] || fail "the device must be cuda:N, given: $device"
number=${BASH_REMATCH[1]}
command -v nvidia-smi >/dev/null || fail "no CUDA device: there is no nvidia-smi, which comes with NVIDIA's driver"
card=$(nvidia-smi --id="$number" --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null) ||
  fail "no CUDA device: nvidia-smi knows none of number $number"
for program in mind-golden bench-device; do
  [ -x "$build/bin/$program" ] || fail "$build/bin/$program is not built: cmake --preset dev -B $build -DMIND_LIBTORCH=… && cmake --build $build --target $program"
done
mkdir -p "$logs"
deadline=$(($(date +%s) + 480))
status=0
echo "$card, $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
printf '%-40s %8s  %s\n' check seconds outcome

# NAME SECONDS COMMAND…: its last line is the outcome.
check() {
  local name=$1 most=$2 began left outcome
  shift 2
  began=$(date +%s)
  left=$((deadline - began))
  if [ $left -le 0 ]; then
    printf '%-40s %8s  %s\n' "$name" - "NOT RUN: eight minutes are over"
    status=1
    return
  fi
  if timeout $((left < most ? left : most)) "$@" >"$logs/$name.log" 2>&1; then
    outcome=$(tail -n 1 "$logs/$name.log")
  else
    outcome="FAILED: $(tail -n 1 "$logs/$name.log")"
    status=1
  fi
  printf '%-40s %8s  %s\n' "$name" $(($(date +%s) - began)) "$outcome"
}

check golden-fp32 150 "$build/bin/mind-golden" "$golden" --device "$device"
for precision in tf32 bf16 fp16; do
  check "golden-$precision" 60 "$build/bin/mind-golden" "$golden" --device "$device" --precision "$precision"
done
# For each number of rows: the time of a step, and whether a row's numbers depend on its neighbours; pictures; memory.
for precision in fp32 tf32 bf16 fp16; do
  nvidia-smi --id="$number" --query-gpu=memory.used --format=csv,noheader,nounits --loop-ms=200 >"$logs/memory" & sampler=$!
  check "bench-$precision" 90 "$build/bin/bench-device" --device "$device" --precision "$precision"
  kill $sampler 2>/dev/null
  wait $sampler 2>/dev/null
  [ -f "$logs/bench-$precision.log" ] && sed '$d;s/^/    /' "$logs/bench-$precision.log"
  echo "    most memory on the card: $(sort -n "$logs/memory" | tail -n 1) MiB"
done
exit $status
