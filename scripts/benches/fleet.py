#!/usr/bin/env python3
"""Measures how a fleet of tp2 on one PostgreSQL grows, and what it costs the database.

    scripts/bench fleet [--hasta N] [--tareas N] [--retraso MS] [--rondas N] [--fotos N] [--recogidas N] [--programa RUTA]

The first table: 1, 2, 4, … up to --hasta (16) tp2, `-t 1` each, with a stand-in for the scaler that sleeps 100 ms a picture. So each
tp2, with its three connections to it, could do 30 a second, and two cores are not what is measured. --tareas (200) small pictures for each
tp2 wait when they start; counted is from a tenth to nine tenths of them. With --retraso every answer of the database comes so many milliseconds later.
The medians of --rondas (3). The second table: --fotos (300) photographs of 640 by 427 and the real scaler, beside SQLite. The third:
--recogidas (50) tasks one by one, each handed in at one tp2, done by a second that idles, waited for with ?espera at a third: milliseconds
from accepted to begun, from ended to told, and of the whole without the 100 ms of the stand-in. Beginning and end are the database's times
of the transactions' starts, so that the commits are within. A table whose number is 0 is left out.

Statements are counted by pg_stat_statements, the handing in of a task included; BEGIN and COMMIT stand apart as transactions.
"""
import argparse
import asyncio
import concurrent.futures
import glob
import http.client
import itertools
import multiprocessing
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import servers
from servers import ROOT

CLIENTS = 8
SLEEP = 0.1


class Database:
    """A cluster of its own, below the system's temporary directory."""

    def __init__(self):
        self.programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="tp2-bench-"))
        self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        if self.user:
            shutil.chown(self.place, "postgres", "postgres")
        data, self.port = self.place / "data", servers.free_port()
        self.run("initdb", "-D", data, "-U", "tp2", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        settings = ["max_connections=200", "shared_buffers=128MB", "shared_preload_libraries=pg_stat_statements",
                    "pg_stat_statements.track_utility=on"]
        command = [*self.user, f"{self.programs}/postgres", "-D", data, "-h", "127.0.0.1", "-p", self.port, "-k", self.place]
        for setting in settings:
            command += ["-c", setting]
        self.server = servers.Server("postgres", command, self.port)
        self.until_ready()
        self.ask("CREATE EXTENSION pg_stat_statements")
        self.uri = f"postgres://tp2@127.0.0.1:{self.port}/postgres"

    def run(self, name, *arguments):
        command = [*self.user, f"{self.programs}/{name}", *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=self.place, env={**os.environ, "LC_ALL": "C"}).stdout

    def until_ready(self):
        while True:
            try:
                return self.ask("SELECT 1")
            except subprocess.CalledProcessError:
                time.sleep(0.1)

    def ask(self, text):
        arguments = ["-X", "-q", "-A", "-t", "-h", self.place, "-p", self.port, "-U", "tp2", "-d", "postgres", "-c", text]
        return self.run("psql", *arguments).strip()

    def sample(self):
        """Tasks that are done, statements, transactions, claims, tasks that claims gave, and seconds of processor time."""
        is_ours = "query NOT LIKE '%pg_stat%' AND query NOT LIKE '%sum(done)%'"
        text = f"""SELECT (SELECT sum(done) FROM tp2_ledger),
            (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE {is_ours} AND query NOT IN ('BEGIN', 'COMMIT')),
            (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query = 'COMMIT'),
            (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE 'WITH next AS%'),
            (SELECT coalesce(sum(rows), 0) FROM pg_stat_statements WHERE query LIKE 'WITH next AS%')"""
        return [*map(int, self.ask(text).split("|")), self.server.cpu_time(), time.monotonic()]

    def end(self):
        self.server.__exit__()
        shutil.rmtree(self.place, ignore_errors=True)


async def scale(reader, writer):
    """Answers each request of a connection after a sleep, with a gray picture of the size asked for."""
    try:
        while line := await reader.readline():
            size = line.split()[1].decode()
            await reader.readline()
            width, height = map(int, (await reader.readline()).split())
            await reader.readline()
            await reader.readexactly(width * height)
            if "x" in size:
                width, height = map(int, size.split("x"))
            else:
                width, height = int(width * float(size)), int(height * float(size))
            await asyncio.sleep(SLEEP)
            writer.write(b"OK\nP5\n%d %d\n255\n" % (width, height) + bytes(width * height))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, IndexError):
        pass
    writer.close()


