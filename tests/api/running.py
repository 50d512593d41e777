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

    def __init__(self, folder: pathlib.Path, start, models: pathlib.Path | None, flags: tuple[str, ...]):
        self.folder = folder
        self._start = start
        self._models = models
        self._flags = flags
        self.grpc = "127.0.0.1:0"
        self.start_server()

    def start_server(self) -> None:
        """Once more on the port that workers know, where it has run before."""
        local = "127.0.0.1:0"
        self._server = self._start("mind-server", "--listen", self.grpc, "--http", local, "--metrics", local,
                                   "--data", self.folder / "data", *self._flags)
        self.http = "127.0.0.1:" + _await_line(self._server, r"http on port (\d+)")[1]
        self.grpc = "127.0.0.1:" + _await_line(self._server, r"listening on port (\d+)")[1]

    def kill_server(self) -> None:
        self._server.kill()
        self._server.wait()

    def start_worker(self) -> None:
        """One more; the kind that makes nothing does not outlive its server."""
        if self._models is None:
            self._start("null-worker", self.grpc)
        else:
            self._start("mind-worker", "--server", self.grpc, "--models", self._models, "--device", "cpu", "--metrics",
                        "127.0.0.1:0")
        while not json.load(urllib.request.urlopen(f"http://{self.http}/v1/models"))["data"]:
            time.sleep(0.05)


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

        def start(program: str, *arguments: object) -> subprocess.Popen:
            command = [str(part) for part in (bin_folder / program, *arguments)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        server = Running(folder, start, models, flags)
        server.start_worker()
        yield server
