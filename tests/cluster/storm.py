#!/usr/bin/env python3
"""Three servers, three workers and their PostgreSQL on a network of namespaces, under faults, while jobs are made.

  storm.py --bin DIR --models DIR [--jobs N] [--seed N]

Faults at random moments: kill -9 and SIGSTOP/SIGCONT of servers and workers, SIGTERM of servers (a rolling restart),
links cut without a word, a crash of the database. Whatever happens, each job that was acknowledged must end once,
and with the pictures, byte by byte, that the same requests give when nothing goes wrong. Needs root. Exit status 0
where that holds, 77 where there can be no namespaces. The seed decides which faults come in which order; when they hit is up to the machine.
"""
import argparse
import hashlib
import os
import pathlib
import pwd
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

FRONTS, WORKERS = 3, 3
PATIENCE = 300  # seconds for a job to come out


def run(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True)


class Network:
    """A bridge in a namespace of its own, and a namespace a machine, joined by a link that can be cut."""

    def __init__(self, tag):
        self.tag, self.machines = tag, []
        self.hub = self.make("hub")
        self.inside(self.hub, "ip", "link", "add", "bridge", "type", "bridge")
        self.inside(self.hub, "ip", "addr", "add", "10.77.0.254/24", "dev", "bridge")
        self.inside(self.hub, "ip", "link", "set", "bridge", "up")

    def make(self, name):
        space = f"{self.tag}-{name}"
        run("ip", "netns", "add", space)
        self.machines.append(space)
        self.inside(space, "ip", "link", "set", "lo", "up")
        return space

    def add(self, name, number):
        space = self.make(name)
        run("ip", "-n", self.hub, "link", "add", f"to-{name}", "type", "veth", "peer", "name", "net", "netns", space)
        self.inside(self.hub, "ip", "link", "set", f"to-{name}", "master", "bridge", "up")
        self.inside(space, "ip", "addr", "add", f"10.77.0.{number}/24", "dev", "net")
        self.inside(space, "ip", "link", "set", "net", "up")
        return space

    def link(self, name, state):
        self.inside(self.hub, "ip", "link", "set", f"to-{name}", state)

    def inside(self, space, *command):
        return run("ip", "netns", "exec", space, *command)

    def close(self):
        for space in self.machines:
            run("ip", "netns", "del", space, check=False)


