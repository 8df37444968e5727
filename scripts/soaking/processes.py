"""tp2 as a tree of processes: how it is started and ended, and what /proc says of its memory, descriptors and children."""
import atexit
import os
import pathlib
import signal
import subprocess
import threading
import time

PAGE = os.sysconf("SC_PAGE_SIZE")


class Tp2:
    """A server in a directory of its own, on a port that the kernel chooses; `limit` is called in its process before it begins."""

    def __init__(self, program, place, *arguments, limit=None):
        self.place = place
        self.log = open(place / "log", "ab")
        self.process = subprocess.Popen(
            [program, "-i", "127.0.0.1", "-p", "0", "-q", *arguments], cwd=place, stdout=subprocess.PIPE,
            stderr=self.log, env=dict(os.environ, XDG_RUNTIME_DIR=str(place)), preexec_fn=limit)
        # Whatever becomes of this program.
        atexit.register(self.process.kill)
        line = self.process.stdout.readline().decode()
        assert "escuchando" in line, (place / "log").read_text()
        self.port, self.pid = int(line.rsplit(":", 1)[1]), self.process.pid

    def tree(self):
        """Process ids: itself, its scaler, the scaler's children."""
        pids = [self.pid]
        for pid in pids:
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    pids += map(int, pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split())
            except OSError:
                pass  # It has just ended.
        return pids

    def scaler(self):
        return next((pid for pid in self.tree()[1:] if parent(pid) == self.pid), None)

    def scaler_children(self):
        scaler = self.scaler()
        return [pid for pid in self.tree()[1:] if pid != scaler]

    def stop(self):
        """Its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def stat(pid):
    """State and parent; None if there is no such process."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return fields[0], int(fields[1])
    except (OSError, IndexError):
        return None


def parent(pid):
    return (stat(pid) or (None, None))[1]


def is_zombie(pid):
    return (stat(pid) or (None, None))[0] == "Z"


def resident(pid):
    """Bytes of memory, shared ones included."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def proportional(pid):
    """The same, but of what processes share each has its part: the sum over all of them counts it once."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) << 10
    except (OSError, StopIteration):
        return 0


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


class Watch(threading.Thread):
    """Looks at the memory of all processes again and again. What processes share is counted in each of them."""

    def __init__(self, tp2, pause):
        super().__init__(daemon=True)
        self.tp2, self.pause, self.over = tp2, pause, threading.Event()
        self.samples = []  # Moment, bytes of all, bytes of tp2 alone.
        self.start()

    def run(self):
        while not self.over.wait(self.pause):
            self.look()

    def look(self):
        each = [resident(pid) for pid in self.tp2.tree()]
        self.samples.append((time.monotonic(), sum(each), each[0]))

    def peak(self):
        """The most bytes of all, and of tp2 alone."""
        return max(sample[1] for sample in self.samples), max(sample[2] for sample in self.samples)


def slope(points):
    """Least squares through (seconds, bytes): MiB in ten minutes, and the standard error of that."""
    count = len(points)
    if count < 3:
        return 0.0, float("inf")
    x_mean, y_mean = (sum(point[axis] for point in points) / count for axis in (0, 1))
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    rise = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    rest = sum((y - y_mean - rise * (x - x_mean)) ** 2 for x, y in points)
    return rise * 600 / 2**20, (rest / (count - 2) / spread) ** 0.5 * 600 / 2**20
