#!/usr/bin/env bash
# Renders the chart into manifests for those who have no Helm: `kubectl apply -k deploy/kubernetes/demo`.
#   deploy/kubernetes/render.sh HELM     (a test says so where what lies here is not what the chart gives)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
chart=$here/../helm/mind-diffusion
render() { # folder, values…
  local folder=$1
  shift
  "$helm" template mind-diffusion "$chart" --namespace mind-diffusion --no-hooks "$@" |
    sed -E '/^ *(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): /d; /^ *annotations: \{helm\.sh\/resource-policy: keep\}/d; /^# Source: /d' >"$here/$folder/mind-diffusion.yaml"
}
helm=$1
render demo
render cluster -f "$chart/ci/cluster-values.yaml"
