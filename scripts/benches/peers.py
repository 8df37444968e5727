#!/usr/bin/env python3
"""Measures tp2 beside what people would pick instead: the same photographs, parameters and load for all.

    scripts/bench peers [DIR] [--rondas N] [--segundos N] [--seguir]

DIR: JPEGs of your own, instead of those of tests/data/fotos and synthetic ones up to 24 MP (photos.py). Each cell of the table
is a factor, a photograph and a server: POST /?escala=FACTOR over 4 connections (8 if the file is under 64 KiB) for so many
seconds (3; more where answers are slow). Two figures come of it: answers a second, and milliseconds of processor time for
each, of all processes of the server: the rate is what a client sees, but on a busy machine the time tells more. Half size is
asked of all photographs; a quarter and a tenth of those that the means are taken over, from the peers that shrink while they
decode. A round measures every cell once, the servers of a photograph right after each other and in another order each time.
Medians of N rounds (5).

Every peer's answer is looked at before it is timed: a gray JPEG of the right size. Cells are kept in
target/peers/cells.jsonl as they come: with --seguir an interrupted run is gone on with. At the end there are the tables,
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

PEERS = [
    ("OpenCV", "opencv"),
    ("Pillow", "pillow"),
    ("sharp", "sharp"),
    ("sharp grayscale()", "sharp-grayscale"),
    ("OpenCV reduced", "opencv-reducido"),
    ("Pillow reduced", "pillow-reducido"),
]
REQUEST = "/?escala=0.5"
# Which peers are measured at a factor: None, all. At one half those that shrink while they decode do less work for a coarser
# picture, so they are no yardstick there; sharp then does not.
FACTORS = {0.5: None, 0.25: ("OpenCV reduced", "Pillow reduced", "sharp"), 0.1: ("OpenCV reduced", "Pillow reduced", "sharp")}
# Photographs that the means are taken over, in pixels.
MEAN_OVER = (2e6, 12.5e6)
SMALL = "350x418"
# What is asked of tp2, over the mean and for the small one: times as many photographs a second, and as little processor time.
REDUCED_TARGETS = {"OpenCV reduced": (1.4, None), "Pillow reduced": (1.6, None), "sharp": (1.9, None)}
TARGETS = {
    0.5: {"OpenCV": (0.95, None), "Pillow": (2.0, 3.0), "sharp": (4.5, None), "sharp grayscale()": (4.5, None)},
    0.25: REDUCED_TARGETS,
    0.1: REDUCED_TARGETS,
}


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


def check(server, photo, factor=0.5):
    """Raises RuntimeError unless the answer is what is asked for; the seconds that it took when all was warm."""
    body = photo.read_bytes()
    _, width, height = jpeg_size(body)
    for _ in range(2 * servers.CORES):
        began_at = time.monotonic()
        status, _, file = server.ask("POST", f"/?escala={factor}", body)
        took = time.monotonic() - began_at
    if status != 200:
        raise RuntimeError(f"{server.name} with {photo.name}: {status} {file!r}")
    components, columns, rows = jpeg_size(file)
    # Decoders that shrink round up.
    over = 1 if "reduced" in server.name else 0
    if components != 1 or not 0 <= columns - int(width * factor) <= over or not 0 <= rows - int(height * factor) <= over:
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


def counted(photos):
    return [photo for photo in photos if MEAN_OVER[0] <= megapixels(photo) * 1e6 <= MEAN_OVER[1]]


def measure(running, photos, options):
    """For each (factor, photograph, server) the rounds, each an answers a second and milliseconds of processor time."""
    cells_path, cells, times, groups = PLACE / "cells.jsonl", {}, {}, []
    if not options.seguir:
        cells_path.unlink(missing_ok=True)
    elif cells_path.exists():
        for line in cells_path.read_text().splitlines():
            *key, rate, used = json.loads(line)
            cells[tuple(key)] = rate, used
    for factor, names in FACTORS.items():
        chosen = [server for server in running if names is None or server.name in ("tp2", *names)]
        groups += [(factor, photo, chosen) for photo in (counted(photos) if names else photos)]
    for factor, photo, chosen in groups:
        for server in chosen:
            times[factor, photo, server.name] = load.enough(check(server, photo, factor), options.segundos)
    total = options.rondas * sum(times.values())
    say(f"{options.rondas} rounds, {len(times)} cells each: about {total / 60:.0f} min")
    began_at = time.monotonic()
    with open(cells_path, "a") as kept:
        for number in range(options.rondas):
            for factor, photo, chosen in groups:
                connections = 8 if photo.stat().st_size < 64 << 10 else 4
                turn = number % len(chosen)
                for server in chosen[turn:] + chosen[:turn]:
                    key = (number, factor, str(photo), server.name)
                    if key in cells:
                        continue
                    seconds = times[factor, photo, server.name]
                    cells[key] = load.post(server, f"/?escala={factor}", photo, connections, seconds)
                    kept.write(json.dumps([*key, *cells[key]]) + "\n")
                    kept.flush()
            say(f"round {number + 1} of {options.rondas} after {(time.monotonic() - began_at) / 60:.1f} min")
    return {
        (factor, photo, name): [cells[number, factor, str(photo), name] for number in range(options.rondas)]
        for factor, photo, name in times
    }


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def table(title, medians, times_ours, photos, names):
    """Prints a median for each photograph and server, and in brackets what `times_ours` makes of tp2's and theirs."""
    width = max(map(len, names)) + 3
    print(f"\n{title}\n{'':30}" + "".join(f"{name:>{width}}" for name in names))
    for photo in photos:
        row = f"{photo.stem[:18]:<18}{megapixels(photo):6.2f} MP "
        for name in names:
            ratio = "" if name == "tp2" else f" ({times_ours(medians[photo, 'tp2'], medians[photo, name]):.2f})"
            row += f"{f'{medians[photo, name]:.{1 if medians[photo, name] >= 10 else 2}f}{ratio}':>{width}}"
        print(row)


