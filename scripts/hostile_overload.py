"""What one client does to keep the others out: five attacks, each with the figure that they may cost the others.

`scripts/hostil sobrecarga [lectores | pequenas | silenciosos | resultados | escalador]` runs them. Each starts a tp2 (or a tp2-scaler) of its
own, prints what it measured beside what is allowed, and says «pass» or «FAILED».

Latencies are judged at their 99th percentile; the slowest is printed beside it, since on a machine that does other work a single one says more
about that work. Everything that is sent is made here, with Pillow.
"""
import contextlib
import io
import json
import os
import pathlib
import resource
import socket
import struct
import subprocess
import threading
import time

from PIL import Image

from soaking.processes import Tp2, Watch
from soaking.wire import Connection, Gone, request

MIB = 1 << 20
# What everything may take in the attack of the readers, and what of it is --memoria.
LIMIT, MEMORY = 512, 256
READERS = 60
FACES = 1500


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def photo():
    """A small picture as a camera makes it: JPEG, 350x418."""
    return encoded(Image.effect_noise((350, 418), 40).convert("RGB"), "JPEG")


def giant(side):
    """A PNG of a few kilobytes whose result, unscaled and as BMP, has side * side bytes."""
    return encoded(Image.new("L", (side, side), 99), "PNG", compress_level=1)


