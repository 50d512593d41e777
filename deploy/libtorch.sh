#!/usr/bin/env bash
# deploy/libtorch.sh cpu|cuda DIRECTORY: LibTorch 2 as the Python registry has it, pinned by version and hash in deploy/libtorch.txt:
# headers and libraries, nothing of Python. Build against it with -DMIND_LIBTORCH=DIRECTORY/torch.
#   cpu    what a processor needs: smaller once it is there, not on the way (the registry has no wheel without CUDA)
#   cuda   all that a GPU needs but its driver
# Downloads 0.6 GB (cpu) or 2.5 GB (cuda), by pip and therefore from wherever pip is told to.
set -euo pipefail
kind=${1:-} target=${2:-}
[ -z "$target" ] || target=$(realpath -m "$target")  # before we go elsewhere
cd "$(dirname "$0")"
case $kind in
  cpu) sections=(cpu) ;;
  cuda) sections=(cpu cuda) ;;
  *) echo "usage: libtorch.sh cpu|cuda DIRECTORY; given: \"$kind\"" >&2; exit 2 ;;
esac
[ -n "$target" ] || { echo "usage: libtorch.sh cpu|cuda DIRECTORY; no directory is given" >&2; exit 2; }

requirements=$(for section in "${sections[@]}"; do sed -n "/^\[$section\]/,/^\[/p" libtorch.txt | grep -E '^[a-z]'; done)
stamp=$target/.what
if [ "$(cat "$stamp" 2>/dev/null)" = "$kind
$requirements" ]; then
  exit 0  # is there
fi
python3 -c 'import venv, ensurepip' 2>/dev/null || { echo "libtorch.sh: python3-venv is needed to ask the registry" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
echo "$requirements" >"$work/requirements.txt"
"$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: \
  --python-version 3.11 --implementation cp --abi cp311 -r "$work/requirements.txt" -d "$work/wheels"

mkdir -p "$target"
rm -rf "$target/torch" "$target/nvidia" "$stamp"
python3 - "$kind" "$target" "$work"/wheels/*.whl <<'PYTHON'
import re, shutil, sys, zipfile, pathlib
kind, target = sys.argv[1], pathlib.Path(sys.argv[2])
headers = re.compile(r"torch/include/(ATen|c10|torch|caffe2)/")
ours = re.compile(r"torch/lib/lib(torch_cpu|c10|gomp|torch_cuda|torch_cuda_linalg|c10_cuda)\b[^/]*\.so[^/]*$")
cuda = re.compile(r"torch/lib/lib(torch_cuda|torch_cuda_linalg|c10_cuda)\.so")
theirs = re.compile(r"nvidia/.*/lib/[^/]*\.so[^/]*$")
for wheel in sys.argv[3:]:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            name = entry.filename
            wanted = headers.match(name) or ours.match(name) or theirs.match(name)
            if name.endswith("/") or not wanted or (kind == "cpu" and cuda.match(name)):
                continue
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, open(path, "wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    pathlib.Path(wheel).unlink()  # there may be no room for both
PYTHON
printf '%s\n%s' "$kind" "$requirements" >"$stamp"
echo "LibTorch is in $target: cmake --preset release -DMIND_LIBTORCH=$target/torch"
