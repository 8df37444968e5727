#!/usr/bin/env python3
"""Measures how many tasks a second one, two and four tp2 do on one database, and who uses the processors meanwhile.

    scripts/bench fleet [--tareas N] [--uri URI]

N tasks (600) of a photograph of 640 by 427, handed in over 16 connections spread over all servers; the time until all have
ended. The database is FerretDB on this machine, unless a URI names another, in which tasks stay until they expire.
Beside them, one tp2 with SQLite.
"""
import argparse
import concurrent.futures
import http.client
import itertools
import subprocess
import time

import servers
from servers import ROOT, TP2

CLIENTS = 16


def database():
    program = subprocess.run([ROOT / "scripts/ferretdb"], check=True, capture_output=True, text=True).stdout.strip()
    port = servers.free_port()
    command = ["sh", "-c", f"mkdir data && exec {program} --handler=sqlite --sqlite-url=file:data/ --state-dir=. "
               f"--telemetry=disable --debug-addr=- --log-level=error --listen-addr=127.0.0.1:{port}"]
    return servers.Server("ferretdb", command, port)


def hand_in(fleet, photo, numbers):
    """Hands in a task for each number that is left; the paths of their states."""
    connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=120) for server in fleet]
    states = []
    for number in numbers:
        turn = number % len(fleet)
        status, fields, body = fleet[turn].ask("POST", "/tareas", photo, connections[turn])
        if status != 202:
            raise RuntimeError(f"/tareas: {status} {body}")
        states.append(fields["Location"])
    return states


def measure(fleet, photo, count):
    """Tasks a second from the first to the last."""
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        shares = [range(first, count, CLIENTS) for first in range(CLIENTS)]
        states = list(itertools.chain(*pool.map(lambda share: hand_in(fleet, photo, share), shares)))
        accepted = time.monotonic()

        def wait(state):
            while b"Completada" not in (answer := fleet[0].ask("GET", state + "?espera=20")[2]):
                if b"Error" in answer:
                    raise RuntimeError(answer)

        list(pool.map(wait, states))
    ended = time.monotonic()
    return count / (accepted - began), count / (ended - began)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip())
    parser.add_argument("--tareas", type=int, default=600)
    parser.add_argument("--uri")
    options = parser.parse_args()
    photo = (ROOT / "tests/data/fotos/rocket.jpg").read_bytes()
    print(f"{'':14}{'accepted/s':>12}{'ended/s':>10}{'tp2, ms each':>14}{'database, ms each':>19}")

    def row(name, fleet, store):
        watched = fleet + [store] * (store is not None)
        before = [server.cpu_time() for server in watched]
        accepted, ended = measure(fleet, photo, options.tareas)
        used = [1000 * (server.cpu_time() - was) / options.tareas for server, was in zip(watched, before)]
        of_store = f"{used[-1]:.1f}" if store else "-"
        print(f"{name:14}{accepted:>12.0f}{ended:>10.0f}{sum(used[:len(fleet)]):>14.1f}{of_store:>19}", flush=True)

    with servers.tp2() as tp2:
        row("SQLite, 1 tp2", [tp2], None)
    for count in [1, 2, 4]:
        store = None if options.uri else database()
        uri = options.uri or f"mongodb://127.0.0.1:{store.port}/"
        fleet = []
        try:
            for number in range(count):
                command = [TP2, "-i", "127.0.0.1", "-p", "0", "-q", "-a", uri]
                fleet.append(servers.Server(f"tp2-{number}", command))
            row(f"{count} tp2", fleet, store)
        finally:
            for server in fleet + [store] * (store is not None):
                server.__exit__()


if __name__ == "__main__":
    main()
