#!/usr/bin/env python3
"""Measures tp2 beside what people would pick instead: the same photographs, parameters and load for all.

    scripts/bench peers [DIR] [--rondas N] [--segundos N] [--seguir]

DIR: JPEGs of your own, instead of those of tests/data/fotos and synthetic ones up to 24 MP (photos.py). Each cell of the table
is a photograph and a server: POST /?escala=0.5 over 4 connections (8 if the file is under 64 KiB) for so many seconds (3;
more where answers are slow). A round measures every cell once, the servers of a photograph right after each other and in
another order each time. Medians of N rounds (5).

Every peer's answer is looked at before it is timed: a gray JPEG of the right size. Cells are kept in
target/peers/cells.jsonl as they come: with --seguir an interrupted run is gone on with. At the end there are the table,
target/peers/peers.json, and the chart, scripts/bench.svg (not for a DIR of your own).
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

import chart
import load
import servers
from servers import PLACE, ROOT, say

# Name and kernel. Those that shrink while they decode do less work for a coarser picture, so they are no yardstick.
PEERS = [
    ("OpenCV", "opencv"),
    ("Pillow", "pillow"),
    ("sharp", "sharp"),
    ("sharp grayscale()", "sharp-grayscale"),
    ("OpenCV reduced", "opencv-reducido"),
    ("Pillow reduced", "pillow-reducido"),
]
REQUEST = "/?escala=0.5"
# Photographs that the means are taken over, in pixels.
MEAN_OVER = (2e6, 9e6)
SMALL = "350x418"
# What is asked of tp2: times as many photographs a second, over the mean and for the small one.
TARGETS = {"OpenCV": (1.0, None), "Pillow": (2.0, 3.0), "sharp": (4.5, None), "sharp grayscale()": (4.5, None)}


def jpeg_size(file):
    """Components, width and height that a JPEG's frame header tells (T.81 B.2.2)."""
    at = 2
    while at + 9 < len(file) and file[at] == 0xFF:
        marker, length = file[at + 1], int.from_bytes(file[at + 2:at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = (int.from_bytes(file[at + n:at + n + 2], "big") for n in (5, 7))
            return file[at + 9], width, height
        at += 2 + length
    raise ValueError("no JPEG")


def check(server, photo):
    """Raises RuntimeError unless the answer is what is asked for; the seconds that it took when all was warm."""
    body = photo.read_bytes()
    _, width, height = jpeg_size(body)
    for _ in range(2 * servers.CORES):
        began_at = time.monotonic()
        status, _, file = server.ask("POST", REQUEST, body)
        took = time.monotonic() - began_at
    if status != 200:
        raise RuntimeError(f"{server.name} with {photo.name}: {status} {file!r}")
    components, columns, rows = jpeg_size(file)
    # Decoders that shrink round up.
    over = 1 if "reduced" in server.name else 0
    if components != 1 or not 0 <= columns - width // 2 <= over or not 0 <= rows - height // 2 <= over:
        raise RuntimeError(f"{server.name} with {photo.name}: {columns}x{rows}, {components} components")
    return took


def photographs(directory):
    if directory:
        found = [path for path in sorted(pathlib.Path(directory).iterdir()) if path.suffix.lower() in (".jpg", ".jpeg")]
    else:
        sources = ROOT / "tests/data/fotos"
        if interpreter := servers.python():
            made = [interpreter, ROOT / "scripts/benches/photos.py", PLACE / "fotos", sources, "peers"]
            subprocess.run(made, check=True, timeout=600)
        found = [*sources.glob("*.jpg"), *(PLACE / "fotos").glob("*.jpg")]
    if not found:
        sys.exit("scripts/bench: no photographs")
    return sorted(found, key=lambda path: math.prod(jpeg_size(path.read_bytes())[1:]))


def megapixels(photo):
    return math.prod(jpeg_size(photo.read_bytes())[1:]) / 1e6


def measure(running, photos, options):
    """Answers a second, as a list of rounds for each (photograph, server)."""
    cells_path, cells, times = PLACE / "cells.jsonl", {}, {}
    if not options.seguir:
        cells_path.unlink(missing_ok=True)
    elif cells_path.exists():
        for line in cells_path.read_text().splitlines():
            cell = json.loads(line)
            cells[cell["round"], cell["photo"], cell["server"]] = cell["rate"]
    for photo in photos:
        for server in running:
            times[photo, server.name] = load.enough(check(server, photo), options.segundos)
    total = options.rondas * sum(times.values())
    say(f"{options.rondas} rounds, {len(times)} cells each: about {total / 60:.0f} min")
    began_at = time.monotonic()
    with open(cells_path, "a") as kept:
        for number in range(options.rondas):
            for photo in photos:
                connections = 8 if photo.stat().st_size < 64 << 10 else 4
                turn = number % len(running)
                for server in running[turn:] + running[:turn]:
                    key = (number, str(photo), server.name)
                    if key in cells:
                        continue
                    rate, _ = load.post(server, REQUEST, photo, connections, times[photo, server.name])
                    cells[key] = rate
                    kept.write(json.dumps(dict(zip(("round", "photo", "server", "rate"), (*key, rate)))) + "\n")
                    kept.flush()
            say(f"round {number + 1} of {options.rondas} after {(time.monotonic() - began_at) / 60:.1f} min")
    return {
        (photo, server.name): [cells[number, str(photo), server.name] for number in range(options.rondas)]
        for photo in photos for server in running
    }


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def report(rates, photos, names):
    """Prints the table; returns for each peer how many times as fast tp2 is, over the mean and for the small picture."""
    medians = {cell: statistics.median(values) for cell, values in rates.items()}
    width = max(map(len, names)) + 2
    print(f"\nPhotographs a second, medians; in brackets how many times that tp2 does\n")
    print(f"{'':24}" + "".join(f"{name:>{width}}" for name in names))
    for photo in photos:
        row = [f"{photo.stem[:12]:<12}{megapixels(photo):6.2f} MP "]
        for name in names:
            median = medians[photo, name]
            ratio = "" if name == names[0] else f" ({medians[photo, names[0]] / median:.2f})"
            row.append(f"{f'{median:.1f}{ratio}':>{width}}")
        print(f"{row[0]:<24}" + "".join(row[1:]))
    spread = [max(values) / min(values) for values in rates.values()]
    print(f"\nwidest cell: {max(spread):.2f} from the slowest round to the fastest; typical: {statistics.median(spread):.2f}")

    counted = [photo for photo in photos if MEAN_OVER[0] <= megapixels(photo) * 1e6 <= MEAN_OVER[1]]
    small = [photo for photo in photos if photo.stem == SMALL]
    ratios = {}
    for name in names[1:]:
        ratio = [[medians[photo, names[0]] / medians[photo, name] for photo in those] for those in (counted, small)]
        ratios[name] = [geometric_mean(values) if values else None for values in ratio]
    print(f"\ntp2 / peer       geometric mean over {len(counted)} photographs of 2 to 9 MP   {SMALL}")
    for name, values in ratios.items():
        words = []
        for value, target in zip(values, TARGETS.get(name, (None, None))):
            goal = f" (target {target}{'' if (value or 0) >= target else ', MISSED'})" if target else ""
            words.append(f"{f'{value:.2f}{goal}' if value else '-':<28}")
        print(f"{name:<19}" + "".join(words))
    return medians, counted, small, ratios


def draw(path, medians, counted, small, names):
    groups = []
    for title, photos in [(f"Photographs of 2 to 9 MP", counted), (f"Pictures of {SMALL}", small)]:
        if photos:
            means = {name: geometric_mean([medians[photo, name] for photo in photos]) for name in names}
            kind = lambda name: "ours" if name == names[0] else "less" if "reduced" in name else "full"
            rows = [(name, mean, f"{mean:.0f}/s", kind(name)) for name, mean in means.items()]
            groups.append((f"{title}, answered a second", sorted(rows, key=lambda row: -row[1])))
    note = "Gray, half size, JPEG of quality 85. «reduced»: shrunk while decoding, a coarser picture. scripts/bench peers"
    path.write_text(chart.bars(groups, note))


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip())
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--rondas", type=int, default=5)
    parser.add_argument("--segundos", type=int, default=3)
    parser.add_argument("--seguir", action="store_true")
    options = parser.parse_args()
    load.require_wrk()
    photos = photographs(options.directory)
    running = [servers.tp2()]
    try:
        running += [server for name, kernel in PEERS if (server := servers.peer(name, kernel))]
        rates = measure(running, photos, options)
    finally:
        for server in running:
            server.__exit__()
    names = [server.name for server in running]
    medians, counted, small, ratios = report(rates, photos, names)
    kept = {
        "rates": [{"photo": photo.name, "megapixels": round(megapixels(photo), 3), "bytes": photo.stat().st_size,
                   "server": name, "median": medians[photo, name], "rounds": values}
                  for (photo, name), values in rates.items()],
        "ratios": {name: {"2 to 9 MP": values[0], SMALL: values[1]} for name, values in ratios.items()},
    }
    (PLACE / "peers.json").write_text(json.dumps(kept, indent=1))
    if not options.directory:
        draw(ROOT / "scripts/bench.svg", medians, counted, small, names)


if __name__ == "__main__":
    main()
