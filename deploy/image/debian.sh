#!/usr/bin/env bash
# Copies what the image has of Debian into a folder: the packages that its list names ([run] in packages.txt) and those that they
# need while they run, with their entries in the list of packages, for who looks for those with known holes.
#   debian.sh TO
# Not taken: what installs and configures packages, perl with it; glibc's tables for other character sets; nothing is setuid.
set -euo pipefail
to=$1
here=$(cd "$(dirname "$0")" && pwd)
not_taken='^(adduser|apt|debconf|dpkg|libdebconfclient0|mawk|passwd|perl-base)$'
unread='^/usr/(share/(doc-base|bash-completion|bug|menu|lintian)|lib/[^/]*/gconv)(/|$)'

declare -A taken=()
take() {  # NAME: it and what it depends on, of alternatives the first
  local name
  if [ -n "${taken[$1]:-}" ] || [[ $1 =~ $not_taken ]]; then return; fi
  # Names that others provide, awk's, are in no list of files.
  if [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) != installed* ]]; then return; fi
  taken[$1]=1
  for name in $(dpkg-query --show --showformat='${Pre-Depends},${Depends}' "$1" | tr ',' '\n' |
    sed -E 's/^ *([a-z0-9.+-]+).*/\1/'); do
    take "$name"
  done
}
for package in base-files base-passwd $(sed -n '/^\[run\]/,/^\[/p' "$here/packages.txt" | grep -E '^[a-z0-9]'); do take "$package"; done

# /bin and its like are links to folders in /usr, whatever packages say.
for merged in bin lib lib64 sbin; do
  [ ! -L "/$merged" ] || { mkdir -p "$to/usr/$merged" && cp --archive "/$merged" "$to/"; }
done
{
  for package in "${!taken[@]}"; do
    dpkg-query --listfiles "$package" | grep -vE "$unread|^/(bin|lib|lib64|sbin|\.)?$" || true
    find /var/lib/dpkg/info -name "$package.list" -o -name "$package:*.list" -o -name "$package.md5sums" -o -name "$package:*.md5sums"
  done
  # What is made when packages are configured.
  find /etc/passwd /etc/group /etc/nsswitch.conf /etc/ssl/certs /etc/ca-certificates.conf /etc/ld.so.conf /etc/ld.so.conf.d \
    /etc/localtime /etc/timezone 2>/dev/null
} | sort -u | while read -r file; do [ ! -e "$file" ] && [ ! -L "$file" ] || echo "${file#/}"; done | grep . |
  tar --create --directory / --no-recursion --files-from=- | tar --extract --directory "$to" --keep-directory-symlink --same-permissions
awk -v names=" ${!taken[*]} " 'BEGIN { RS = ""; ORS = "\n\n"; FS = "\n" } {
  name = $1; sub(/^Package: /, "", name)
  if (index(names, " " name " ")) print
}' /var/lib/dpkg/status >"$to/status" && mkdir -p "$to/var/lib/dpkg" && mv "$to/status" "$to/var/lib/dpkg/status"
find "$to" -xdev -type f -perm /6000 -exec chmod ug-s {} +
ldconfig -r "$to"
