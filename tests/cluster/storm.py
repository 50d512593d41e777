#!/usr/bin/env python3
"""Three servers, three workers and PostgreSQL with a standby on a network of namespaces, under faults, while jobs are made.

  storm.py --bin DIR --models DIR [--jobs N] [--seed N] [--faults KIND,...]

Faults at random moments: kill -9 and SIGSTOP/SIGCONT of servers, kill -9 of workers, SIGTERM of a server and of all in
turn (a rolling restart), links of servers and workers cut without a word; a crash of the database, the loss of its
standby, and failovers, the primary killed or cut off. Whatever happens, each job that was acknowledged must end once,
and with the pictures, byte by byte, that the same requests give when nothing goes wrong; and a stream of events must
not break but with the server that it comes from. Needs root. Exit status 0 where that holds, 77 where there can be no
namespaces. The seed, which is printed, decides which faults come in which order; when they hit is up to the machine.
"""
import argparse
import asyncio
import contextlib
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

from clients import Clients
from databases import Databases
from network import Network, Processes, enter

FRONTS, WORKERS = 3, 3
FAULTS = ["kill", "stop", "cut", "term", "roll", "worker", "cut-worker", "crash", "standby", "failover", "isolate"]


class Storm:
    def __init__(self, arguments):
        self.arguments = arguments
        self.random = random.Random(arguments.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mind-storm-"))
        self.folder.chmod(0o755)
        self.network = Network(f"mind{os.getpid()}")
        self.processes = Processes(self.folder)
        self.databases = Databases(self.network, self.processes, self.folder)
        self.disturbances = {index: [] for index in range(FRONTS)}  # by server: when they began and ended
        self.over = threading.Event()
        self.happened = {}

    # --- The machines.

    def address(self, index):
        return f"10.77.0.{10 + index}"

    def start_front(self, index):
        self.processes.start(f"front{index}", self.spaces[f"f{index}"], [
            f"{self.arguments.bin}/mind-server", "--open", "--listen", f"{self.address(index)}:8080", "--http",
            f"{self.address(index)}:8081", "--metrics", "127.0.0.1:0", "--cluster", f"127.0.0.1:{7000 + index}",
            "--leader-lease", "2s", "--grace", "3s", "--store", self.databases.url])

    def start_worker(self, index):
        self.processes.start(f"worker{index}", self.spaces[f"w{index}"], [
            f"{self.arguments.bin}/mind-worker", "--server", f"{self.address(index)}:8080", "--name", f"w{index}",
            "--models", self.arguments.models, "--metrics", "127.0.0.1:0"])

    def build(self):
        self.spaces = {}
        for i in range(FRONTS):
            self.spaces[f"f{i}"] = self.network.add(f"f{i}", 10 + i)
        for i in range(WORKERS):
            self.spaces[f"w{i}"] = self.network.add(f"w{i}", 20 + i)
        self.databases.begin()
        for i in range(FRONTS):
            pairs = [f"{self.address(i)}:{7100 + i}", f"127.0.0.1:{7000 + i}"]
            for j in range(FRONTS):
                if j != i:
                    pairs += [f"127.0.0.1:{7000 + j}", f"{self.address(j)}:{7100 + j}"]
            forward = str(pathlib.Path(__file__).with_name("forward.py"))
            self.processes.start(f"forward{i}", self.spaces[f"f{i}"], [sys.executable, forward, *pairs])
            self.start_front(i)
        for i in range(WORKERS):
            self.start_worker(i)

    # --- Faults.

    @contextlib.contextmanager
    def disturb(self, front):
        """What comes from that server may break now, and a little later: it is noticed late."""
        one = [time.monotonic(), float("inf")]
        self.disturbances[front].append(one)
        yield
        one[1] = time.monotonic() + 15

    def disturbed(self, front, begin, end):
        return any(since <= end and begin <= until for since, until in self.disturbances[front])

    def away(self, longest=6.0):
        self.over.wait(self.random.uniform(0.3, longest))

    def restart(self, front, number):
        with self.disturb(front):
            self.processes.end(f"front{front}", number)
            self.start_front(front)

    def fault(self, kind):
        front, worker = self.random.randrange(FRONTS), self.random.randrange(WORKERS)
        print(f"{time.monotonic() - self.began:6.1f} s: {kind}, server {front}, worker {worker}", flush=True)
        if kind == "kill":
            with self.disturb(front):
                self.processes.end(f"front{front}", signal.SIGKILL)
                self.away()
                self.start_front(front)
        elif kind == "stop":
            with self.disturb(front):
                self.processes.signal(f"front{front}", signal.SIGSTOP)
                self.away()
                self.processes.signal(f"front{front}", signal.SIGCONT)
        elif kind == "cut":
            with self.disturb(front):
                self.cut(f"f{front}")
        elif kind == "term":
            self.restart(front, signal.SIGTERM)
        elif kind == "roll":
            for each in range(FRONTS):
                self.restart(each, signal.SIGTERM)
                self.away(2)
        elif kind == "worker":
            self.processes.end(f"worker{worker}", signal.SIGKILL)
            self.start_worker(worker)
        elif kind == "cut-worker":
            self.cut(f"w{worker}")
        elif kind == "crash":
            self.databases.crash(lambda: self.away(3))
        elif kind == "standby":
            self.databases.lose_standby(lambda: self.away(3))
        else:
            self.databases.fail_over(lambda: self.away(3), isolated=kind == "isolate")
        self.happened[kind] = self.happened.get(kind, 0) + 1

    def cut(self, name):
        self.network.link(name, "down")
        self.away()
        self.network.link(name, "up")

    def trouble(self):
        # In rounds, so that each kind comes as often as any other.
        turn = []
        try:
            while not self.over.wait(self.random.uniform(0.3, 2)):
                if not turn:
                    turn = self.random.sample(self.arguments.faults, len(self.arguments.faults))
                self.fault(turn.pop())
        except Exception as error:  # pylint: disable=broad-except
            self.clients.complaints.append(f"the faults have come to an end: {error!r}")

    # --- The run.

    def make_all(self, prefix, enough):
        began, results = time.monotonic(), {}

        def work():
            enter(self.network.hub)
            results.update(asyncio.run(self.clients.make_all(self.arguments.jobs, prefix, enough)))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        print(f"{prefix}: {sum(map(len, results.values()))} jobs in {time.monotonic() - began:.0f} s", flush=True)
        return results

    def run(self):
        print(f"seed {self.arguments.seed}", flush=True)
        self.clients = Clients([(self.address(i), 8081) for i in range(FRONTS)], self.disturbed)
        self.began = time.monotonic()
        self.build()
        print(f"all stands after {time.monotonic() - self.began:.0f} s", flush=True)
        expected = self.make_all("calm", lambda: True)
        self.began = time.monotonic()
        trouble = threading.Thread(target=self.trouble)
        trouble.start()
        results = self.make_all("storm", lambda: len(self.happened) == len(self.arguments.faults) or not trouble.is_alive())
        self.over.set()
        trouble.join()
        lost = [number for number, outcomes in results.items() if not outcomes or None in outcomes]
        wrong = [number for number, outcomes in results.items()
                 if any(outcome not in (None, expected[number][0]) for outcome in outcomes)]
        print(f"faults: {self.happened}")
        print(f"{self.clients.streams} streams, of which {self.clients.resumed} broke with their server")
        print(f"{len(lost)} lost {lost}, {len(wrong)} with other pictures {wrong}, {len(self.clients.complaints)} complaints")
        for complaint in self.clients.complaints:
            print(complaint)
        return not (lost or wrong or self.clients.complaints)

    def close(self, well):
        self.processes.close()
        self.network.close()
        if well:
            shutil.rmtree(self.folder)
        else:
            print(f"logs: {self.folder}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, help="where the programs are")
    parser.add_argument("--models", required=True, help="a directory with the model emoji")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--faults", type=lambda text: text.split(","), default=FAULTS,
                        help="the kinds that come: " + ", ".join(FAULTS))
    arguments = parser.parse_args()
    unknown = set(arguments.faults) - set(FAULTS)
    if unknown:
        parser.error(f"no such faults: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("needs root and ip (iproute2)")
        sys.exit(77)
    # Told to end, it takes the network and the processes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    storm = Storm(arguments)
    well = False
    try:
        well = storm.run()
    finally:
        storm.close(well)
    sys.exit(0 if well else 1)


main()
