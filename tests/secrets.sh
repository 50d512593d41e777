#!/usr/bin/env bash
# No secret of anybody's is in the tree: keys of ours, of S3, of webhooks, private keys, passwords in addresses. What tests
# need they make when they run; the few that stand in files are the alphabet, or a vendor's own example.
set -euo pipefail
cd "${1:-.}"
mapfile -t files < <(git ls-files 2>/dev/null | grep -vE '^tests/data/' || true)
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(find . -type f -not -path './build/*' -not -path './.git/*' -not -path './tests/data/*')
look() { # PATTERN WHAT ALLOWED: prints what is found and is not allowed
  grep -nIoHE -e "$1" -- "${files[@]}" 2>/dev/null | grep -vE "$3" | sed "s/^/$2: /" || true
}
found=$(
  look 'mind_[A-Za-z0-9]{10}_[A-Za-z0-9]{38}' 'a key of ours' '_0123456789ABCDEFGHIJKLMNOPQRSTUV'
  look '(AKIA|ASIA)[A-Z0-9]{16}' 'a key of AWS' 'AKIAIOSFODNN7EXAMPLE'
  look '(aws_secret_access_key|AWS_SECRET_ACCESS_KEY)["'"'"' ]*[=:]["'"'"' ]*[A-Za-z0-9/+]{40}' 'a secret of AWS' 'EXAMPLEKEY'
  look 'whsec_[A-Za-z0-9+/]{24,}=*' 'a secret of webhooks' '^$'
  look '-----BEGIN [A-Z ]*PRIVATE KEY-----' 'a private key' '^$'
  look '(ghp|gho|ghs|github_pat|glpat|hf|sk)[_-][A-Za-z0-9]{30,}' 'a token' '^$'
  look 'postgres(ql)?://[^/:@ "]+:[^@ "]{6,}@' 'a password' ':(PASSWORD|password|secret|[{]|\$[A-Za-z{]|<)'
)
[ -z "$found" ] || { echo "$found"; exit 1; }
