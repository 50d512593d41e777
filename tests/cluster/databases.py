"""PostgreSQL on two machines: a primary, and a standby that it waits for; they change places."""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import time

from network import run

PATIENCE = 60  # seconds for anything it is asked

SETTINGS = """
listen_addresses = '*'
unix_socket_directories = ''
wal_level = replica
max_wal_senders = 4
hot_standby = on
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_keep_size = 256MB
"""


class Databases:
    def __init__(self, network, processes, folder):
        self.network, self.processes, self.folder = network, processes, folder
        self.user = pwd.getpwnam("postgres")
        self.programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.spaces = [network.add(f"db{i}", 1 + i) for i in (0, 1)]
        self.primary = 0
        os.chown(folder, self.user.pw_uid, self.user.pw_gid)

    def address(self, index):
        return f"10.77.0.{1 + index}"

    # Both: libpq finds the one that can be written to.
    url = "postgresql://postgres@10.77.0.1,10.77.0.2/postgres"

    def data(self, index):
        return self.folder / f"data{index}"

    def as_postgres(self, *command):
        return ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups",
                *(str(one) for one in command)]

    def begin(self):
        run(*self.as_postgres(self.programs / "initdb", "--no-sync", "-D", self.data(0), "-A", "trust", "-U", "postgres"))
        with open(self.data(0) / "postgresql.conf", "a", encoding="ascii") as settings:
            settings.write(SETTINGS)
        with open(self.data(0) / "pg_hba.conf", "a", encoding="ascii") as rules:
            rules.write("host all all 10.77.0.0/24 trust\nhost replication all 10.77.0.0/24 trust\n")
        self.start(0)
        self.await_that(0, "SELECT true")
        self.add_standby()

    def start(self, index):
        # The name is what the other knows it by.
        self.processes.start(f"postgres{index}", self.spaces[index], self.as_postgres(
            self.programs / "postgres", "-D", self.data(index), "-c", f"cluster_name=db{index}"))

    def ask(self, index, statement):
        """What it answers, or nothing if it does not."""
        try:
            asked = subprocess.run(
                ["ip", "netns", "exec", self.spaces[index], self.programs / "psql", "-Atqh", self.address(index), "-U",
                 "postgres", "-c", statement], capture_output=True, text=True, timeout=10)
        except subprocess.TimeoutExpired:
            return ""
        return asked.stdout.strip() if asked.returncode == 0 else ""

    def await_that(self, index, statement):
        end = time.monotonic() + PATIENCE
        while self.ask(index, statement) != "t":
            assert time.monotonic() < end, f"database {index}: never true: {statement}"
            assert self.processes.running(f"postgres{index}"), f"database {index} does not run"
            time.sleep(0.05)

    def set(self, setting):
        self.ask(self.primary, f"ALTER SYSTEM SET {setting}")
        self.ask(self.primary, "SELECT pg_reload_conf()")

    @property
    def standby(self):
        return 1 - self.primary

    def add_standby(self):
        """Makes the other one a standby of the primary, from a copy, and has the primary wait for it."""
        standby = self.standby
        shutil.rmtree(self.data(standby), ignore_errors=True)
        copy = run("ip", "netns", "exec", self.spaces[standby], *self.as_postgres(
            self.programs / "pg_basebackup", "-h", self.address(self.primary), "-U", "postgres", "-D",
            self.data(standby), "-R", "-X", "stream", "-c", "fast"), check=False)
        assert copy.returncode == 0, copy.stderr
        self.start(standby)
        self.await_that(self.primary, f"SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming' AND "
                                      f"application_name = 'db{standby}'")
        self.set(f"synchronous_standby_names = 'db{standby}'")
        self.await_that(self.primary, "SELECT bool_or(sync_state = 'sync') FROM pg_stat_replication")

    # --- What befalls them. Each returns when both are well again.

    def crash(self, away):
        """The primary is killed, and starts again."""
        self.processes.end(f"postgres{self.primary}", signal.SIGQUIT)
        away()
        self.start(self.primary)
        self.await_that(self.primary, "SELECT bool_or(sync_state = 'sync') FROM pg_stat_replication")

    def lose_standby(self, away):
        """The primary says yes to nothing meanwhile."""
        self.processes.end(f"postgres{self.standby}", signal.SIGQUIT)
        away()
        self.start(self.standby)
        self.await_that(self.primary, "SELECT bool_or(sync_state = 'sync') FROM pg_stat_replication")

    def fail_over(self, away, isolated):
        """The primary is killed, or cut off and knows nothing of it; the standby takes its place."""
        lost = self.primary
        if isolated:
            self.network.link(f"db{lost}", "down")
        else:
            self.processes.end(f"postgres{lost}", signal.SIGQUIT)
        away()
        self.primary = self.standby
        run(*self.as_postgres(self.programs / "pg_ctl", "promote", "-w", "-D", self.data(self.primary)))
        # It waits for nobody until there is somebody.
        self.set("synchronous_standby_names = ''")
        if isolated:
            self.processes.end(f"postgres{lost}", signal.SIGQUIT)
            self.network.link(f"db{lost}", "up")
        self.add_standby()
