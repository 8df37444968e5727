#!/usr/bin/env python3
"""Measures how long small pictures wait for large ones.

    scripts/bench mixed [--segundos N] [--rondas N]

Pictures of 350x418, alone and beside photographs of 9 MP over four connections, by bench_mixed: N rounds (3) of N seconds (8),
each on a server of its own. Target: p99 beside large ones at most 3 times the p50 beside them.
"""
import argparse
import statistics
import subprocess

import peers
import servers
from servers import ROOT

TARGET = 3.0


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip())
    parser.add_argument("--segundos", type=int, default=8)
    parser.add_argument("--rondas", type=int, default=3)
    options = parser.parse_args()
    photos = peers.photographs(None)
    small = next(photo for photo in photos if photo.stem == peers.SMALL)
    large = next(photo for photo in photos if 8 < peers.megapixels(photo) < 10)
    ratios, waits = [], []
    for _ in range(options.rondas):
        with servers.tp2() as server:
            program = ROOT / "target/release/examples/bench_mixed"
            command = list(map(str, [program, f"127.0.0.1:{server.port}", options.segundos, small, large]))
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60 + 10 * options.segundos)
        print(done.stdout, flush=True)
        alone, beside = (line.split() for line in done.stdout.splitlines() if "small" in line)
        ratios.append(float(beside[-1]))
        waits.append(float(beside[-4]) / float(alone[-4]))
    ratio = statistics.median(ratios)
    print(f"p99 / p50 beside large ones, median: {ratio:.2f} (target {TARGET}{'' if ratio <= TARGET else ', MISSED'})")
    # A ratio alone is also good where all of them wait.
    print(f"p50 beside large ones / p50 alone, median: {statistics.median(waits):.1f}")


if __name__ == "__main__":
    main()
