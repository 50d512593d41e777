#!/usr/bin/env bash
# Copies every shared library that the programs of a folder use, and those that they use in turn, into another, but for those
# that the image has anyway.
#   libraries.sh PROGRAMS TO CACHE [LIBTORCH]
# CACHE is the linker's list of what the image has (its /etc/ld.so.cache). With LIBTORCH, the folder of libraries of one with
# CUDA, all of these too, and NVIDIA's beside it: some are opened by name, when they are needed (cuDNN's parts,
# libtorch_cuda_linalg.so, libcaffe2_nvrtc.so, libnvrtc-builtins), which ldd does not see.
#
# Debian links LibTorch with OpenCV, FFmpeg and more, for operators of Caffe2's that it then does not build: libraries of 280 MB,
# two hundred of them, from which it takes nothing. Such names are removed from the copy of LibTorch, of Debian's alone.
set -euo pipefail
programs=$1 to=$2 cache=$3 libtorch=${4:-}
used() { LD_LIBRARY_PATH=$to ldd "$programs"/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u; }

[ -n "$libtorch" ] || used | grep '/libtorch_cpu\.so' | while read -r library; do
  cp -L "$library" "$to/"
  # Ends with 1 where it has found some.
  { ldd --unused "$library" || true; } | awk '/^\t\// { print $1 }' | while read -r unused; do
    patchelf --remove-needed "$(basename "$unused")" "$to/$(basename "$library")"
  done
done
has=$(ldconfig --print-cache -C "$cache" | awk '{ print $1 }')
used | while read -r library; do
  name=$(basename "$library")
  [ -e "$to/$name" ] || grep -qxF -- "$name" <<<"$has" || cp -L "$library" "$to/"
done

if [ -n "$libtorch" ] && [ -e "$libtorch/libtorch_cuda.so" ]; then
  for library in "$libtorch"/*.so* "$libtorch"/../../nvidia/*/lib/*.so*; do
    [ ! -f "$library" ] || [ -e "$to/${library##*/}" ] || cp -L "$library" "$to/"
  done
fi
