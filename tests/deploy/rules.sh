#!/usr/bin/env bash
# The rules for Prometheus are rules, each alert fires in rules_test.yaml, has a runbook, and names metrics that there are.
#   tests/deploy/rules.sh ROOT
set -euo pipefail
root=$1
rules=$root/deploy/helm/mind-diffusion/files/rules.yaml
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
promtool check rules "$rules"
cp "$rules" "$root/tests/deploy/rules_test.yaml" "$folder/"
(cd "$folder" && promtool test rules rules_test.yaml)

failed=0
for alert in $(grep -oP '(?<=alert: )\w+' "$rules"); do
  grep -q "alertname=\"$alert\"" "$folder/rules_test.yaml" || { echo "no test makes $alert fire"; failed=1; }
  grep -q "^## $alert\$" "$root/docs/operations/alerts.md" || { echo "docs/operations/alerts.md does not say what to do about $alert"; failed=1; }
done
for metric in $(grep -oP '\bmind_[a-z_]+' "$rules" | sed -E 's/_bucket$//' | sort -u); do
  grep -rqF "\"$metric\"" "$root/server" "$root/worker" "$root/proto/support" || { echo "no program has the metric $metric"; failed=1; }
done
exit $failed
