#!/usr/bin/env bash
# clang-tidy, and with it Clang's analysis of locks (-Wthread-safety).
#   tests/tidy.sh BUILD [services|engine]
# services (the default): what does not include LibTorch. engine: what does; its headers take most of a minute a file. Both
# belong to the long mode. BUILD is a build directory with compile_commands.json.
set -euo pipefail
build=$1
part=${2:-services}
arguments=(--quiet --extra-arg=-Wthread-safety)
case $part in
  services)
    mapfile -t sources < <(find server client proto/support worker/image -name '*.cc' | sort)
    ;;
  engine)
    mapfile -t sources < <(find worker -name '*.cc' -not -path 'worker/image/*' | sort)
    arguments+=(--extra-arg-before=-include"$PWD/tests/clang/libtorch.h")
    ;;
  *)
    echo "tidy.sh: no part '$part'; services or engine" >&2
    exit 2
    ;;
esac
# GCC's precompiled headers mean nothing to clang.
commands=$(mktemp -d)
trap 'rm -rf "$commands"' EXIT
sed -E 's/-include [^ ]*cmake_pch\.hxx//g; s/-fpch-preprocess//g; s/-Winvalid-pch//g' "$build/compile_commands.json" >"$commands/compile_commands.json"
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p "$commands" "${arguments[@]}"
echo "${#sources[@]} files, no finding"
