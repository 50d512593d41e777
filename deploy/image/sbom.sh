#!/usr/bin/env bash
# What programs and the libraries beside them are made of, as an SPDX document on standard output: the Debian packages that
# the libraries come from, with their versions, and the files themselves with their sums. What the image's own base brings, its
# own list of packages names (/var/lib/dpkg/status).
#   sbom.sh PROGRAMS LIBRARIES [LIBTORCH]
# LIBTORCH: the folder of the libraries of one that was given; where deploy/libtorch.sh made it, it says of which wheels.
set -euo pipefail
programs=$1
libraries=$2
wheels=${3:+$3/../../.what}
quote() { sed 's/\\/\\\\/g; s/"/\\"/g'; }

# Where each library was copied from, and the package of that; none has those of a LibTorch that was given.
packages=$(mktemp)
trap 'rm -f "$packages"' EXIT
ldd "$programs"/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
  [ -e "$libraries/$(basename "$library")" ] || continue
  # /lib is /usr/lib, and packages know their files by either name.
  for name in "$library" "$(readlink -f "$library")" "/usr$library" "${library#/usr}"; do
    dpkg-query --search "$name" 2>/dev/null && break
  done || true
done | cut -d: -f1 | sort -u >"$packages"

made=$(date --utc --date "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%Y-%m-%dT%H:%M:%SZ)
cat <<JSON
{
  "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "mind-diffusion",
  "documentNamespace": "urn:uuid:$(cat /proc/sys/kernel/random/uuid)",
  "creationInfo": {"created": "$made", "creators": ["Tool: deploy/image/sbom.sh"]},
  "packages": [
JSON
comma=""
package() {  # NAME VERSION PURL
  printf '%s    {"SPDXID": "SPDXRef-%s", "name": "%s", "versionInfo": "%s", "downloadLocation": "NOASSERTION", "filesAnalyzed": false,\n' \
    "$comma" "$(tr -c 'A-Za-z0-9.\n-' - <<<"$1")" "$1" "$2"
  printf '     "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "%s"}]}' "$3"
  comma=$',\n'
}
while read -r name; do
  version=$(dpkg-query --show --showformat='${Version}\n' "$name" | sed -n 1p | quote)
  package "$name" "$version" "pkg:deb/debian/$name@$version"
done <"$packages"
if [ -n "$wheels" ] && [ -e "$wheels" ]; then
  while read -r name version; do package "$name" "$version" "pkg:pypi/$name@$version"; done \
    < <(sed -nE 's/^([a-z0-9-]+)==([^ ]+).*/\1 \2/p' "$wheels")
fi
printf '\n  ],\n  "files": [\n'
comma=""
for file in "$programs"/* "$libraries"/*; do
  name=$(basename "$file")
  printf '%s    {"SPDXID": "SPDXRef-File-%s", "fileName": "./%s", "checksums": [{"algorithm": "SHA256", "checksumValue": "%s"},\n' \
    "$comma" "$(tr -c 'A-Za-z0-9.\n-' - <<<"$name")" "$name" "$(sha256sum "$file" | cut -d' ' -f1)"
  printf '     {"algorithm": "SHA1", "checksumValue": "%s"}]}' "$(sha1sum "$file" | cut -d' ' -f1)"
  comma=$',\n'
done
printf '\n  ]\n}\n'
