#!/usr/bin/env bash
# Installs the Debian packages of the sections named (build, image, run, test; default: all but image) of deploy/packages.txt. As root.
#   deploy/install.sh --libtorch cpu|cuda [DIRECTORY]   LibTorch 2 beside Debian's, in /opt/libtorch unless said otherwise (libtorch.sh)
set -euo pipefail
if [ "${1:-}" = --libtorch ]; then exec "$(dirname "$0")/libtorch.sh" "${2:-}" "${3:-/opt/libtorch}"; fi
cd "$(dirname "$0")"
sections=("$@")
[ ${#sections[@]} -gt 0 ] || sections=(build run test)

packages=()
for section in "${sections[@]}"; do
  mapfile -t found < <(sed -n "/^\[$section\]/,/^\[/p" packages.txt | grep -E '^[a-z0-9]' || true)
  [ ${#found[@]} -gt 0 ] || { echo "install.sh: no section [$section] in packages.txt" >&2; exit 2; }
  packages+=("${found[@]}")
done

# What is there, and what that stands in for: nodejs of other sources brings npm with it, and excludes Debian's.
present=$(dpkg-query -W -f='${db:Status-Status} ${Package} ${Provides}\n' | sed -n 's/^installed //p' | tr -s ', ' '\n')
missing=()
for package in "${packages[@]}"; do
  grep -qxF -- "$package" <<<"$present" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends "${missing[@]}"
