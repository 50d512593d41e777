#!/usr/bin/env python3
"""Builds the Dockerfile's image without an engine: its own instructions, one after the other, in roots that debootstrap has
made, and then uses what came out as an engine would: any user, a root that is only read.

  image.py ROOT FOLDER [--libtorch DIRECTORY] [--base IMAGE] [--ccache DIRECTORY] [--programs FOLDER] [--most MB] [--steps N]

FOLDER takes the roots, some gigabytes; bare ones that are there already are used again, and so is what apt fetched
(FOLDER/archives, as a cache mount would keep it). --ccache takes a folder of ccache's for the compiler, by default
FOLDER/ccache. --libtorch is the build argument LIBTORCH, a folder of the tree. An image of more than --most MB is one too
many. --programs takes programs that are compiled already, on the same Debian, for what the compiler would make: all else is as
the Dockerfile says. --steps ends after so many instructions, to try the script itself. What it needs: roots.py. The long mode
runs it; it says how large the image is, and its layers are.
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import sys

import roots

arguments = argparse.ArgumentParser()
arguments.add_argument("root", type=pathlib.Path)
arguments.add_argument("folder", type=pathlib.Path)
arguments.add_argument("--libtorch", default="")
arguments.add_argument("--base", default="")
arguments.add_argument("--ccache", type=pathlib.Path)
arguments.add_argument("--programs", type=pathlib.Path)
arguments.add_argument("--most", type=int, default=350)
arguments.add_argument("--steps", type=int, default=10**6)
ARGUMENTS = arguments.parse_args()
ROOT, FOLDER = ARGUMENTS.root.resolve(), ARGUMENTS.folder.resolve()
CCACHE = (ARGUMENTS.ccache or FOLDER / "ccache").resolve()
BASES = {"debian:bookworm-slim": "bookworm", "debian:trixie-slim": "trixie"}
REVISION = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True,
                          check=False).stdout.strip() or "unknown"


def instructions():
    """(name, rest) of each; lines that end in a backslash go on, comments are left out."""
    whole = ""
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.lstrip().startswith("#"):
            continue
        whole += line.removesuffix("\\")
        if not line.endswith("\\") and whole.strip():
            name, rest = whole.strip().split(None, 1)
            yield name, rest
            whole = ""


class Stage:
    """An image that is being made: its root, and what engines are told of it. One that begins with another goes on in a copy."""

    def __init__(self, place, ships, begun_with=None):
        self.place, self.ships, self.cwd, self.variables = place, ships, "/", {}
        self.environment = dict(begun_with.environment) if begun_with else {}
        self.labels = dict(begun_with.labels) if begun_with else {}
        self.layers = dict(begun_with.layers) if begun_with else {}
        self.healthcheck, self.command = None, None

    def measure(self, what):
        """A layer is taken to be what an instruction adds to the root: the Dockerfile removes in no layer what another has made."""
        if not self.ships:
            return
        size = bytes_of(self.place)
        self.layers[what[:60]] = size - sum(self.layers.values())


class Build:
    def __init__(self):
        self.given = {"LIBTORCH": ARGUMENTS.libtorch, "BASE": ARGUMENTS.base, "REVISION": REVISION}
        self.stages, self.arguments, self.stage = {}, {}, None

    def expand(self, text):
        known = self.stage.variables if self.stage else self.arguments
        return re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda match: known.get(match[1] or match[2], ""), text)

    def run(self):
        for number, (name, rest) in enumerate(instructions()):
            if number >= ARGUMENTS.steps:
                print(f"ends before {name} {rest}")
                return False
            print(f"--- {name} {rest}", flush=True)
            getattr(self, f"do_{name.lower()}", self.unknown)(rest)
        return True

    def unknown(self, rest):
        sys.exit(f"this script does not know the instruction: {rest}")

    def do_arg(self, rest):
        name, _, default = rest.partition("=")
        scope = self.stage.variables if self.stage else self.arguments
        scope[name] = self.given.get(name) or default or self.arguments.get(name, "")

    def do_from(self, rest):
        self.stage, words = None, rest.split()
        image, name = self.expand(words[0]), words[2] if len(words) == 3 else "image"
        if image not in self.stages and image not in BASES and image != "scratch":
            sys.exit(f"{image} is none of this script's bases: {', '.join(BASES)}")
        before = self.stages.get(image)
        place = FOLDER / name
        if image == "scratch":
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
        else:
            roots.copy(before.place if before else roots.bare(FOLDER, BASES[image], slim=True), place)
        self.stage = self.stages[name] = Stage(place, len(words) == 1, before)
        if not before:
            self.stage.measure(f"FROM {image}")

    def do_workdir(self, rest):
        self.stage.cwd = rest
        (self.stage.place / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def do_copy(self, rest):
        *sources, target = rest.split()
        start = ROOT
        if sources[0].startswith("--from="):
            start = self.stages[sources.pop(0).split("=", 1)[1]].place
        to = self.stage.place / os.path.join(self.stage.cwd, target).lstrip("/")
        if target.endswith("/") or len(sources) > 1:
            to.mkdir(parents=True, exist_ok=True)
        for source in sources:
            there = start / source.lstrip("/")
            if source == ".":  # the build context: what git has, and the LibTorch that was put into it
                roots.checkout(start, to)
                if ARGUMENTS.libtorch:
                    folder = pathlib.PurePath(ARGUMENTS.libtorch).parts[0]
                    subprocess.run(["cp", "--archive", start / folder, to / folder], check=True)
            else:
                to.parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "--archive", "--no-preserve=ownership", f"{there}/." if there.is_dir() else there, to], check=True)
        self.stage.measure(f"COPY {rest}")

    def do_run(self, rest):
        compiled = re.search(r"cmake --build .* --target (.*)", rest) if ARGUMENTS.programs else None
        if compiled:
            to = self.stage.place / self.stage.cwd.lstrip("/") / "build/release/bin"
            to.mkdir(parents=True)
            for program in compiled.group(1).split():
                shutil.copy(ARGUMENTS.programs / program, to)
            return
        mounts = {"/root/.cache/ccache": CCACHE, "/root/.cache/archives": FOLDER / "archives"}
        apt = {"APT_CONFIG": "/root/.cache/archives/apt.conf"}
        (FOLDER / "archives/partial").mkdir(parents=True, exist_ok=True)
        (FOLDER / "archives/apt.conf").write_text('Dir::Cache::Archives "/root/.cache/archives";\n')
        roots.run(self.stage.place, rest, {**apt, **self.stage.variables, **self.stage.environment}, cwd=self.stage.cwd, mounts=mounts)
        shutil.rmtree(self.stage.place / "root/.cache")
        (self.stage.place / "etc/resolv.conf").unlink()
        self.stage.measure(f"RUN {rest}")

    def do_env(self, rest):
        self.stage.environment |= dict(word.split("=", 1) for word in shlex.split(self.expand(rest)))

    def do_label(self, rest):
        self.stage.labels |= dict(word.split("=", 1) for word in shlex.split(self.expand(rest)))

    def do_healthcheck(self, rest):
        self.stage.healthcheck = json.loads(rest[rest.index("CMD") + 3:])

    def do_cmd(self, rest):
        self.stage.command = json.loads(rest)

    def do_nothing(self, rest):
        """What says how the image is used: nothing to do while it is built."""

    do_volume = do_expose = do_user = do_nothing


def bytes_of(place):
    """What its files hold, as engines count it: each once, by however many names."""
    files = (os.lstat(file) for file in place.glob("**/*"))
    return sum({(file.st_dev, file.st_ino): file.st_size for file in files if stat.S_ISREG(file.st_mode)}.values())


def check_labels(labels):
    for name in ("title", "description", "revision"):
        if not labels.get(f"org.opencontainers.image.{name}"):
            sys.exit(f"the image has no label org.opencontainers.image.{name}")
    if "org.opencontainers.image.base.name" in labels:
        sys.exit("the image names a base; it begins with none")
    if labels["org.opencontainers.image.revision"] != REVISION:
        sys.exit(f"the image says that it is of {labels['org.opencontainers.image.revision']}, not {REVISION}")


def check_bill(place):
    """What the image says that it is made of: every program and library of ours, and the packages that those come from."""
    bill = json.loads((place / "usr/share/doc/mind-diffusion/sbom.spdx.json").read_text())
    files = {file["fileName"].removeprefix("./") for file in bill["files"]}
    there = {file.name for folder in ("bin", "lib/mind") for file in (place / "usr/local" / folder).iterdir()} - {"mind-alive"}
    if files != there:
        sys.exit(f"the bill of materials lacks {sorted(there - files)}, and has what is not there: {sorted(files - there)}")
    packages = {package["name"]: package["versionInfo"] for package in bill["packages"]}
    names = [thing["SPDXID"] for thing in bill["packages"] + bill["files"]]
    known = [any(name.startswith(wanted) for name in packages) for wanted in ("libgrpc++1.51", "libsqlite3-0", "libprotobuf")]
    if not all(known) or "" in packages.values() or len(set(names)) < len(names):
        sys.exit(f"the bill of materials is not one: {packages}")
    print(f"the bill of materials: {len(files)} files, {len(packages)} packages")


def use(stage):
    """Any user, a root that is only read: a server, as the image starts it, and a worker make a picture."""
    script = f"""
      {shlex.join(stage.command)} & server=$!
      mind-worker --server 127.0.0.1:8080 --metrics 127.0.0.1:9091 & worker=$!
      for i in $(seq 300); do mind models 2>/dev/null | grep -q emoji && break; sleep 0.1; done
      mind generate 'a red apple' --model emoji --steps 5 --out /tmp/apple.png && {shlex.join(stage.healthcheck)} && grep -q PNG /tmp/apple.png
      status=$?; kill $server $worker; wait
      touch /usr/written 2>/dev/null && status=1
      exit $status"""
    for user in ("10001", "54321"):
        roots.run(stage.place, script, stage.environment, user=user, only_reading=True)
        print(f"a picture was made by the user {user}, with a root that is only read")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    build = Build()
    if not build.run():
        return
    image = build.stage
    size = bytes_of(image.place)
    for layer, part in image.layers.items():
        print(f"{part / 1e6:8.1f} MB  {layer}")
    print(f"the image: {size / 1e6:.0f} MB")
    check_labels(image.labels)
    check_bill(image.place)
    use(image)
    if size > ARGUMENTS.most * 1e6:
        sys.exit(f"it has {size / 1e6:.0f} MB; it may have {ARGUMENTS.most}")


if __name__ == "__main__":
    main()
