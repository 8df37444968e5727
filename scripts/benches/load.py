"""The load: wrk, for every server the same."""
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys

LUA = pathlib.Path(__file__).with_name("load.lua")


def require_wrk():
    if not shutil.which("wrk"):
        sys.exit("scripts/bench: wrk is missing (apt-get install wrk)")


def enough(took, seconds):
    """Seconds, at least so many, in which there are some 24 answers that take `took` seconds of a core each; 15 at most."""
    return math.ceil(min(max(seconds, 15), max(seconds, 24 * took / len(os.sched_getaffinity(0)))))


def wrk(url, connections, seconds, *script):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", *script[:2], url, *script[2:]]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=seconds + 120)
    if done.returncode != 0:
        raise RuntimeError(f"wrk: {done.stderr}{done.stdout}")
    return done.stdout


def post(server, path, file, connections, seconds):
    """Answers a second to a file that is posted over so many connections for so long, and milliseconds of processor time for
    each, of all the server's processes: it is measured over all answers, the last ones awaited.

    Raises RuntimeError if one was not 200."""
    before = server.cpu_time()
    text = wrk(server.url + path, connections, seconds + 60, "-s", LUA, "--", file, connections, seconds)
    used = server.cpu_time() - before
    told = re.search(r"TOLD answers=(\d+) failures=(\d+) idle=(\d+) rate=([\d.]+)", text)
    answers, failures, idle, rate = int(told[1]), int(told[2]), int(told[3]), float(told[4])
    if failures or not rate or idle < connections:
        raise RuntimeError(f"{server.name} with {pathlib.Path(file).name}: {failures} failures, {answers} answers\n{text}")
    return rate, 1000 * used / answers


def get(server, path, connections, seconds):
    """Answers a second to GET, and how many answers there were. Raises RuntimeError if one was not 2xx."""
    text = wrk(server.url + path, connections, seconds)
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"{server.name} with {path}:\n{text}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), int(re.search(r"(\d+) requests in", text)[1])
