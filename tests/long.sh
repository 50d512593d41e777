#!/usr/bin/env bash
# What CI has no time for, stage by stage; each ends with a line in build/long.log that says when, what and how it went.
#   tests/long.sh [STAGE...]     stages: storm hostile watermark simulation cluster postgresql api image image-libtorch image-cuda
#                                 bookworm trixie benchmarks capacity libtorch cuda blocks asan-ubsan tsan fuzz tidy (default: all, in this order)
# docs/testing.md says what each looks for. Goes on after a failure, and fails at the end if any stage did.
set -uo pipefail
cd "$(dirname "$0")/.."
stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(storm hostile watermark simulation cluster postgresql api image image-libtorch image-cuda bookworm trixie benchmarks capacity libtorch cuda blocks asan-ubsan tsan fuzz tidy)
mkdir -p build

sanitized() {  # PRESET: builds it and runs the whole suite under it
  cmake --preset "$1" >/dev/null && cmake --build --preset "$1" && ctest --preset "$1" -LE style
}

libtorch_2() {  # KIND BUILD: the engine and the worker against LibTorch 2, and what they do on a processor
  deploy/libtorch.sh "$1" "build/libtorch-$1" &&
    cmake --preset dev -B "$2" -DMIND_LIBTORCH="$PWD/build/libtorch-$1/torch" >/dev/null &&
    cmake --build "$2" --target mind-worker mind-golden bench-device test-diffusion test-golden test-worker &&
    ctest --test-dir "$2" --output-on-failure -R '^(unit/(diffusion|golden|worker)|golden|build)/'
}

with_cuda() {  # and what only a card can show, where there is one
  libtorch_2 cuda build/cuda && { ! command -v nvidia-smi >/dev/null || tests/gpu/run.sh build/cuda; }
}

upstream_image() {  # KIND MB: the Dockerfile with that LibTorch of upstream's, which goes with the build context
  deploy/libtorch.sh "$1" libtorch && tests/deploy/image.py . build/image --libtorch libtorch/torch --most "$2"
}

run_stage() {
  case $1 in
    storm) MIND_STRESS_CALLS=100000 MIND_STRESS_ENDS=100 build/dev/bin/test-functional --gtest_filter="Streams.*" ;;
    hostile) MIND_HOSTILE_TENANTS=1000000 build/dev/bin/test-functional --gtest_filter="HostileClient.*" ;;
    watermark) MIND_WATERMARKS=1000 build/dev/bin/test-worker --gtest_filter="*Watermark*" ;;
    simulation)
      MIND_SIMULATIONS=100000 build/dev/bin/test-simulation --gtest_filter="Simulation.*:FairnessSimulation.*" &&
        MIND_SIMULATIONS=1000000 build/dev/bin/test-simulation --gtest_filter="FrontsSimulation.Whatever*"
      ;;
    cluster) tests/cluster/storm.py --bin build/dev/bin --models deploy/models --jobs 1000 ;;
    api) tests/api/python.sh build/dev openapi.py build/dev/bin 10000 ;;
    postgresql)
      MIND_TEST_STORE=postgresql build/dev/bin/test-functional \
        --gtest_filter="Generation.*:Http.*:Faults.*:Streams.*:Limits.*:BadInput.*:CommandLine.*:*Families*:Keys.*:Tls.*:HostileWorker.*:Evaluation.*:Objects*"
      ;;
    libtorch) libtorch_2 cpu build/torch2 ;;
    cuda) with_cuda ;;
    blocks) tests/reference/run.sh build/dev | tee build/blocks.txt ;;
    image) tests/deploy/image.py . build/image ;;
    image-libtorch) upstream_image cpu 650 ;;
    image-cuda) upstream_image cuda 4500 ;;
    bookworm | trixie) tests/deploy/bare.py . build/roots "$1" ;;
    benchmarks) cmake --build --preset dev --target benchmarks ;;
    capacity) cmake --build --preset dev --target bench-cluster && build/dev/bin/bench-cluster --whole | tee build/capacity.md ;;
    asan-ubsan | tsan) sanitized "$1" ;;
    fuzz) cmake --preset fuzz >/dev/null && cmake --build --preset fuzz && ctest --preset fuzz ;;
    tidy)  # file by file, which a build of files taken together has no commands for
      cmake --preset dev -B build/tidy -DCMAKE_UNITY_BUILD=OFF >/dev/null && cmake --build build/tidy --target mind_proto &&
        tests/tidy.sh build/tidy services && tests/tidy.sh build/tidy engine
      ;;
    *)
      echo "long.sh: no stage '$1'" >&2
      return 2
      ;;
  esac
}

status=0
for stage in "${stages[@]}"; do
  began=$(date +%s)
  if run_stage "$stage"; then
    outcome=passed
  else
    outcome=FAILED
    status=1
  fi
  printf '%s %s %s %s in %d s\n' "$(date -u +%FT%TZ)" "$(git rev-parse --short HEAD 2>/dev/null)" "$stage" "$outcome" \
    $(($(date +%s) - began)) | tee -a build/long.log
done
exit $status
