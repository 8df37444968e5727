#!/usr/bin/env python3
"""Shows where the time of a photograph goes.

    scripts/bench profile [FOTO …] [--segundos N]

FOTO: JPEGs; without any those of scripts/bench peers from 2 MP on, and the one of 350x418. For each:
- the stages, as Server-Timing tells them, medians over N seconds (4) of requests over one connection, one after the other;
- processor time for each photograph, of tp2, the scaler and all its children, with one connection and with four, beside that
  of the same steps in one process (bench_kernels), alone and one on each core;
and the functions that take the most time under load, by perf, where there is perf.
"""
import argparse
import collections
import http.client
import pathlib
import re
import shutil
import statistics
import subprocess
import time

import load
import peers
import servers
from servers import CORES, PLACE, ROOT, say

KERNELS = ROOT / "target/release/examples/bench_kernels"
# What the whole system may use for each that the kernels use.
TARGET = 1.25


def stages(server, photo, seconds):
    """The medians of what Server-Timing tells, and of the whole from the client's side, in milliseconds."""
    body = photo.read_bytes()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    told, until = collections.defaultdict(list), time.monotonic() + seconds
    while time.monotonic() < until or len(told["whole"]) < 5:
        began_at = time.monotonic()
        status, fields, _ = server.ask("POST", peers.REQUEST, body, connection)
        if status != 200:
            raise RuntimeError(f"{photo.name}: {status}")
        told["whole"].append((time.monotonic() - began_at) * 1000)
        for name, value in re.findall(r"(\w+);dur=([\d.]+)", fields["Server-Timing"]):
            told[name].append(float(value))
    return {name: statistics.median(values) for name, values in told.items()}


def system(server, photo, connections, seconds):
    """Milliseconds of processor time for each photograph, of all its processes."""
    seconds = load.enough(peers.check(server, photo), seconds)
    return load.post(server, peers.REQUEST, photo, connections, seconds)[1]


def kernels(photo, processes, seconds):
    """The same of decoding, scaling and encoding in one process: in all, and each of the three."""
    command = [KERNELS, str(seconds), str(processes), photo]
    line = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    return [float(word) for word in line.rsplit(maxsplit=4)[1:]]


def top(server, photo, seconds):
    """perf's lists of the threads and of the functions that take the most time, of all processes of the server."""
    if not shutil.which("perf"):
        return "SALTADO perf: not installed (apt-get install linux-perf)"
    data = PLACE / "perf.data"
    pids = ",".join(map(str, server.processes()))
    # The clock, because virtual machines often have no counters; children that are forked meanwhile are followed.
    command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-p", pids, "-o", data, "--", "sleep", str(seconds)]
    recording = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    load.post(server, peers.REQUEST, photo, 4, seconds + 1)
    _, errors = recording.communicate(timeout=60)
    if recording.returncode != 0:
        return f"SALTADO perf: {errors.strip()}"
    lines = []
    for key in ["comm", "dso,symbol"]:
        command = ["perf", "report", "-i", data, "--stdio", "--no-inline", "--percent-limit", "0.8", "--sort", f"overhead,{key}"]
        text = subprocess.run(command, capture_output=True, text=True, timeout=300).stdout
        lines += [line.rstrip(" -")[:140] for line in text.splitlines() if line.strip() and not line.startswith("#")] + [""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip())
    parser.add_argument("photos", nargs="*", type=pathlib.Path)
    parser.add_argument("--segundos", type=int, default=4)
    options = parser.parse_args()
    load.require_wrk()
    photos = [photo.resolve() for photo in options.photos] or [
        photo for photo in peers.photographs(None) if photo.stem == peers.SMALL or peers.megapixels(photo) >= 2]
    seconds, columns = options.segundos, ["whole", "read", "queue", "decode", "scale", "encode"]
    with servers.tp2() as server:
        print("Stages, ms, one request at a time")
        print(f"{'':>20}" + "".join(f"{name:>9}" for name in columns))
        for photo in photos:
            told = stages(server, photo, seconds)
            print(f"{photo.stem[:12]:>12}{peers.megapixels(photo):>5.1f} MP" + "".join(f"{told[name]:>9.2f}" for name in columns), flush=True)

        print(f"\nProcessor time for each photograph, ms (target: at most {TARGET} times the kernels')")
        print(f"{'':>20}{'system':>10}{'kernels':>10}{'ratio':>7}{'':>6}{'system':>10}{'kernels':>10}{'ratio':>7}"
              f"   decode + scale + encode")
        print(f"{'':>20}{'one at a time':>27}{'':>6}{f'4 connections, {CORES} processes':>27}")
        ratios = []
        for photo in photos:
            alone, busy = (system(server, photo, connections, seconds) for connections in (1, 4))
            single, shared = (kernels(photo, processes, seconds) for processes in (1, CORES))
            ratios.append((alone / single[0], busy / shared[0]))
            print(f"{photo.stem[:12]:>12}{peers.megapixels(photo):>5.1f} MP{alone:>10.2f}{single[0]:>10.2f}{ratios[-1][0]:>7.2f}{'':>6}"
                  f"{busy:>10.2f}{shared[0]:>10.2f}{ratios[-1][1]:>7.2f}   " + " + ".join(f"{ms:.2f}" for ms in single[1:]), flush=True)
        means = [peers.geometric_mean(values) for values in zip(*ratios)]
        print(f"{'geometric mean':>20}{means[0]:>27.2f}{'':>6}{means[1]:>27.2f}")

        for photo in photos:
            if photo.stem == peers.SMALL or photo == photos[-1] or 8 < peers.megapixels(photo) < 10:
                say(f"perf with {photo.stem} …")
                print(f"\nThreads and functions, percent of the time of all processes: {photo.stem}, 4 connections")
                print(top(server, photo, seconds), flush=True)


if __name__ == "__main__":
    main()
