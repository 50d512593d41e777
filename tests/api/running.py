"""A server with a worker, for a test: real processes on free ports, in a directory that goes with them."""

import contextlib
import json
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request


class Running:
    """Where the server is: `grpc` and `http` are HOST:PORT, `folder` is free to use."""

    def __init__(self, folder: pathlib.Path, grpc: str, http: str):
        self.folder = folder
        self.grpc = grpc
        self.http = http


def _await_line(process: subprocess.Popen, pattern: str) -> re.Match:
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found
    raise RuntimeError(f"{process.args[0]} ended before it said {pattern!r}")


@contextlib.contextmanager
def running(bin_folder: pathlib.Path, models: pathlib.Path | None, flags: tuple[str, ...] = ()):
    """`models`: what mind-worker serves; None: a worker that makes nothing, whose model is "null-0"."""
    with tempfile.TemporaryDirectory(prefix="mind-api-") as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        log = stack.enter_context(open(folder / "log", "w"))

        def start(*command: object) -> subprocess.Popen:
            process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=log, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        local = "127.0.0.1:0"
        server = start(bin_folder / "mind-server", "--listen", local, "--http", local, "--metrics", local,
                       "--data", folder / "data", *flags)
        http = "127.0.0.1:" + _await_line(server, r"http on port (\d+)")[1]
        grpc = "127.0.0.1:" + _await_line(server, r"listening on port (\d+)")[1]
        if models is None:
            start(bin_folder / "null-worker", grpc)
        else:
            start(bin_folder / "mind-worker", "--server", grpc, "--models", models, "--device", "cpu", "--metrics", local)
        while not json.load(urllib.request.urlopen(f"http://{http}/v1/models"))["data"]:
            time.sleep(0.05)
        yield Running(folder, grpc, http)
