"""Roots of a bare Debian, as debootstrap makes them, and commands in them, each in namespaces of its own.

Needs root, debootstrap and a mirror of Debian (MIND_MIRROR; by default this machine's first in /etc/apt). What is mounted
for a command goes with it.
"""
import glob
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What images of Debian called slim lack of it (debuerreotype's list).
SLIM = ["doc", "groff", "info", "linda", "lintian", "locale", "man"]
# Where this machine's clients of package registries look for authorities: said to those in a root too.
AUTHORITIES = ["NODE_EXTRA_CA_CERTS", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"]
# What else is said to commands in a root where this machine's has been told it: how many compilers may run at a time.
PASSED = [*AUTHORITIES, "CMAKE_BUILD_PARALLEL_LEVEL"]


def mirror():
    if "MIND_MIRROR" in os.environ:
        return os.environ["MIND_MIRROR"]
    for file in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*"))]:
        if os.path.exists(file):
            found = re.search(r"^[^#\n]*?(https?://\S+)", pathlib.Path(file).read_text(), re.M)
            if found:
                return found.group(1)
    sys.exit("no mirror of Debian is known: MIND_MIRROR=URL")


def make_slim(place):
    excludes = "".join(f"path-exclude /usr/share/{name}/*\n" for name in SLIM)
    (place / "etc/dpkg/dpkg.cfg.d/slim").write_text(excludes + "path-include /usr/share/doc/*/copyright\n")
    for name in SLIM:
        for file in (place / "usr/share" / name).glob("**/*"):
            if (file.is_symlink() or not file.is_dir()) and (name, file.name) != ("doc", "copyright"):
                file.unlink()
    for pattern in ("var/lib/apt/lists/*", "var/cache/apt/*", "var/log/*"):
        for left in place.glob(pattern):
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def bare(folder, suite, slim=False):
    """A bare Debian of that suite, made in the folder once; with slim as debian:SUITE-slim has it."""
    place = folder / (f"{suite}-slim" if slim else suite)
    if not place.exists():
        unfinished = folder / f"{place.name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["debootstrap", "--variant=minbase", suite, unfinished, mirror()], check=True)
        if slim:
            make_slim(unfinished)
        unfinished.rename(place)
    return place


def copy(place, to):
    shutil.rmtree(to, ignore_errors=True)
    subprocess.run(["cp", "--archive", place, to], check=True)


def trust(place):
    """The authorities that this machine has been given are the root's too, for what it gets from registries."""
    own = pathlib.Path("/usr/local/share/ca-certificates")
    if own.is_dir():
        shutil.copytree(own, place / own.relative_to("/"), dirs_exist_ok=True)


def checkout(root, to):
    """What git has of the tree, as it lies there."""
    to.mkdir(parents=True, exist_ok=True)
    files = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True, check=True).stdout
    packed = subprocess.run(["tar", "--create", "--directory", root, "--null", "--files-from=-"], input=files,
                            stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "--extract", "--directory", to], input=packed, check=True)


def run(place, command, environment=None, user=None, cwd="/", only_reading=False, mounts=None, output=False):
    """Runs a command of the shell with that root. mounts: folders of this machine, by the place in the root that they take.

    With a user (a number; its group is 0, as engines have it for one that no file names) and only_reading, as engines run
    a container with --user and --read-only: a network of its own, and nothing to write but /tmp and /data.
    """
    lines = ["set -e", f"mount --bind {place} {place}", f"cd {place}", "mount -t proc proc proc",
             "mount --rbind /dev dev", "mount --rbind /sys sys"]
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    for there, here in (mounts or {}).items():
        here.mkdir(parents=True, exist_ok=True)
        lines += [f"mkdir -p {there.lstrip('/')}", f"mount --bind {here} {there.lstrip('/')}"]
    if only_reading:
        unshare.append("--net")
        lines += ["ip link set lo up", f"mount -o remount,bind,ro {place}", "mount -t tmpfs tmpfs tmp",
                  "mount -t tmpfs -o mode=770,gid=0 tmpfs data"]
    else:
        lines.append("cp /etc/resolv.conf etc/resolv.conf")
    chroot = ["chroot", str(place)]
    if user:
        chroot = ["setpriv", "--no-new-privs", "chroot", f"--userspec={user}:0", "--groups=", str(place)]
    given = {name: os.environ[name] for name in PASSED if name in os.environ}
    variables = {"PATH": PATH, "HOME": "/root", **({} if only_reading else given), **(environment or {})}
    inside = ["env", "-i", *(f"{name}={value}" for name, value in variables.items()), "sh", "-c", f"cd {cwd} && {command}"]
    lines.append("exec " + shlex.join([*chroot, *inside]))
    done = subprocess.run([*unshare, "bash", "-c", "\n".join(lines)], check=False, text=True, stdout=subprocess.PIPE if output else None)
    if done.returncode:
        sys.exit(f"in {place}: {command}: ended with {done.returncode}")
    return done.stdout
