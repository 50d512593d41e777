#!/usr/bin/env bash
# deploy/libtorch.sh cpu|cuda DIRECTORY: LibTorch 2 as the Python registry has it, pinned by version and hash in deploy/libtorch.txt:
# headers and libraries, nothing of Python. Build against it with -DMIND_LIBTORCH=DIRECTORY/torch.
#   cpu    what a processor needs: smaller once it is there, not on the way (the registry has no wheel without CUDA)
#   cuda   all that a GPU needs but its driver, and in DIRECTORY/toolkit NVIDIA's compiler, for the kernels of ours
# Downloads 0.6 GB (cpu) or 2.6 GB (cuda), by pip and therefore from wherever pip is told to.
set -euo pipefail
kind=${1:-} target=${2:-}
[ -z "$target" ] || target=$(realpath -m "$target")  # before we go elsewhere
cd "$(dirname "$0")"
case $kind in
  cpu) sections=(cpu) ;;
  cuda) sections=(cpu cuda compiler) ;;
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
rm -rf "$target/torch" "$target/nvidia" "$target/toolkit" "$stamp"
python3 - "$kind" "$target" "$work"/wheels/*.whl <<'PYTHON'
import re, shutil, sys, zipfile, pathlib
kind, target = sys.argv[1], pathlib.Path(sys.argv[2])
headers = re.compile(r"torch/include/(ATen|c10|torch|caffe2)/")
processor = re.compile(r"torch/lib/lib(torch_cpu|c10|gomp)\.so")
card = re.compile(r"torch/lib/lib(torch_cuda|torch_cuda_linalg|torch_nvshmem|caffe2_nvrtc|c10_cuda)\.so")
theirs = re.compile(r"nvidia/.*/lib/[^/]*\.so[^/]*$")
compiler = re.compile(r"nvidia_(cuda_nvcc|cuda_crt|cuda_cccl|nvvm)-")
toolkit = re.compile(r"nvidia/cu\d+/(?=(bin|include|nvvm|lib)/)")


def place(wheel, name):
    """Where a file of a wheel goes; nowhere: it is not needed."""
    # Of what a compiler needs, apart from the libraries, so that an image with those has no compiler.
    of_compiler = compiler.match(wheel) or (wheel.startswith("nvidia_cuda_runtime-") and "/include/" in name)
    if of_compiler:
        return toolkit.sub("toolkit/", name) if kind == "cuda" and toolkit.match(name) else None
    wanted = headers.match(name) or processor.match(name) or theirs.match(name) or (kind == "cuda" and card.match(name))
    return name if wanted else None


for path in map(pathlib.Path, sys.argv[3:]):
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            to = None if entry.is_dir() else place(path.name, entry.filename)
            if to is None:
                continue
            (target / to).parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, open(target / to, "wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            if "/bin/" in to:
                (target / to).chmod(0o755)
    path.unlink()  # there may be no room for both
PYTHON
# All that they load is there, but for the driver's.
missing=$(ldd "$target"/torch/lib/*.so 2>&1 | grep 'not found' | grep -v 'libcuda\.so\.1' || true)
[ -z "$missing" ] || { echo "libtorch.sh: libraries of $target/torch/lib are not complete:"; echo "$missing"; exit 1; } >&2
printf '%s\n%s' "$kind" "$requirements" >"$stamp"
echo "LibTorch is in $target: cmake --preset release -DMIND_LIBTORCH=$target/torch"
