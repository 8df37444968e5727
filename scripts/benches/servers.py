"""The servers that are measured: tp2 and its peers, how each is started, and what it has used.

Each runs in a directory of its own below target/peers, on a free port of 127.0.0.1, in a process group of its own, and is
ended with all it started. What a peer needs and this machine lacks is fetched into target/peers by pip and npm; where that
fails the peer is left out, aloud.
"""
import http.client
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PLACE = ROOT / "target/peers"
PEERS = ROOT / "scripts/peers"
CORES = len(os.sched_getaffinity(0))
TP2 = ROOT / "target/release/tp2"


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def python():
    """A Python that has what the peers and photos.py import, made if need be; None if that fails."""
    modules = "import aiohttp, cv2, numpy, PIL"
    for candidate in [sys.executable, PLACE / "venv/bin/python"]:
        try:
            if subprocess.run([candidate, "-c", modules], stderr=subprocess.DEVNULL).returncode == 0:
                return str(candidate)
        except OSError:
            pass
    say("fetching aiohttp, Pillow, OpenCV and numpy by pip …")
    made = [
        [sys.executable, "-m", "venv", PLACE / "venv"],
        [PLACE / "venv/bin/pip", "install", "-q", "aiohttp", "pillow>=12", "opencv-python-headless", "numpy"],
        [PLACE / "venv/bin/python", "-c", modules],
    ]
    try:
        for command in made:
            subprocess.run(command, check=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        say(f"SALTADO the peers in Python: {error}")
        return None
    return str(PLACE / "venv/bin/python")


def node_modules():
    """Where sharp is installed, which is done if need be; None if that fails."""
    place = PLACE / "node"
    try:
        if not (place / "node_modules/sharp").exists():
            say("fetching sharp by npm …")
            place.mkdir(parents=True, exist_ok=True)
            command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", place, "sharp@0.35"]
            subprocess.run(command, check=True, timeout=600)
        check = ["node", "-e", "require('sharp')"]
        subprocess.run(check, check=True, timeout=60, cwd=place, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        say(f"SALTADO sharp: {error}")
        return None
    return str(place / "node_modules")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_limits():
    """As many open files as may be, for 5,000 connections at both ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Server:
    """One that runs; a context that ends it."""

    def __init__(self, name, command, port=None, env=(), cores=None):
        """`port`: where it will listen; without one it tells, as tp2 does, with a first line that ends in `/ADDRESS:PORT`.
        `cores`: the processors that it may use."""
        PLACE.mkdir(parents=True, exist_ok=True)
        self.name, self.port = name, port
        self.place = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=PLACE))
        # nginx's worker is another user if root starts it.
        self.place.chmod(0o711)
        if cores:
            command = ["taskset", "-c", ",".join(map(str, cores)), *command]
        self.log = open(self.place / "log", "wb")
        self.process = subprocess.Popen(
            [str(word).replace("{place}", str(self.place)) for word in command], cwd=self.place, stderr=self.log,
            stdout=self.log if port else subprocess.PIPE, env={**os.environ, **dict(env)}, start_new_session=True)
        if not port:
            line = self.process.stdout.readline().decode()
            if ":" not in line:
                self.end()
                raise RuntimeError(f"{name} does not start: {self.tail()}")
            self.port = int(line.strip().rpartition(":")[2])
        self.wait_until_open()

    def wait_until_open(self):
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    self.end()
                    raise RuntimeError(f"{self.name} does not start: {self.tail()}") from None
                time.sleep(0.05)

    def tail(self):
        return (self.place / "log").read_text(errors="replace")[-2000:]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, connection=None):
        """Status, fields and body of the answer."""
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def processes(self):
        """Those that belong to it, itself first."""
        children = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and (stat := read_stat(entry.name)):
                children.setdefault(int(stat[1]), []).append(int(entry.name))
        found = [self.process.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_time(self):
        """Seconds of processor time that it and all it started have used, those that have ended included."""
        ticks = 0
        for pid in self.processes():
            if stat := read_stat(pid):
                # utime, stime, and those of children that were waited for.
                ticks += sum(map(int, stat[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """MiB in use, each shared page counted once."""
        kilobytes = 0
        for pid in self.processes():
            try:
                lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            except OSError:
                # It has ended.
                pass
        return kilobytes / 1024

    def end(self):
        for number, patience in [(signal.SIGTERM, 10), (signal.SIGKILL, 10)]:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass
            try:
                self.process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                pass
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        shutil.rmtree(self.place, ignore_errors=True)


def read_stat(pid):
    """/proc/PID/stat from the state on, or None."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def tp2(*options, cores=None, name="tp2"):
    command = [TP2, "-i", "127.0.0.1", "-p", "0", "-q", "-a", "sqlite:{place}/tp2.sqlite3", *options]
    return Server(name, command, cores=cores)


def peer(name, kernel, *options):
    """A peer with that kernel (scripts/peers), or None where it lacks something."""
    port = free_port()
    if kernel.startswith("sharp"):
        if not (modules := node_modules()):
            return None
        processes = options[0] if options else CORES
        threads = max(1, CORES // int(processes))
        env = {"NODE_PATH": modules, "UV_THREADPOOL_SIZE": str(threads), "NODE_ENV": "production"}
        return Server(name, ["node", PEERS / "node_sharp.mjs", port, kernel, *options], port, env.items())
    if not (interpreter := python()):
        return None
    return Server(name, [interpreter, PEERS / "aiohttp_pictures.py", port, kernel, *options], port)


def nginx():
    """One worker that answers "ok", or None without nginx."""
    if not shutil.which("nginx"):
        say("SALTADO nginx: not installed (apt-get install nginx)")
        return None
    port = free_port()
    text = (PEERS / "nginx_ok.conf").read_text().replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    (PLACE).mkdir(parents=True, exist_ok=True)
    conf = PLACE / f"nginx-{port}.conf"
    conf.write_text(text)
    try:
        return Server("nginx", ["nginx", "-p", "{place}", "-e", "stderr", "-c", conf], port)
    finally:
        conf.unlink()
