#!/usr/bin/env python3
"""Builds the Dockerfile's image without an engine: its own instructions, one after the other, in roots that debootstrap has
made, and then uses what came out as an engine would: any user, a root that is only read.

  image.py ROOT FOLDER [--libtorch DIRECTORY] [--programs FOLDER] [--most MB] [--steps N]

FOLDER takes the roots, some gigabytes; one that is there already (FOLDER/base) is used again, and so is what the compiler made
(FOLDER/ccache, as a cache mount would keep it). An image of more than --most MB is one too many. --programs
takes programs that are compiled already, on the same Debian, for what the compiler would make: all else is as the Dockerfile says. --steps ends after so many
instructions, to try the script itself. Needs root, debootstrap and a Debian mirror (MIND_MIRROR; by default this machine's
first in /etc/apt). The long mode runs it; it says how large the image is.
"""
import argparse
import glob
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

arguments = argparse.ArgumentParser()
arguments.add_argument("root", type=pathlib.Path)
arguments.add_argument("folder", type=pathlib.Path)
arguments.add_argument("--libtorch", default="")
arguments.add_argument("--programs", type=pathlib.Path)
arguments.add_argument("--most", type=int, default=350)
arguments.add_argument("--steps", type=int, default=10**6)
ARGUMENTS = arguments.parse_args()
ROOT, FOLDER = ARGUMENTS.root.resolve(), ARGUMENTS.folder.resolve()
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def mirror():
    if "MIND_MIRROR" in os.environ:
        return os.environ["MIND_MIRROR"]
    for file in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        if os.path.exists(file):
            found = re.search(r"^[^#\n]*?(https?://\S+)", pathlib.Path(file).read_text(), re.M)
            if found:
                return found.group(1)
    sys.exit("no mirror of Debian is known: MIND_MIRROR=URL")


def base():
    """A bare Debian 12, as the image that the Dockerfile begins with."""
    place = FOLDER / "base"
    if not place.exists():
        unfinished = FOLDER / "base.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", unfinished, mirror()], check=True)
        unfinished.rename(place)
    return place


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


