#!/usr/bin/env python3
"""The README's two commands on a bare Debian, as debootstrap makes it: a prompt becomes a picture, and the tests pass.

  bare.py ROOT FOLDER SUITE [--ccache DIRECTORY] [--picture] [ARGUMENT...]

SUITE is bookworm (Debian 12) or trixie (13). FOLDER takes the roots, some gigabytes; a bare one that is there already is used
again, what was installed and built in it is not. --ccache lends a folder of ccache's, and makes the times that are printed
those of a machine that has built before. --picture leaves it at the first command. Other arguments go to tests/run.sh, and by it
to ctest: -R unit/server. What it needs: roots.py. The long mode runs it.
"""
import argparse
import pathlib
import sys
import time

import roots

arguments = argparse.ArgumentParser()
arguments.add_argument("root", type=pathlib.Path)
arguments.add_argument("folder", type=pathlib.Path)
arguments.add_argument("suite", choices=["bookworm", "trixie"])
arguments.add_argument("--ccache", type=pathlib.Path)
arguments.add_argument("--picture", action="store_true")
ARGUMENTS, TESTS = arguments.parse_known_args()
FOLDER = ARGUMENTS.folder.resolve()


def timed(place, command, output=False):
    began = time.monotonic()
    mounts = {"/root/.cache/ccache": ARGUMENTS.ccache.resolve()} if ARGUMENTS.ccache else None
    said = roots.run(place, command, cwd="/mind", mounts=mounts, output=output)
    print(f"{ARGUMENTS.suite}: {command}: {time.monotonic() - began:.0f} s", flush=True)
    return said


def main():
    place = FOLDER / f"{ARGUMENTS.suite}-used"
    roots.copy(roots.bare(FOLDER, ARGUMENTS.suite), place)
    roots.trust(place)
    roots.checkout(ARGUMENTS.root.resolve(), place / "mind")
    last = timed(place, "deploy/demo.sh", output=True).strip().splitlines()[-1]
    picture = place / last.lstrip("/")
    if not picture.is_file() or not picture.read_bytes().startswith(b"\x89PNG"):
        sys.exit(f"deploy/demo.sh made no picture; its last line is: {last}")
    if not ARGUMENTS.picture:
        # The tests ask git which files there are.
        timed(place, "git init --quiet && git add --all && tests/run.sh " + " ".join(TESTS))


if __name__ == "__main__":
    main()
