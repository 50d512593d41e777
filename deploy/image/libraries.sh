#!/usr/bin/env bash
# Copies every shared library that the programs of a folder use, and those that they use in turn, into another.
#   libraries.sh PROGRAMS TO
set -euo pipefail
ldd "$1"/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do cp -L "$library" "$2/"; done