def chroot(place, command, environment, user=("0", "0"), only_reading=False, cwd="/"):
    """Runs a command with that root, in namespaces of its own."""
    lines = ["set -e", f"mount --bind {place} {place}", f"cd {place}", "mount --bind /proc proc", "mount --rbind /dev dev"]
    if only_reading:
        lines += [f"mount -o remount,bind,ro {place}", "mount -t tmpfs tmpfs tmp", "mount -t tmpfs -o mode=770,gid=0 tmpfs data"]
    else:
        cache = FOLDER / "ccache"
        cache.mkdir(exist_ok=True)
        lines += ["cp /etc/resolv.conf etc/resolv.conf", "mkdir -p root/.cache/ccache", f"mount --bind {cache} root/.cache/ccache"]
    drop = ["setpriv", f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups", "--no-new-privs"] if user[0] != "0" else []
    inside = ["env", "-i", f"PATH={PATH}", *(f"{k}={v}" for k, v in environment.items()), "sh", "-c",
              f"cd {cwd} && {command if isinstance(command, str) else shlex.join(command)}"]
    lines.append("exec " + shlex.join(["chroot", str(place), *drop, *inside]))
    return subprocess.run(["unshare", "--mount", "--pid", "--fork", "--propagation", "private", "bash", "-c", "\n".join(lines)], check=True)


class Build:
    def __init__(self):
        self.given = {"LIBTORCH": ARGUMENTS.libtorch, "REVISION": subprocess.run(
            ["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip() or "unknown"}
        self.stages, self.settings = {}, {}
        self.place, self.variables, self.cwd = None, {}, "/"

    def expand(self, text):
        def value(match):
            return self.variables.get(match.group(1) or match.group(2), "")
        return re.sub(r"\$\{(\w+)\}|\$(\w+)", value, text)

    def run(self):
        for number, (name, rest) in enumerate(instructions()):
            if number >= ARGUMENTS.steps:
                print(f"ends before {name} {rest.splitlines()[0]}")
                return False
            print(f"--- {name} {rest}", flush=True)
            getattr(self, f"do_{name.lower()}", self.unknown)(rest)
        return True

    def unknown(self, rest):
        sys.exit(f"this script does not know the instruction: {rest}")

    def do_arg(self, rest):
        name, _, default = rest.partition("=")
        self.variables[name] = self.given.get(name) or default

    def do_from(self, rest):
        words = rest.split()
        image = self.expand(words[0])
        if image != "debian:bookworm-slim":
            sys.exit(f"{image} is none of this script's bases")
        name = words[2] if len(words) == 3 else "image"
        self.place, self.cwd, self.settings = FOLDER / name, "/", {}
        shutil.rmtree(self.place, ignore_errors=True)
        subprocess.run(["cp", "--archive", base(), self.place], check=True)
        self.stages[name] = self.place

    def do_workdir(self, rest):
        self.cwd = rest
        (self.place / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def do_copy(self, rest):
        *sources, target = rest.split()
        start = ROOT
        if sources[0].startswith("--from="):
            start = self.stages[sources.pop(0).split("=", 1)[1]]
        to = self.place / os.path.join(self.cwd, target).lstrip("/")
        if target.endswith("/") or len(sources) > 1:
            to.mkdir(parents=True, exist_ok=True)
        for source in sources:
            there = start / source.lstrip("/")
            if source == ".":  # the build context: what git has
                files = subprocess.run(["git", "-C", start, "ls-files", "-z"], capture_output=True, check=True).stdout
                subprocess.run(["tar", "--create", "--null", "--files-from=-", "--directory", start, "--file=-"], input=files,
                               stdout=open(FOLDER / "context.tar", "wb"), check=True)
                subprocess.run(["tar", "--extract", "--directory", to, "--file", FOLDER / "context.tar"], check=True)
            elif there.is_dir():
                subprocess.run(["cp", "--archive", "--no-preserve=ownership", f"{there}/.", to], check=True)
            else:
                to.parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "--archive", "--no-preserve=ownership", there, to], check=True)

    def do_run(self, rest):
        compiled = re.search(r"cmake --build .* --target (.*)", rest) if ARGUMENTS.programs else None
        if compiled:
            to = self.place / self.cwd.lstrip("/") / "build/release/bin"
            to.mkdir(parents=True)
            for program in compiled.group(1).split():
                shutil.copy(ARGUMENTS.programs / program, to)
            return
        chroot(self.place, rest, {**self.variables, **self.settings.get("env", {})}, cwd=self.cwd)

    def do_env(self, rest):
        self.settings["env"] = dict(word.split("=", 1) for word in shlex.split(rest))

    def do_nothing(self, rest):
        """What says how the image is used: nothing to do while it is built."""

    def do_user(self, rest):
        self.settings["user"] = rest

    def do_label(self, rest):
        self.settings["labels"] = dict(word.split("=", 1) for word in shlex.split(self.expand(rest)))

    do_volume = do_expose = do_healthcheck = do_cmd = do_nothing


def bytes_of(*places):
    """What they hold; nothing for what is not there."""
    done = subprocess.run(["du", "--summarize", "--total", "--bytes", *(p for p in places if p.exists())], capture_output=True,
                          text=True, check=True)
    return int(done.stdout.split()[-2])


def check_labels(labels, revision):
    for name in ("title", "description", "revision", "base.name"):
        if not labels.get(f"org.opencontainers.image.{name}"):
            sys.exit(f"the image has no label org.opencontainers.image.{name}")
    if labels["org.opencontainers.image.revision"] != revision:
        sys.exit(f"the image says that it is of {labels['org.opencontainers.image.revision']}, not {revision}")


def check_bill(place):
    """What the image says that it is made of: every program and library of ours, and the packages that those come from."""
    bill = json.loads((place / "usr/share/doc/mind-diffusion/sbom.spdx.json").read_text())
    files = {file["fileName"].removeprefix("./") for file in bill["files"]}
    for folder in ("usr/local/bin", "usr/local/lib/mind"):
        for file in (place / folder).iterdir():
            if file.name not in files and file.name != "mind-alive":
                sys.exit(f"the bill of materials lacks {file.name}")
    packages = {package["name"]: package["versionInfo"] for package in bill["packages"]}
    names = [thing["SPDXID"] for thing in bill["packages"] + bill["files"]]
    if not {"libc6", "libgrpc++1.51", "libsqlite3-0"} <= packages.keys() or "" in packages.values() or len(set(names)) < len(names):
        sys.exit(f"the bill of materials is not one: {packages}")
    print(f"the bill of materials: {len(files)} files, {len(packages)} packages")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    build = Build()
    if not build.run():
        return
    place, environment = build.place, build.settings["env"]
    parts = {"libraries": place / "usr/local/lib/mind", "programs": place / "usr/local/bin", "models": place / "models"}
    size, parts = bytes_of(place), {name: bytes_of(part) for name, part in parts.items()}
    parts["Debian"] = size - sum(parts.values())
    print(f"the image: {size / 1e6:.0f} MB, " + ", ".join(f"{name} {part / 1e6:.0f}" for name, part in parts.items()))
    if size > ARGUMENTS.most * 1e6:
        sys.exit(f"it may have {ARGUMENTS.most} MB")
    check_labels(build.settings["labels"], build.given["REVISION"])
    check_bill(place)
    # Any user, a root that is only read: a server and a worker make a picture.
    script = """
      mind-server --open --listen 127.0.0.1:8080 --metrics 127.0.0.1:9090 & server=$!
      mind-worker --server 127.0.0.1:8080 --metrics 127.0.0.1:9091 & worker=$!
      for i in $(seq 300); do mind models 2>/dev/null | grep -q emoji && break; sleep 0.1; done
      mind generate 'a red apple' --model emoji --steps 5 --out /tmp/apple.png && mind-alive
      status=$?; kill $server $worker; wait; exit $status"""
    for user in (("10001", "0"), ("54321", "0")):
        chroot(place, script, environment, user=user, only_reading=True)
        print(f"a picture was made by the user {user[0]}, with a root that is only read")


if __name__ == "__main__":
    main()
