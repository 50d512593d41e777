#!/usr/bin/env bash
# clang-tidy over the sources that do not include LibTorch (its headers take a minute each); the engine is covered by the
# compiler's warnings and the sanitizers. Argument: a build directory with compile_commands.json.
set -euo pipefail
mapfile -t sources < <(find server client proto/support worker/image -name '*.cc' | sort)
# GCC's precompiled headers mean nothing to clang.
commands=$(mktemp -d)
trap 'rm -rf "$commands"' EXIT
sed -E 's/-include [^ ]*cmake_pch\.hxx//g; s/-fpch-preprocess//g; s/-Winvalid-pch//g' "$1/compile_commands.json" >"$commands/compile_commands.json"
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p "$commands" --quiet
