"""Processes and sockets of a server on this machine, as /proc shows them to its owner or to root.

Nothing is traced and nothing stopped. What /proc does not show (another machine, another user) raises NotSeen.
"""
import contextlib
import os
import pathlib
import threading
import time
from .report import NotSeen

PROC = pathlib.Path("/proc")
LISTEN, ESTABLISHED = "0A", "01"


def tcp():
    """(local port, remote port, state, inode) of all sockets of TCP."""
    for name in "tcp", "tcp6":
        with contextlib.suppress(OSError):
            for line in (PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                yield int(fields[1].rsplit(":", 1)[1], 16), int(fields[2].rsplit(":", 1)[1], 16), fields[3], fields[9]


def unix_listeners():
    """Inodes of the Unix sockets that listen."""
    with contextlib.suppress(OSError):
        for line in (PROC / "net/unix").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[3], 16) & 0x10000:
                yield fields[6]


def inodes(pid):
    """Inodes of a process's sockets; none of one that is gone, or not ours to see."""
    found = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(PROC / str(pid) / "fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(PROC / str(pid) / "fd" / name)
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def descriptors(pid):
    try:
        return len(os.listdir(PROC / str(pid) / "fd"))
    except OSError:
        raise NotSeen(f"los descriptores del proceso {pid} no están a la vista") from None


def children(pid):
    """Process ids of the children, ended ones that nothing has waited for among them."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(PROC / str(pid) / "task"):
            with contextlib.suppress(OSError):
                found += map(int, (PROC / str(pid) / "task" / task / "children").read_text().split())
    return found


def tree(pid):
    """A process and all that come from it."""
    pids = [pid]
    for one in pids:
        pids += children(one)
    return pids


def state(pid):
    """Its letter in /proc/PID/stat, Z for a zombie; None if it is gone."""
    with contextlib.suppress(OSError, IndexError):
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0]


def all_pids():
    return [int(name) for name in os.listdir(PROC) if name.isdigit()] if PROC.is_dir() else []


def listener(port):
    """The process that listens at this port: of several the one that is no other's child."""
    wanted = {inode for local, _, kind, inode in tcp() if kind == LISTEN and local == port}
    if not wanted:
        raise NotSeen(f"en esta máquina no se ve a nadie que escuche en el puerto {port}")
    owners = [pid for pid in all_pids() if wanted & inodes(pid)]
    for pid in owners:
        if not any(pid in children(other) for other in owners):
            return pid
    raise NotSeen(f"no está a la vista qué proceso escucha en el puerto {port}: pruebe con el usuario que lo inició, o como root")


class Watch:
    """Looks at a server's processes again and again while something is done to it (`with`)."""

    def __init__(self, port):
        self.port, self.front = port, listener(port)
        # (second servers: process id -> how it is reached), (second server, its child), ports of this machine that the front talked to
        self.seconds, self.pairs, self.talked_to = {}, set(), set()

    def __enter__(self):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        while not self.over.is_set():
            self.look()
            time.sleep(0.004)

    def look(self):
        own = inodes(self.front)
        sockets = list(tcp())
        for local, remote, kind, inode in sockets:
            if kind == ESTABLISHED and inode in own and local != self.port and remote not in self.talked_to:
                self.talked_to.add(remote)
                # A server that was started by hand; of another machine, or another user's, nothing is seen.
                with contextlib.suppress(NotSeen):
                    if (pid := listener(remote)) != self.front:
                        self.seconds[pid] = f"puerto {remote}"
        tcp_listening = {inode: local for local, _, kind, inode in sockets if kind == LISTEN and local != self.port}
        unix = set(unix_listeners())
        descendants = tree(self.front)
        for pid in descendants[1:]:
            if any(pid in children(second) for second in self.seconds):
                continue
            found = inodes(pid)
            if ports := found & tcp_listening.keys():
                self.seconds.setdefault(pid, f"puerto {tcp_listening[ports.pop()]}")
            elif found & unix:
                self.seconds.setdefault(pid, "socket Unix")
        for second in list(self.seconds):
            self.pairs |= {(second, child) for child in tree(second)[1:]}


def zombies(pids):
    """Those among the descendants of these that have ended and that nothing has waited for."""
    return sorted({child for pid in pids for child in tree(pid)[1:] if state(child) == "Z"})