def report(cells, photos):
    """Prints the tables; returns the medians of rates and times, and for each factor and peer how many times as good tp2 is:
    (by rate, by processor time) over the mean, and the same for the small picture."""
    medians = {key: [statistics.median(values) for values in zip(*rounds)] for key, rounds in cells.items()}
    means = [("mean", counted(photos)), (SMALL, [photo for photo in photos if photo.stem == SMALL])]
    better = [lambda ours, theirs: ours / theirs, lambda ours, theirs: theirs / ours]
    titles = ["Photographs a second, medians; in brackets how many times that tp2 does",
              "Milliseconds of processor time for each, medians; in brackets how many times what tp2 takes"]
    ratios = {}
    for factor in dict.fromkeys(factor for factor, _, _ in medians):
        asked = [photo for photo in photos if (factor, photo, "tp2") in medians]
        names = list(dict.fromkeys(name for kind, _, name in medians if kind == factor))
        for index, title in enumerate(titles):
            values = {(photo, name): medians[factor, photo, name][index] for photo in asked for name in names}
            table(f"{title}: {factor}", values, better[index], asked, names)
            for name in names[1:]:
                for kind, those in means:
                    if those := [photo for photo in those if photo in asked]:
                        each = [better[index](values[photo, "tp2"], values[photo, name]) for photo in those]
                        ratios.setdefault((factor, name, kind), []).append(geometric_mean(each))
    spread = [[max(values) / min(values) for values in zip(*rounds)] for rounds in cells.values()]
    words = [f"{statistics.median(values):.2f} (at most {max(values):.2f})" for values in zip(*spread)]
    print(f"\nfrom the least round to the largest: rate {words[0]}, processor time {words[1]}")

    print(f"\ntp2 / peer: geometric mean over {len(means[0][1])} photographs of 2 to 12 MP, and {SMALL}"
          f"\n{'':30}{'by rate':>9}{'by processor time':>20}{'target':>9}")
    for (factor, name, kind), (rate, used) in ratios.items():
        target = TARGETS[factor].get(name, (None, None))[kind == SMALL]
        missed = [word for word, value in (("rate", rate), ("time", used)) if target and value < target]
        print(f"{factor:<6}{name:<19}{kind if kind == SMALL else '':<9}{rate:5.2f}{used:20.2f}{target or '-':>9}"
              + (f"  MISSED by {' and '.join(missed)}" if missed else ""))
    return medians, ratios


def draw(path, medians, photos):
    small = [photo for photo in photos if photo.stem == SMALL]
    asked = [(f"Photographs of 2 to 12 MP, factor {factor}", factor, counted(photos)) for factor in FACTORS]
    groups = []
    for title, factor, those in [asked[0], (f"Pictures of {SMALL}, factor 0.5", 0.5, small), *asked[1:]]:
        rows = []
        for name in [name for kind, photo, name in medians if those and (kind, photo) == (factor, those[0])]:
            mean = geometric_mean([medians[factor, photo, name][1] for photo in those])
            kind = "ours" if name == "tp2" else "less" if factor == 0.5 and "reduced" in name else "full"
            rows.append((name, mean, f"{mean:.{1 if mean >= 10 else 2}f} ms", kind))
        if rows:
            groups.append((f"{title}: processor time for each", sorted(rows, key=lambda row: row[1])))
    note = "Gray JPEG of quality 85. «reduced»: shrunk while decoding, at 0.5 a coarser picture. scripts/bench peers"
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
        cells = measure(running, photos, options)
    finally:
        for server in running:
            server.__exit__()
    medians, ratios = report(cells, photos)
    kept = {
        "cells": [{"factor": factor, "photo": photo.name, "megapixels": round(megapixels(photo), 3),
                   "bytes": photo.stat().st_size, "server": name, "rate": medians[factor, photo, name][0],
                   "milliseconds": medians[factor, photo, name][1], "rounds": rounds}
                  for (factor, photo, name), rounds in cells.items()],
        "ratios": [{"factor": factor, "server": name, "of": kind, "rate": rate, "time": used}
                   for (factor, name, kind), (rate, used) in ratios.items()],
    }
    (PLACE / "peers.json").write_text(json.dumps(kept, indent=1))
    if not options.directory:
        draw(ROOT / "scripts/bench.svg", medians, photos)


if __name__ == "__main__":
    main()
