#!/usr/bin/env python3
"""Starts what compose.yaml says as plain processes, and uses it: a prompt becomes a picture by way of PostgreSQL, two
servers and TLS, while Prometheus watches; every expression of the dashboards has to give something under that load.

  compose.py ROOT BIN TOOLS      (TOOLS: what install.sh filled). Ends with 77 where it may not make namespaces.

Compose itself reads the file (`docker-compose config`, which needs no engine). Each service then gets a network
namespace with the addresses by which the others know it, and a root of its own: this machine's programs, read only where
the file says so, the volumes that the file names, and the user of the image. What an engine would do with a key that is
not known here is not made up: the run ends with its name. Grafana is not on this machine: of it the files are looked at.
"""
import json
import os
import pathlib
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT, BIN, TOOLS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
sys.path.insert(0, str(ROOT / "tests/cluster"))
from network import Network, enter, run  # noqa: E402

POSTGRES = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
KNOWN = {"build", "cap_drop", "command", "depends_on", "entrypoint", "environment", "healthcheck", "image", "networks",
         "ports", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "user", "volumes"}
NOT_HERE = {"grafana"}

# What the images bring: their user, their environment, and what stands in for their entry point.
DATABASE = """
data=/var/lib/postgresql/data
[ -s $data/PG_VERSION ] || initdb --pgdata=$data --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
  --auth=scram-sha-256 --auth-local=trust --no-sync >/dev/null
grep -q '^host all all all' $data/pg_hba.conf || echo 'host all all all scram-sha-256' >>$data/pg_hba.conf
postgres --single -D $data postgres <<<"CREATE DATABASE $POSTGRES_DB OWNER $POSTGRES_USER" >/dev/null 2>&1 || true
exec postgres -D $data -c listen_addresses='*' -c unix_socket_directories=/tmp
"""
IMAGES = {
    "mind-diffusion": {"user": "10001:10001", "environment": {"MIND_DATA": "/data", "MIND_MODELS": "/models"},
                       "brings": {BIN: "/usr/local/bin", ROOT / "deploy/models": "/models"}},
    "postgres": {"user": "postgres:postgres", "environment": {"PATH": f"{POSTGRES}:/usr/bin:/bin"},
                 "entry": ["bash", "-c", DATABASE], "owns": ["/var/lib/postgresql/data"]},
    "prom/prometheus": {"user": "65534:65534", "environment": {}, "entry": ["prometheus"], "owns": ["/prometheus"]},
}


def within(seconds, what, condition):
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def understood(text):
    """What Compose makes of a file with this text."""
    # The program itself: what the package puts before it forgets how that has ended.
    program = next(TOOLS.glob("python/lib/python3*/site-packages/compose/docker-compose"))
    return subprocess.run([program, "--project-directory", ROOT, "-f", "-", "config", "--format=json"],
                          input=text, capture_output=True, text=True, check=False)