def tiny_webp(width, height):
    """VP8L: one colour, 30 bytes, whatever its size."""
    bits, count = 0, 0
    # No transform, no cache, no meta codes; then five codes of one symbol of one bit each, the symbol 0.
    for width_of, value in [(1, 0), (1, 0), (1, 0)] + [(4, 0b0001)] * 5:
        bits |= value << count
        count += width_of
    data = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bits.to_bytes((count + 7) // 8 + 1, "little")
    data += b"\0" * (len(data) % 2)
    body = b"WEBPVP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


class Memory:
    """A limit of the memory of a process and its children: a control group of its own, or else RLIMIT_DATA for each."""

    def __init__(self, limit):
        self.limit, self.group = limit, None
        name = f"tp2-hostil-{os.getpid()}"
        for parent, file in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
            group = pathlib.Path(parent, name)
            with contextlib.suppress(OSError):
                group.mkdir()
                try:
                    # It is there only if the controller is.
                    with open(group / file, "r+") as maximum:
                        maximum.write(str(limit))
                    self.group = group
                    return
                except OSError:
                    group.rmdir()

    def enter(self):
        """In the process, before it becomes another program."""
        if self.group:
            (self.group / "cgroup.procs").write_text(str(os.getpid()))
        else:
            resource.setrlimit(resource.RLIMIT_DATA, (self.limit, self.limit))

    def leave(self):
        if self.group:
            with contextlib.suppress(OSError):
                self.group.rmdir()

    def __str__(self):
        return "a control group" if self.group else "RLIMIT_DATA, of each process"


class Pulse(threading.Thread):
    """Asks again and again over one connection, and keeps how long each answer took, in ms."""

    def __init__(self, port, method="GET", target="/healthz", body=b"", pause=0.01):
        super().__init__(daemon=True)
        self.port, self.pause, self.over = port, pause, threading.Event()
        self.ask, self.took, self.statuses = (method, target, body), [], set()
        self.start()

    def run(self):
        with Connection(self.port) as connection:
            while not self.over.is_set():
                began = time.monotonic()
                try:
                    self.statuses.add(connection.ask(*self.ask).status)
                except (Gone, OSError) as error:
                    self.statuses.add(repr(error))
                    return
                self.took.append((time.monotonic() - began) * 1000)
                time.sleep(self.pause)

    def stop(self):
        self.over.set()
        self.join(60)
        return self.took


def wait_for(what, seconds, condition):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def deaf(port, requests):
    """A client with a small window that asks and never reads."""
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    end.settimeout(20)
    end.connect(("127.0.0.1", port))
    end.sendall(requests)
    return end


class Overload:
    def __init__(self, program, place, fault):
        self.program, self.place, self.fault = program, place, fault

    def judge(self, what, is_good):
        print(f"{what}: {'pass' if is_good else 'FAILED'}", flush=True)
        if not is_good:
            self.fault(what)

    @contextlib.contextmanager
    def server(self, *arguments, **options):
        place = self.place / f"tp2-{time.monotonic_ns()}"
        place.mkdir()
        tp2 = Tp2(self.program, place, *arguments, **options)
        try:
            yield tp2
            self.judge(f"tp2 lives and ends with 0 ({place.name})", tp2.process.poll() is None and tp2.stop() == 0)
        finally:
            if tp2.process.poll() is None:
                tp2.process.kill()
                tp2.process.wait()

    def lectores(self):
        """Clients that ask for pages, streams, results and figures, and do not read."""
        memory = Memory(LIMIT * MIB)
        with self.server("--memoria", str(MEMORY), limit=memory.enter) as tp2:
            face = encoded(Image.linear_gradient("L"), "PNG")

            def fill(part):
                with Connection(tp2.port) as connection:
                    for number in range(part, FACES, 4):
                        status = connection.ask("PUT", f"/carpetas/c/{number:05}{'n' * 200}", face).status
                        assert status == 201, status

            fillers = [threading.Thread(target=fill, args=(part,)) for part in range(4)]
            for filler in fillers:
                filler.start()
            for filler in fillers:
                filler.join()
            quiet = Pulse(tp2.port)
            time.sleep(2)
            before = percentile(quiet.stop(), 0.99)
            watch, pulse = Watch(tp2, 0.05), Pulse(tp2.port)
            targets = ["/carpetas/c?cantidad=10000", "/carpetas/c?formato=ndjson", "/metrics"]
            readers = []
            for number in range(READERS):
                target = targets[number % 3 if number >= READERS // 2 else 0]
                readers.append(deaf(tp2.port, request("GET", target) * 50))
            time.sleep(8)
            took = pulse.stop()
            watch.over.set()
            watch.look()
            allowed = MEMORY + 80
            whole, alone = (figure / MIB for figure in watch.peak())
            self.judge(f"{READERS} readers that do not read, {LIMIT} MiB by {memory}: all processes {whole:.0f} MiB at most, tp2 {alone:.0f} "
                       f"(allowed {allowed})", whole <= allowed)
            slow = percentile(took, 0.99)
            self.judge(f"  /healthz beside, {len(took)} times: p99 {slow:.1f} ms, slowest {max(took):.1f} (allowed p99 20; before {before:.1f})",
                       slow < 20 and pulse.statuses == {200})
            for reader in readers:
                reader.close()
        memory.leave()

    def pequenas(self):
        """Small pictures beside an answer of 100 MB that is not read, and a giant WebP that waits for its memory."""
        # Either of the two needs some 950 MB while it is made, so the second waits until the first's answer has gone.
        with self.server("--memoria", "1000", "-t", "2") as tp2:
            alone = Pulse(tp2.port, "POST", "/", photo())
            time.sleep(3)
            before = alone.stop()
            reader = deaf(tp2.port, request("POST", "/?escala=1&formato=bmp", giant(10_000)))
            # Until its first bytes are there: the answer is made, and held.
            reader.settimeout(60)
            assert reader.recv(12) == b"HTTP/1.1 200", "the large answer"
            waiting = deaf(tp2.port, request("POST", "/?escala=0.1", tiny_webp(10_000, 10_000)))
            time.sleep(0.5)
            small = Pulse(tp2.port, "POST", "/", photo())
            time.sleep(15)
            took = small.stop()
            slow = percentile(took, 0.99)
            self.judge(f"small pictures beside a reader of 100 MB and a giant that waits, {len(took)}: median {percentile(took, 0.5):.1f} ms, p99 "
                       f"{slow:.1f}, slowest {max(took):.1f} (allowed p99 100; alone {percentile(before, 0.99):.1f})",
                       slow < 100 and small.statuses == {200})
            reader.close()
            waiting.close()

    def silenciosos(self):
        """Every connection taken by clients that say nothing; by clients that are idle."""
        with self.server("--conexiones", "50") as tp2:
            # One ask over a connection of its own, and how long that took from its connect on.
            def newcomer():
                began = time.monotonic()
                with Connection(tp2.port, 60) as connection:
                    status = connection.ask("GET", "/healthz").status
                return status, time.monotonic() - began

            silent = [socket.create_connection(("127.0.0.1", tp2.port)) for _ in range(50)]
            status, took = newcomer()
            self.judge(f"a new client beside 50 silent ones: {took:.2f} s (allowed 11)", status == 200 and took < 11)
            for end in silent:
                end.close()
            idle = []
            for _ in range(50):
                connection = Connection(tp2.port)
                assert connection.ask("GET", "/healthz").status == 200
                idle.append(connection)
            status, took = newcomer()
            self.judge(f"a new client beside 50 idle ones: {took:.2f} s (allowed 1)", status == 200 and took < 1)
            for connection in idle:
                connection.socket.close()

    def resultados(self):
        """Tasks with giant results: more than a task may have, and just as much as it may."""
        space = 160
        with self.server("--retencion-espacio", str(space), "-t", "2") as tp2, Connection(tp2.port, 60) as connection:
            def hand_in(target, body):
                answer = connection.ask("POST", target, body)
                return answer.status, json.loads(answer.body).get("id_tarea")

            def ended(task):
                while True:
                    state = json.loads(connection.ask("GET", f"/estado/{task}?espera=60").body)
                    if state["estado"] not in ("Pendiente", "En progreso"):
                        return state["estado"]

            others = [hand_in("/tareas", photo())[1] for _ in range(20)]
            assert all(ended(task) == "Completada" for task in others)
            refused = [hand_in("/tareas?escala=1&formato=bmp", tiny_webp(10_000, 10_000))[0] for _ in range(100)]
            # An eighth of the space is 20 MiB; this is 19 MiB.
            allowed = giant(4460)
            tasks = []
            for _ in range(100):
                status, task = hand_in("/tareas?escala=1&formato=bmp", allowed)
                assert status == 202, status
                tasks.append(task)
            ends = [ended(task) for task in tasks]
            kept = sum(connection.ask("GET", f"/tareas/{task}/imagen").status == 200 for task in others)
            self.judge(f"{kept} of 20 results are there after 100 tasks of 100 MB ({refused.count(422)} refused) and 100 of 19 MiB "
                       f"({ends.count('Completada')} done, {ends.count('Vencida')} expired) with {space} MiB for results", kept == 20)

    def escalador(self):
        """Peers of a scaler by TCP that say nothing: from one address, and from as many as they are."""
        job = b"ESCALAR 0.5\nP5\n4 4\n255\n" + b"\x07" * 16
        for sources in (["127.0.0.1"], [f"127.0.0.{number}" for number in range(2, 66)]):
            scaler = subprocess.Popen([self.program.with_name("tp2-scaler"), "-p", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            try:
                port = int(scaler.stdout.readline().decode().rsplit(":", 1)[1])
                threading.Thread(target=scaler.stdout.read, daemon=True).start()
                silent = [socket.create_connection(("127.0.0.1", port), 10, (sources[number % len(sources)], 0)) for number in range(64)]
                # Where all come from one address, the job comes from it as well.
                began = time.monotonic()
                with socket.create_connection(("127.0.0.1", port), 60, ("127.0.0.1", 0)) as end:
                    end.sendall(job)
                    end.shutdown(socket.SHUT_WR)
                    answer = b""
                    while part := end.recv(1000):
                        answer += part
                took = time.monotonic() - began
                self.judge(f"a job beside 64 silent peers from {len(sources)} addresses: {took:.2f} s (allowed 6)",
                           answer.startswith(b"OK\nP5\n2 2\n") and took < 6)
                for end in silent:
                    end.close()
            finally:
                scaler.terminate()
                scaler.wait(30)

    ATTACKS = {"lectores": lectores, "pequenas": pequenas, "silenciosos": silenciosos, "resultados": resultados, "escalador": escalador}

    def run(self, names):
        for name in names or self.ATTACKS:
            print(f"{name}: {self.ATTACKS[name].__doc__}", flush=True)
            self.ATTACKS[name](self)
