#!/usr/bin/env bash
# Copies every shared library that the programs of a folder use, and those that they use in turn, into another.
#   libraries.sh PROGRAMS TO [LIBTORCH]
# With LIBTORCH, the folder of libraries of one with CUDA, all of these too: some are opened by name, when they are needed
# (cuDNN's parts, libtorch_cuda_linalg.so, libcaffe2_nvrtc.so, libnvrtc-builtins), which ldd does not see.
set -euo pipefail
ldd "$1"/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do cp -L "$library" "$2/"; done
[ -z "${3:-}" ] || for library in "$3"/*.so*; do [ -e "$2/${library##*/}" ] || cp -L "$library" "$2/"; done
