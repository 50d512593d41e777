"""Machines on one computer: network namespaces on a bridge, joined by links that can be cut. Needs root."""
import ctypes
import subprocess

CLONE_NEWNET = 0x40000000


def run(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True)


class Network:
    """A bridge in a namespace of its own, the hub, and a namespace a machine."""

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


def enter(space):
    """From now on the calling thread, and no other, opens its connections in that namespace."""
    with open(f"/run/netns/{space}", encoding="ascii") as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Processes:
    """Programs that run on machines, by name; each writes a log."""

    def __init__(self, folder):
        self.folder, self.all = folder, {}

    def start(self, name, space, command):
        with open(self.folder / f"{name}.log", "ab") as log:
            # ip becomes the command: the process is that.
            self.all[name] = subprocess.Popen(
                ["ip", "netns", "exec", space, *command], stdout=log, stderr=log, start_new_session=True)

    def signal(self, name, number):
        self.all[name].send_signal(number)

    def end(self, name, number):
        self.signal(name, number)
        self.all[name].wait()

    def running(self, name):
        return name in self.all and self.all[name].poll() is None

    def close(self):
        for process in self.all.values():
            if process.poll() is None:
                process.kill()
                process.wait()
