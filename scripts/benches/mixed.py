#!/usr/bin/env python3
"""Measures how long small pictures wait for large ones.

    scripts/bench mixed [--segundos N] [--rondas N] [--nice N …]

Pictures of 350x418, alone and beside photographs of 9 MP over four connections, by bench_mixed: N rounds (3) of N seconds (8),
each on a server of its own. Target: p99 beside large ones at most 4 times the p50 beside them. --nice: the values of
--nice-grandes that are measured, one after the other in each round (10).

The machine has to be quiet: beside other programs the longest waits are those for them.
"""
import argparse
import statistics
import subprocess

import peers
import servers
from servers import ROOT

TARGET = 4.0


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip())
    parser.add_argument("--segundos", type=int, default=8)
    parser.add_argument("--rondas", type=int, default=3)
    parser.add_argument("--nice", type=int, nargs="+", default=[10])
    options = parser.parse_args()
    photos = peers.photographs(None)
    small = next(photo for photo in photos if photo.stem == peers.SMALL)
    large = next(photo for photo in photos if 8 < peers.megapixels(photo) < 10)
    # For each niceness the rounds: small ones alone (p50), beside large ones (a second, p50, p99), and large ones a second.
    rounds = {nice: [] for nice in options.nice}
    for number in range(options.rondas):
        for nice in options.nice if number % 2 == 0 else reversed(options.nice):
            rounds[nice].append(measure(nice, small, large, options.segundos))
    print(f"{'nice':>6}{'p50 alone':>11}{'small/s':>9}{'p50':>8}{'p99':>8}{'p99/p50':>9}{'large/s':>9}   medians, beside large ones")
    for nice, measured in rounds.items():
        ratio = statistics.median(p99 / p50 for _, _, p50, p99, _ in measured)
        alone, rate, p50, p99, larges = map(statistics.median, zip(*measured))
        print(f"{nice:>6}{alone:>11.2f}{rate:>9.0f}{p50:>8.2f}{p99:>8.2f}{ratio:>9.2f}{larges:>9.1f}"
              f"   target {TARGET}{'' if ratio <= TARGET else ', MISSED'}")


def measure(nice, small, large, seconds):
    with servers.tp2("--nice-grandes", str(nice)) as server:
        program = ROOT / "target/release/examples/bench_mixed"
        command = list(map(str, [program, f"127.0.0.1:{server.port}", seconds, small, large]))
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60 + 10 * seconds)
    print(f"--nice-grandes {nice}\n{done.stdout}", flush=True)
    alone, beside, larges = (line.split() for line in done.stdout.splitlines()[1:4])
    return float(alone[-4]), float(beside[-5]), float(beside[-4]), float(beside[-3]), float(larges[-1])


if __name__ == "__main__":
    main()
