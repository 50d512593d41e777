#!/usr/bin/env bash
# The rules for Prometheus are rules, each alert fires in rules_test.yaml and has a runbook; they and the dashboards name
# metrics that programs have and docs/operations/metrics.md explains, and it explains no others.
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

# The metrics that expressions name, and those that programs have.
python3 - "$root" <<'PYTHON' || failed=1
import json, pathlib, re, sys

root = pathlib.Path(sys.argv[1])
chart = root / "deploy/helm/mind-diffusion"
page = (root / "docs/operations/metrics.md").read_text()
in_programs = set()
for folder in ("server", "worker", "proto/support"):
    for source in (root / folder).rglob("*.cc"):
        in_programs |= set(re.findall(r'"(mind_[a-z_]+)"', source.read_text()))
recorded = set(re.findall(r"record: (\S+)", (chart / "files/rules.yaml").read_text()))
wrong = []
named = {}  # by expression's place
named["rules.yaml"] = (chart / "files/rules.yaml").read_text()
named["workers.yaml"] = (chart / "templates/workers.yaml").read_text()
for file in sorted((chart / "files/dashboards").glob("*.json")):
    dashboard = json.loads(file.read_text())
    panels = dashboard["panels"]
    if len({panel["id"] for panel in panels}) != len(panels):
        wrong.append(f"{file.name}: two panels have one id")
    for panel in panels:
        if not panel.get("targets"):
            wrong.append(f"{file.name}, {panel['title']}: it asks nothing")
    named[file.name] = "\n".join(t["expr"] for panel in panels for t in panel["targets"])
for place, text in named.items():
    for metric in sorted(set(re.findall(r"\bmind_[a-z_]+(?=[{\[ )\n*])", text))):
        plain = re.sub(r"_(bucket|sum|count)$", "", metric)
        if metric not in in_programs and plain not in in_programs:
            wrong.append(f"{place}: no program has the metric {metric}")
    for series in sorted(set(re.findall(r"\bmind:[a-z0-9_:]+", text))):
        if series not in recorded:
            wrong.append(f"{place}: no rule records {series}")
explained = set(re.findall(r"`(mind_[a-z_]+)`", page))
for metric in sorted(explained - in_programs):
    wrong.append(f"docs/operations/metrics.md explains {metric}, which no program has")
registered = set()
for folder in ("server", "worker", "proto/support"):
    for source in (root / folder).rglob("*.cc"):
        registered |= set(re.findall(r'Family\(\s*\*?[\w.>-]+,\s*"(mind_[a-z_]+)"', source.read_text()))
for metric in sorted(registered - explained):
    wrong.append(f"docs/operations/metrics.md does not explain {metric}")
for series in sorted(recorded):
    head, _, tail = series.rpartition(":")
    if f"`{series}`" not in page and not (f"`{head}:" in page and f"`:{tail}`" in page):
        wrong.append(f"docs/operations/metrics.md does not explain {series}")
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
PYTHON
exit $failed