async def delay(reader, writer, late):
    """Passes bytes on, each so much later than it came."""
    waiting = asyncio.Queue()

    async def send():
        while (item := await waiting.get()) is not None:
            due, data = item
            if (left := due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            writer.write(data)
            await writer.drain()
        writer.close()

    sending = asyncio.create_task(send())
    try:
        while data := await reader.read(1 << 16):
            waiting.put_nowait((time.monotonic() + late, data))
    except ConnectionError:
        pass
    waiting.put_nowait(None)
    await asyncio.gather(sending, return_exceptions=True)


def serve(port, handle):
    async def main():
        server = await asyncio.start_server(handle, "127.0.0.1", port, limit=1 << 20)
        await server.serve_forever()

    asyncio.run(main())


def run_scaler(port):
    serve(port, scale)


def run_proxy(port, target, late):
    async def handle(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(delay(reader, back, 0), delay(there, writer, late))

    serve(port, handle)


def hand_in(fleet, picture, numbers):
    """Hands in a task for each number; the paths of their states."""
    connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=120) for server in fleet]
    states = []
    for number in numbers:
        turn = number % len(fleet)
        status, fields, body = fleet[turn].ask("POST", "/tareas", picture, connections[turn])
        if status != 202:
            raise RuntimeError(f"/tareas: {status} {body}")
        states.append(fields["Location"])
    return states


def hand_in_all(fleet, picture, count):
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        shares = [range(first, count, CLIENTS) for first in range(CLIENTS)]
        return list(itertools.chain(*pool.map(lambda share: hand_in(fleet, picture, share), shares)))


def begin(program, *arguments):
    command = [program, "-i", "127.0.0.1", "-p", "0", "-q", *arguments]
    return servers.Server("tp2", command)


def with_stand_in(options, count, late):
    """Tasks a second; statements, transactions, lost claims and milliseconds of the database's processor time a task."""
    database = Database()
    beside, fleet = [], []
    try:
        scaler, port = servers.free_port(), servers.free_port()
        beside.append(multiprocessing.Process(target=run_scaler, args=(scaler,), daemon=True))
        uri = database.uri
        if late:
            beside.append(multiprocessing.Process(target=run_proxy, args=(port, database.port, late / 1000), daemon=True))
            uri = uri.replace(f":{database.port}/", f":{port}/")
        for process in beside:
            process.start()
        picture = b"P5\n96 72\n255\n" + bytes(96 * 72)
        tasks = options.tareas * count
        # One without a scaler keeps what is handed in and claims nothing.
        with begin(options.programa, "-a", database.uri, "-s", "unix:/nada") as first:
            first.ask("POST", "/", picture)
            before = database.sample()
            hand_in_all([first], picture, tasks)
            handed_in = database.sample()
        accepting = [(now - was) / tasks for now, was in zip(handed_in, before)]
        for _ in range(count):
            fleet.append(begin(options.programa, "-a", uri, "-t", "1", "-s", f"127.0.0.1:{scaler}"))

        def sample_at(done):
            while (sample := database.sample())[0] < done:
                # Each look is a connection, whose cost is counted with the rest.
                time.sleep(1)
            return sample

        start, end = sample_at(tasks // 10), sample_at(tasks * 9 // 10)
        done, statements, transactions, claims, given, cpu, seconds = (now - was for now, was in zip(end, start))
        return [done / seconds, statements / done + accepting[1], transactions / done + accepting[2],
                max(0, claims - given) / done, 1000 * (cpu / done + accepting[5])]
    finally:
        for server in fleet:
            server.__exit__()
        for process in beside:
            process.kill()
        database.end()


def pick_up(options):
    """Milliseconds from accepted to begun, from ended to told, and of the whole but for the stand-in's sleep; a list of each."""
    database, fleet = Database(), []
    scaler = servers.free_port()
    stand_in = multiprocessing.Process(target=run_scaler, args=(scaler,), daemon=True)
    stand_in.start()
    picture = b"P5\n96 72\n255\n" + bytes(96 * 72)
    try:
        # Two without a scaler claim nothing once they know.
        for _ in range(2):
            fleet.append(begin(options.programa, "-a", database.uri, "-s", "unix:/nada"))
            fleet[-1].ask("POST", "/", picture)
        fleet.append(begin(options.programa, "-a", database.uri, "-t", "1", "-s", f"127.0.0.1:{scaler}"))
        handing, waiting = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=60) for server in fleet[:2]]
        told, whole = {}, []
        for _ in range(options.recogidas):
            while database.ask("SELECT count(*) FROM tp2_server WHERE idle") == "0":
                time.sleep(0.02)
            began = time.time()
            status, fields, body = fleet[0].ask("POST", "/tareas", picture, handing)
            if status != 202:
                raise RuntimeError(f"/tareas: {status} {body}")
            answer = fleet[1].ask("GET", fields["Location"] + "?espera=20", None, waiting)[2]
            now = time.time()
            if b"Completada" not in answer:
                raise RuntimeError(answer)
            told[fields["Location"].rpartition("/")[2]] = now
            whole.append(1000 * (now - began - SLEEP))
        text = "SELECT id, extract(epoch FROM begun_at - accepted_at), extract(epoch FROM ended_at) FROM tp2_task"
        rows = [row.split("|") for row in database.ask(text).splitlines()]
        return [1000 * float(row[1]) for row in rows], [1000 * (told[row[0]] - float(row[2])) for row in rows], whole
    finally:
        for server in fleet:
            server.__exit__()
        stand_in.kill()
        database.end()


