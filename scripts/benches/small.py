#!/usr/bin/env python3
"""Measures requests that take no work: how many a second, beside one worker of nginx, and what they cost in system calls.

    scripts/bench small [--rondas N] [--segundos N]

wrk over 50 connections that are kept: GET /healthz, the state of a task, and a picture of -d that is in memory; from nginx
`return 200 "ok"`. Medians of N rounds (5) of N seconds (3), interleaved. Then each again under strace, which counts.
"""
import argparse
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import time

import load
import servers
from servers import ROOT

CONNECTIONS = 50
TARGET = 0.9


def rows(tp2, nginx):
    """Name, server and path of what is asked for."""
    photo = (ROOT / "tests/data/fotos/rocket.jpg").read_bytes()
    status, fields, _ = tp2.ask("POST", "/tareas", photo)
    if status != 202:
        raise RuntimeError(f"/tareas: {status}")
    state = fields["Location"]
    if b"Completada" not in tp2.ask("GET", state + "?espera=60")[2]:
        raise RuntimeError(f"{state} is not done")
    # The first one makes it.
    if tp2.ask("GET", "/rocket.jpg?escala=0.1")[0] != 200:
        raise RuntimeError("no picture")
    found = [("nginx, return 200", nginx, "/healthz")] if nginx else []
    return found + [("/healthz", tp2, "/healthz"), ("/estado/<id>", tp2, state), ("cached picture", tp2, "/rocket.jpg?escala=0.1")]


def rates(asked, rounds, seconds):
    found = {name: [] for name, _, _ in asked}
    for number in range(rounds):
        turn = number % len(asked)
        for name, server, path in asked[turn:] + asked[:turn]:
            found[name].append(load.get(server, path, CONNECTIONS, seconds)[0])
    return {name: statistics.median(values) for name, values in found.items()}


def system_calls(server, path, seconds):
    """How often each system call was made, for each request; None without strace."""
    if not shutil.which("strace"):
        return None
    out = pathlib.Path(server.place / "strace")
    pids = [word for pid in server.processes() for word in ("-p", str(pid))]
    tracing = subprocess.Popen(["strace", "-f", "-c", "-U", "name,calls", "-o", out, *pids], stderr=subprocess.PIPE, text=True)
    # It says so when it is there.
    for _ in range(len(pids) // 2):
        tracing.stderr.readline()
    _, answers = load.get(server, path, CONNECTIONS, seconds)
    tracing.send_signal(signal.SIGINT)
    tracing.communicate(timeout=60)
    counts = re.findall(r"^\s*([a-z]\w+)\s+(\d+)$", out.read_text(), re.MULTILINE)
    return {name: int(count) / answers for name, count in counts if name != "total"}


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip())
    parser.add_argument("--rondas", type=int, default=5)
    parser.add_argument("--segundos", type=int, default=3)
    options = parser.parse_args()
    load.require_wrk()
    nginx = servers.nginx()
    try:
        with servers.tp2("-d", ROOT / "tests/data/fotos") as tp2:
            asked = rows(tp2, nginx)
            medians = rates(asked, options.rondas, options.segundos)
            print(f"{'':20}{'a second':>10}{'of nginx':>10}   system calls for each request")
            for name, server, path in asked:
                ratio = f"{medians[name] / medians[asked[0][0]]:.2f}" if nginx else "-"
                calls = system_calls(server, path, options.segundos)
                # Those that a request needs, not those of a clock.
                words = sorted((calls or {}).items(), key=lambda call: -call[1])
                told = ", ".join(f"{call} {count:.2f}" for call, count in words if count >= 0.005) if calls is not None else "SALTADO strace"
                print(f"{name:20}{medians[name]:>10.0f}{ratio:>10}   {told}", flush=True)
            if nginx:
                ratio = medians["/healthz"] / medians[asked[0][0]]
                print(f"\n/healthz, tp2 / nginx: {ratio:.2f} (target {TARGET}{'' if ratio >= TARGET else ', MISSED'})")
    finally:
        if nginx:
            nginx.__exit__()


if __name__ == "__main__":
    main()
