#!/usr/bin/env python3
"""Measures how cost grows: throughput and memory against connections, size of the picture, and cores.

    scripts/bench scale [--segundos N] [--hasta CONEXIONES]

Each row N seconds (4; more for many connections). Memory is that of tp2, the scaler and all its children, each shared page counted once: the most that
was seen four times a second. Connections: pictures of 350x418, up to 5,000 at once or what the limit of open files allows,
with places for all of them (--cola). Sizes: 0.01 to 50 MP, over 4 connections. Cores: 9 MP, tp2 on so many by taskset; wrk has
the others, if any. The table is Markdown, for the README.
"""
import argparse
import pathlib
import resource
import subprocess
import sys
import threading

import load
import peers
import servers
from servers import CORES, PLACE, ROOT


class Watch:
    """The most memory that a server uses while this context lasts, in MiB."""

    def __init__(self, server):
        self.server, self.most, self.over = server, 0, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(0.25):
            self.most = max(self.most, self.server.memory())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def row(label, server, photo, connections, seconds):
    seconds = load.enough(peers.check(server, photo), seconds)
    with Watch(server) as watch:
        rate, milliseconds = load.post(server, peers.REQUEST, photo, connections, seconds)
    figure = lambda value: f"{value:.{0 if value >= 100 else 1}f}"
    cells = [label, figure(rate), f"{peers.megapixels(photo) * rate:.0f}", figure(milliseconds), f"{watch.most:.0f}"]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip())
    parser.add_argument("--segundos", type=int, default=4)
    parser.add_argument("--hasta", type=int, default=5000)
    options = parser.parse_args()
    load.require_wrk()
    servers.raise_limits()
    interpreter = servers.python() or sys.exit("scripts/bench: no Pillow to make the pictures with")
    place = PLACE / "fotos-scale"
    made = [interpreter, ROOT / "scripts/benches/photos.py", place, ROOT / "tests/data/fotos", "scale"]
    subprocess.run(made, check=True, timeout=600)
    sizes = sorted(place.glob("*mp.jpg"), key=peers.megapixels)
    small, large = place / "350x418.jpg", next(photo for photo in sizes if 9 < peers.megapixels(photo) < 11)
    seconds, head = options.segundos, "| {} | pictures/s | MP/s | CPU ms each | MiB |\n| --- | --- | --- | --- | --- |"

    # wrk's and the server's descriptors are two processes': each has the limit for itself.
    most = min(options.hasta, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
    print(head.format("connections"))
    for connections in [count for count in (1, 10, 100, 1000, 5000) if count <= most]:
        with servers.tp2("--cola", "10000") as server:
            # Long enough for several rounds of all of them.
            row(f"{connections:,}", server, small, connections, seconds + connections // 250)
    print("\n" + head.format("picture, MP"))
    for photo in sizes:
        with servers.tp2() as server:
            row(f"{peers.megapixels(photo):.2g}", server, photo, 4, seconds)
    print("\n" + head.format("cores"))
    for count in sorted({1, CORES}):
        with servers.tp2(cores=range(count)) as server:
            row(count, server, large, 4, seconds)


if __name__ == "__main__":
    main()