def with_photographs(options, count):
    """Tasks a second of so many tp2; of one with SQLite where that is 0."""
    photo = (ROOT / "tests/data/fotos/rocket.jpg").read_bytes()
    database, fleet = (Database() if count else None), []
    try:
        for _ in range(max(count, 1)):
            fleet.append(begin(options.programa, "-a", database.uri if database else "sqlite:{place}/tp2.sqlite3"))
        began = time.monotonic()
        states = hand_in_all(fleet, photo, options.fotos)
        for state in states:
            while b"Completada" not in (answer := fleet[0].ask("GET", state + "?espera=20")[2]):
                if b"Error" in answer:
                    raise RuntimeError(answer)
        return options.fotos / (time.monotonic() - began)
    finally:
        for server in fleet:
            server.__exit__()
        if database:
            database.end()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip())
    parser.add_argument("--hasta", type=int, default=16)
    parser.add_argument("--tareas", type=int, default=200)
    parser.add_argument("--retraso", type=float, default=0)
    parser.add_argument("--rondas", type=int, default=3)
    parser.add_argument("--fotos", type=int, default=300)
    parser.add_argument("--recogidas", type=int, default=50)
    parser.add_argument("--programa", default=servers.TP2)
    options = parser.parse_args()
    print(f"{'stand-in':14}{'tasks/s':>9}{'of N':>7}{'statements':>12}{'transactions':>14}{'lost claims':>13}{'database, ms':>14}")
    count, one = 1, None
    while count <= options.hasta:
        rounds = [with_stand_in(options, count, options.retraso) for _ in range(options.rondas)]
        rate, statements, transactions, lost, cpu = map(statistics.median, zip(*rounds))
        one = one or rate
        print(f"{count:>3} tp2       {rate:>9.1f}{rate / one / count:>7.2f}{statements:>12.2f}{transactions:>14.2f}{lost:>13.3f}{cpu:>14.2f}",
              flush=True)
        count *= 2
    if options.fotos:
        print(f"\n{'photographs':14}{'tasks/s':>9}")
        for count in [0, 1, 2, 4]:
            rate = statistics.median(with_photographs(options, count) for _ in range(options.rondas))
            print(f"{f'{count} tp2' if count else 'SQLite':14}{rate:>9.1f}", flush=True)
    if options.recogidas:
        print(f"\n{'one by one, ms':24}{'median':>9}{'9 of 10':>9}{'worst':>9}")
        for name, times in zip(["accepted to begun", "ended to told", "handed in to told"], pick_up(options)):
            times.sort()
            print(f"{name:24}{statistics.median(times):>9.1f}{times[len(times) * 9 // 10]:>9.1f}{times[-1]:>9.1f}", flush=True)


if __name__ == "__main__":
    main()