class Service:
    def __init__(self, name, spec, folder, network, number):
        unknown = set(spec) - KNOWN
        if unknown:
            raise SystemExit(f"compose.yaml, {name}: {', '.join(sorted(unknown))} means nothing to this script")
        self.name, self.spec, self.folder = name, spec, folder
        self.address = f"10.77.0.{number}"
        self.space = network.add(name, number)
        self.image = IMAGES[spec["image"].rsplit(":", 1)[0]]
        self.names = [name] + (((spec.get("networks") or {}).get("default") or {}).get("aliases") or [])
        self.process, self.well, self.next_look = None, False, 0.0

    def root(self):
        """The shell commands that make a root for it, in a mount namespace of its own."""
        place = self.folder / "roots" / self.name
        place.mkdir(parents=True, exist_ok=True)
        lines = [f"mount --bind {place} {place}", f"cd {place}"]

        def bind(source, target, only_reading):
            lines.append(f"mkdir -p .{target} && mount --rbind {source} .{target}")
            if only_reading:
                lines.append(f"mount -o remount,bind,ro .{target}")

        for top in ("usr", "bin", "sbin", "lib", "lib64", "etc"):
            if os.path.islink(f"/{top}"):
                if not os.path.islink(place / top):
                    os.symlink(os.readlink(f"/{top}"), place / top)
            elif os.path.isdir(f"/{top}"):
                bind(f"/{top}", f"/{top}", True)
        lines.append(f"mount --bind {self.folder / 'hosts'} etc/hosts")
        bind("/proc", "/proc", False)
        bind("/dev", "/dev", False)
        lines.append("mkdir -p tmp data && chmod 1777 tmp data")
        for source, target in self.image.get("brings", {}).items():
            bind(source, target, True)
        for volume in self.spec.get("volumes") or []:
            source = pathlib.Path(volume["source"])
            if volume["type"] == "volume":
                source = self.folder / "volumes" / volume["source"]
                source.mkdir(parents=True, exist_ok=True)
            if source.is_file():
                lines.append(f"mkdir -p .{os.path.dirname(volume['target'])} && touch .{volume['target']} && "
                             f"mount --bind {source} .{volume['target']}")
            else:
                bind(source, volume["target"], volume.get("read_only", False))
        for owned in self.image.get("owns", []):
            lines.append(f"chown {self.image['user']} .{owned} && chmod 700 .{owned}")
        for place_in_memory in self.spec.get("tmpfs") or []:
            lines.append(f"mkdir -p .{place_in_memory} && mount -t tmpfs -o mode=1777 tmpfs .{place_in_memory}")
        if self.spec.get("read_only"):
            lines.append(f"mount -o remount,bind,ro {place}")
        return place, lines

    def inside(self, command, user=None):
        """Runs a command as the service would."""
        place, lines = self.root()
        user = user or self.spec.get("user") or self.image["user"]
        if user == "root":
            user = "0:0"
        uid, gid = user.split(":")
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8",
                       **self.image["environment"], **(self.spec.get("environment") or {})}
        drop = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"]
        go = ["chroot", str(place), *drop, "env", "-i", *(f"{k}={v}" for k, v in environment.items()), *command]
        script = "set -e\n" + "\n".join(lines) + "\ncd /\nexec " + shlex.join(go)
        # Both become the command: the process is that.
        return ["ip", "netns", "exec", self.space, "unshare", "--mount", "--propagation", "private", "bash", "-c", script]

    def start(self):
        command = [*self.image.get("entry", []), *(self.spec.get("command") or [])]
        with open(self.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(self.inside(command), stdout=log, stderr=log, start_new_session=True)

    def healthy(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} ended:\n{self.log()}")
        if self.well or time.monotonic() < self.next_look:
            return self.well
        test = self.spec["healthcheck"]["test"]
        assert test[0] == "CMD", test
        self.well = subprocess.run(self.inside(test[1:]), capture_output=True, check=False).returncode == 0
        self.next_look = time.monotonic() + 0.5
        return self.well

    def log(self):
        return "\n".join((self.folder / f"{self.name}.log").read_text(errors="replace").splitlines()[-30:])


class Stack:
    def __init__(self, folder):
        self.folder, self.network, self.services = folder, Network(f"compose{os.getpid()}"), {}

    def read(self):
        text = (ROOT / "compose.yaml").read_text()
        said = understood(text)
        if said.returncode != 0:
            raise SystemExit(f"compose.yaml is none: {said.stderr}")
        for right, mistaken in (("restart:", "restartz:"), ("service_healthy", "service_helthy"), ("\nvolumes:", "\nvolumez:")):  # planted
            if understood(text.replace(right, mistaken)).returncode == 0:
                raise SystemExit(f"compose.yaml with {mistaken} is taken for good")
        services = json.loads(said.stdout)["services"]
        for number, (name, spec) in enumerate(services.items(), start=1):
            for volume in spec.get("volumes") or []:
                if volume["type"] == "bind" and not os.path.exists(volume["source"]):
                    raise SystemExit(f"compose.yaml, {name}: there is no {volume['source']}")
            if name not in NOT_HERE:
                self.services[name] = Service(name, spec, self.folder, self.network, number)
        self.client = self.network.add("client", 200)
        hosts = ["127.0.0.1 localhost"]
        hosts += [f"{service.address} {alias}" for service in self.services.values() for alias in service.names]
        (self.folder / "hosts").write_text("\n".join(hosts) + "\n")

    def up(self):
        waiting = dict(self.services)
        while waiting:
            for name, service in list(waiting.items()):
                if all(self.met(*each) for each in (service.spec.get("depends_on") or {}).items()):
                    service.start()
                    del waiting[name]
            time.sleep(0.05)
            self.patience -= 0.05
            if self.patience < 0:
                raise SystemExit(f"these wait for ever: {', '.join(waiting)}")

    patience = 120.0

    def met(self, name, wanted):
        service = self.services[name]
        if service.process is None:
            return False
        if wanted["condition"] == "service_completed_successfully":
            if service.process.poll() not in (None, 0):
                raise SystemExit(f"{name} failed:\n{service.log()}")
            return service.process.poll() == 0
        return wanted["condition"] == "service_started" or service.healthy()

    def close(self):
        running = [s for s in self.services.values() if s.process is not None and s.process.poll() is None]
        for service in running:
            service.process.send_signal(signal.SIGTERM)
        for service in running:
            try:
                service.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()
        self.network.close()


def expressions():
    """Of all dashboards: (dashboard, panel, expression)."""
    for file in sorted((ROOT / "deploy/helm/mind-diffusion/files/dashboards").glob("*.json")):
        dashboard = json.loads(file.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield file.name, panel["title"], target["expr"].replace("$__rate_interval", "1m").replace("$model", ".*")


def check_metrics(services):
    """What each process says of itself is as Prometheus' own linter has it: names, units, types, words of help."""
    for service in services:
        port = next((part.rpartition(":")[2] for part in service.spec.get("command") or [] if part.startswith("--metrics=")), None)
        if port is None:
            continue
        with urllib.request.urlopen(f"http://{service.address}:{port}/metrics") as page:
            done = subprocess.run(["promtool", "check", "metrics"], input=page.read(), capture_output=True, check=False)
        if done.returncode or done.stderr:
            raise SystemExit(f"metrics of {service.name}: {done.stderr.decode()}")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mind-compose-"))
    folder.chmod(0o755)
    stack = Stack(folder)
    good = False
    try:
        stack.read()
        began = time.monotonic()
        stack.up()
        worker = stack.services["worker-a"]

        def mind(front, *arguments):
            done = subprocess.run(worker.inside(["mind", f"--server={front}:8080", "--tls", "--ca=/trust/ca.crt", *arguments]),
                                  capture_output=True, text=True, check=False)
            return done if done.returncode == 0 else None

        within(60, "two workers take jobs",
               lambda: (said := mind("front-a", "workers", "--json")) and said.stdout.count("WORKER_STATE_READY") == 2)
        print(f"up after {time.monotonic() - began:.1f} s")

        # A prompt becomes a picture: made by way of one server, fetched from the other.
        made = mind("front-a", "generate", "a red apple", "--steps=10", "--seed=7", "--model=emoji", "--detach")
        job = made.stdout.strip()
        fetched = subprocess.run(
            worker.inside(["bash", "-c", "mind --server=front-b:8080 --tls --ca=/trust/ca.crt get \"$0\" --out=/tmp/a.png && "
                           "cat /tmp/a.png", job]), capture_output=True, check=True)
        assert b"\x89PNG" in fetched.stdout, fetched.stderr
        password = (folder / "volumes/database-password/password").read_text().strip()
        rows = subprocess.run(
            ["ip", "netns", "exec", stack.client, "psql", f"postgresql://mind:{password}@{stack.services['database'].address}/mind",
             "-Atc", f"SELECT count(*) FROM images WHERE job_id = '{job}'"], capture_output=True, text=True, check=True)
        assert rows.stdout.strip() == "1", rows.stdout

        enter(stack.client)  # what this thread asks from here on, it asks from the client's machine
        # The page, over https, of either.
        trust = ssl.create_default_context(cafile=folder / "volumes/trust/ca.crt")
        trust.check_hostname = False  # this machine's resolver knows no service; whose certificate it is was judged by mind
        for name in ("front-a", "front-b"):
            with urllib.request.urlopen(f"https://{stack.services[name].address}:8081/", context=trust) as page:
                assert b"Mind" in page.read()

        # Load, of which the dashboards are to show something; with a request that is refused among it.
        for seed in range(6):
            assert mind(("front-a", "front-b")[seed % 2], "generate", "a blue rocket", "--steps=8", f"--seed={seed}",
                        "--model=emoji", "--out=/tmp/x.png")
        assert mind("front-a", "generate", "a cat", "--model=no-such-model", "--detach") is None

        prometheus = f"http://{stack.services['prometheus'].address}:9090"

        def ask(path, **parameters):
            with urllib.request.urlopen(f"{prometheus}{path}?{urllib.parse.urlencode(parameters)}") as answer:
                return json.load(answer)["data"]

        within(30, "all are scraped", lambda: len(ask("/api/v1/query", query="up == 1")["result"]) == 4)
        groups = ask("/api/v1/rules")["groups"]
        assert groups and all(rule["health"] != "err" for group in groups for rule in group["rules"]), groups
        missing = list(expressions())

        def still_missing():
            nonlocal missing
            missing = [each for each in missing if not ask("/api/v1/query", query=each[2])["result"]]
            return not missing

        check_metrics(stack.services.values())
        count = len(missing)
        end = time.monotonic() + 60
        seed = 6
        while not still_missing() and time.monotonic() < end:
            # Rates are of what comes between two looks of Prometheus.
            assert mind(("front-a", "front-b")[seed % 2], "generate", "a blue rocket", "--steps=8", f"--seed={seed}",
                        "--model=emoji", "--out=/tmp/x.png")
            seed += 1
        for dashboard, panel, expression in missing:
            print(f"{dashboard}, {panel}: nothing is given by {expression}")
        assert not missing
        print(f"{count} expressions of the dashboards give something; {time.monotonic() - began:.1f} s in all")
        good = True
    finally:
        if not good:
            for service in stack.services.values():
                if service.process is not None:
                    print(f"--- {service.name}\n{service.log()}", file=sys.stderr)
        stack.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "--net", "true"], check=False).returncode != 0:
        print("namespaces for mounts and networks cannot be made here")
        sys.exit(77)
    main()
