#!/usr/bin/env bash
# What programs and the libraries beside them are made of, as an SPDX document on standard output: the Debian packages that
# the libraries come from, with their versions, and the files themselves with their sums.
#   sbom.sh PROGRAMS LIBRARIES
set -euo pipefail
programs=$1
libraries=$2
quote() { sed 's/\\/\\\\/g; s/"/\\"/g'; }

# Where each library was copied from, and the package of that.
packages=$(mktemp)
trap 'rm -f "$packages"' EXIT
ldd "$programs"/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
  # /lib is /usr/lib, and packages know their files by either name.
  for name in "$library" "$(readlink -f "$library")" "/usr$library" "${library#/usr}"; do
    dpkg-query --search "$name" 2>/dev/null && break
  done
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
while read -r package; do
  version=$(dpkg-query --show --showformat='${Version}' "$package" | head -n 1 | quote)
  printf '%s    {"SPDXID": "SPDXRef-%s", "name": "%s", "versionInfo": "%s", "downloadLocation": "NOASSERTION", "filesAnalyzed": false,\n' \
    "$comma" "$(tr -c 'A-Za-z0-9.\n-' - <<<"$package")" "$package" "$version"
  printf '     "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:deb/debian/%s@%s"}]}' \
    "$package" "$version"
  comma=$',\n'
done <"$packages"
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