class Storm:
    def __init__(self, arguments):
        self.arguments = arguments
        self.random = random.Random(arguments.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mind-storm-"))
        self.folder.chmod(0o755)
        self.network = Network(f"mind{os.getpid()}")
        self.processes = {}
        self.failures, self.over = [], threading.Event()

    # --- Processes.

    def start(self, name, space, command):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen(
            ["ip", "netns", "exec", space, *command], stdout=log, stderr=log, start_new_session=True)

    def signal(self, name, number):
        # ip becomes the command: the process is that.
        self.processes[name].send_signal(number)

    def start_front(self, index):
        self.start(f"front{index}", self.spaces[f"f{index}"], [
            f"{self.arguments.bin}/mind-server", "--open", "--listen", f"10.77.0.{10 + index}:8080",
            "--metrics", "127.0.0.1:0", "--cluster", f"127.0.0.1:{7000 + index}", "--leader-lease", "2s", "--grace", "3s",
            "--store", "postgresql://postgres@10.77.0.1/postgres"])

    def start_worker(self, index):
        self.start(f"worker{index}", self.spaces[f"w{index}"], [
            f"{self.arguments.bin}/mind-worker", "--server", f"10.77.0.{10 + index}:8080", "--name", f"w{index}",
            "--models", self.arguments.models, "--metrics", "127.0.0.1:0"])

    def start_database(self):
        self.start("postgres", self.spaces["db"], [
            "setpriv", f"--reuid={self.postgres.pw_uid}", f"--regid={self.postgres.pw_gid}", "--clear-groups",
            f"{self.programs}/postgres", "-D", str(self.folder / "data")])

    def build(self):
        self.spaces = {"db": self.network.add("db", 1)}
        for i in range(FRONTS):
            self.spaces[f"f{i}"] = self.network.add(f"f{i}", 10 + i)
        for i in range(WORKERS):
            self.spaces[f"w{i}"] = self.network.add(f"w{i}", 20 + i)
        self.postgres = pwd.getpwnam("postgres")
        self.programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        os.chown(self.folder, self.postgres.pw_uid, self.postgres.pw_gid)
        run("setpriv", f"--reuid={self.postgres.pw_uid}", f"--regid={self.postgres.pw_gid}", "--clear-groups",
            f"{self.programs}/initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "postgres")
        with open(self.folder / "data/postgresql.conf", "a") as settings:
            settings.write(f"listen_addresses = '*'\nunix_socket_directories = '{self.folder}'\n")
        with open(self.folder / "data/pg_hba.conf", "a") as rules:
            rules.write("host all all 10.77.0.0/24 trust\n")
        self.start_database()
        # A server ends where it cannot reach its database when it starts.
        answers = [f"{self.programs}/pg_isready", "-q", "-h", str(self.folder)]
        while subprocess.run(answers).returncode != 0:
            assert self.processes["postgres"].poll() is None, "the database does not start"
            time.sleep(0.1)
        for i in range(FRONTS):
            pairs = [f"10.77.0.{10 + i}:{7100 + i}", f"127.0.0.1:{7000 + i}"]
            for j in range(FRONTS):
                if j != i:
                    pairs += [f"127.0.0.1:{7000 + j}", f"10.77.0.{10 + j}:{7100 + j}"]
            forward = str(pathlib.Path(__file__).with_name("forward.py"))
            self.start(f"forward{i}", self.spaces[f"f{i}"], [sys.executable, forward, *pairs])
            self.start_front(i)
        for i in range(WORKERS):
            self.start_worker(i)

    # --- Clients.

    def mind(self, front, *arguments, seconds=60):
        command = ["ip", "netns", "exec", self.network.hub, f"{self.arguments.bin}/mind", "--server",
                   f"10.77.0.{10 + front}:8080", *arguments]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def insist(self, number, *arguments):
        """Asks one server after the other until one answers."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for front in range(FRONTS):
                answer = self.mind((number + front) % FRONTS, *arguments)
                if answer is not None and answer.returncode == 0:
                    return answer.stdout.split()
                if answer is not None and answer.returncode in (1, 2, 4, 7):
                    self.failures.append(f"{arguments}: {answer.stderr.strip()}")
                    return None
            time.sleep(0.2)
        self.failures.append(f"{arguments}: no answer in {PATIENCE} s")
        return None

    def make(self, number, prefix):
        """One job, acknowledged and fetched; the hashes of its pictures."""
        asked = ["generate", f"a red heart {number}", "--model", "emoji", "--seed", str(number), "--steps", "20",
                 "--request-id", f"{prefix}-{number}", "--detach"]
        first = self.insist(number, *asked)
        if not first:
            return None
        again = self.insist(number + 1, *asked)
        if again != first:
            self.failures.append(f"request {number} made two jobs: {first} and {again}")
        target = self.folder / f"{prefix}-{number}.png"
        if self.insist(number, "get", first[-1], "--out", str(target)) is None:
            return None
        return hashlib.sha256(target.read_bytes()).hexdigest()

    def make_all(self, count, prefix):
        results, turn = {}, iter(range(1, count + 1))
        lock = threading.Lock()

        def client():
            while True:
                with lock:
                    number = next(turn, None)
                if number is None:
                    return
                results[number] = self.make(number, prefix)

        clients = [threading.Thread(target=client) for _ in range(6)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        return results

    # --- Faults.

    def fault(self):
        front, worker = self.random.randrange(FRONTS), self.random.randrange(WORKERS)
        kind = self.random.choice(["kill", "kill", "stop", "cut", "term", "worker", "cut-worker", "database"])
        pause = self.random.uniform(1, 6)
        print(f"fault: {kind}, front {front}, worker {worker}, {pause:.1f} s", flush=True)
        if kind == "kill":
            self.signal(f"front{front}", signal.SIGKILL)
            self.processes[f"front{front}"].wait()
            self.over.wait(pause)
            self.start_front(front)
        elif kind == "stop":
            self.signal(f"front{front}", signal.SIGSTOP)
            self.over.wait(pause)
            self.signal(f"front{front}", signal.SIGCONT)
        elif kind == "term":
            self.signal(f"front{front}", signal.SIGTERM)
            self.processes[f"front{front}"].wait()
            self.start_front(front)
        elif kind == "worker":
            self.signal(f"worker{worker}", signal.SIGKILL)
            self.processes[f"worker{worker}"].wait()
            self.start_worker(worker)
        elif kind == "database":
            self.signal("postgres", signal.SIGQUIT)
            self.processes["postgres"].wait()
            self.over.wait(pause / 2)
            self.start_database()
        else:
            name = f"f{front}" if kind == "cut" else f"w{worker}"
            self.network.link(name, "down")
            self.over.wait(pause)
            self.network.link(name, "up")

    def trouble(self):
        while not self.over.wait(self.random.uniform(0.5, 3)):
            self.fault()

    def run(self):
        count = self.arguments.jobs
        self.build()
        began = time.monotonic()
        expected = self.make_all(count, "calm")
        print(f"undisturbed: {count} jobs in {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        trouble = threading.Thread(target=self.trouble)
        trouble.start()
        results = self.make_all(count, "storm")
        self.over.set()
        trouble.join()
        print(f"under faults: {count} jobs in {time.monotonic() - began:.0f} s", flush=True)
        lost = [number for number in expected if results.get(number) is None]
        wrong = [number for number in expected if results.get(number) not in (None, expected[number])]
        print(f"{len(lost)} lost {lost}, {len(wrong)} with other pictures {wrong}, {len(self.failures)} complaints")
        for complaint in self.failures:
            print(complaint)
        return not (lost or wrong or self.failures)

    def close(self, well):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
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
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("needs root and ip (iproute2)")
        sys.exit(77)
    storm = Storm(arguments)
    well = False
    try:
        well = storm.run()
    finally:
        storm.close(well)
    sys.exit(0 if well else 1)


main()
