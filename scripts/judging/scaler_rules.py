"""The criteria for a scaler: the vectors of protocol.md, one criterion each, and what vectors can't say.

Of an error its code binds, and its reason does not; of a picture its header binds, and its samples within 2 of those told.
"""
import contextlib
import re
import socket
import threading
import time
from . import pictures, processes, wire
from .report import NotSeen, Rule, Rules, Wrong

RULES = Rules()
rule = RULES.rule
TOLERANCE = 2
SMALL = b"ESCALAR 0.5\nP5\n4 2\n255\n\x10\x10\x90\x90\x10\x10\x90\x90"
SMALL_REPLY = b"OK\nP5\n2 1\n255\n\x1b\x85"


class Scaler:
    """A running scaler."""

    def __init__(self, address):
        self.address, self.notes = address, {}

    def is_there(self):
        with contextlib.suppress(OSError):
            wire.connect(self.address, 5).close()
            return True
        return False

    def ask(self, data, piece=None, time_max=wire.TIME):
        """Sends this, in pieces if it is told to, half-closes, and reads up to the end."""
        with wire.connect(self.address, time_max) as stream:
            with contextlib.suppress(ConnectionError):  # it may have been refused before its end
                for start in range(0, len(data), piece or len(data)):
                    stream.sendall(data[start:start + (piece or len(data))])
                stream.shutdown(socket.SHUT_WR)
            return wire.read_all(stream)[0]

    def still_works(self):
        if differs(self.ask(SMALL), SMALL_REPLY):
            raise Wrong("después de eso, un pedido bueno salió mal")


# --- Replies.


def replies(data):
    """The replies in these bytes: ("OK", header, samples) or ("ERROR", code, b""); what is neither ends the list as ("?", bytes, b"")."""
    found = []
    while data:
        image = re.match(rb"OK\n(P5\n(\d+) (\d+)\n255\n|P7\nWIDTH (\d+)\nHEIGHT (\d+)\nDEPTH 2\nMAXVAL 255\n"
                         rb"TUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n)", data)
        error = re.fullmatch(rb"ERROR ([45]\d\d) [^\n]{0,500}\n", data, re.S)
        if image:
            sides = [int(side) for side in image.groups()[1:] if side]
            length = sides[0] * sides[1] * (2 if image[1].startswith(b"P7") else 1)
            found.append(("OK", image[1], data[image.end():image.end() + length]))
            if len(found[-1][2]) < length:
                found[-1] = ("?", b"una imagen cortada", b"")
            data = data[image.end() + length:]
        else:
            found.append(("ERROR", error[1], b"") if error else ("?", data[:60], b""))
            data = b""
    return found


def shown(reply):
    kind, head, samples = reply
    text = head.decode("utf-8", "replace").replace("\n", " ").strip()
    return f"{kind} {text}" + (f" y {len(samples)} muestras" if kind == "OK" else "")


def differs(got, expected):
    """Why these bytes are not the reply that was expected; None if they are."""
    got, expected = replies(got), replies(expected)
    if [reply[:2] for reply in got] != [reply[:2] for reply in expected]:
        return f"{'; '.join(map(shown, got)) or 'nada'}, y se espera {'; '.join(map(shown, expected))}"
    for (_, _, one), (_, _, other) in zip(got, expected):
        off = max((abs(a - b) for a, b in zip(one, other)), default=0)
        if off > TOLERANCE:
            return f"las muestras se apartan hasta {off}, y el límite son {TOLERANCE}"
    return None


# --- Vectors.


def unescape(text):
    """The bytes that a line of a vector stands for: \\n, \\\\, \\xHH; {n} repeats the byte before it."""
    out = bytearray()
    for escape, count, plain in re.findall(r"\\(n|\\|x[0-9a-fA-F]{2})|\{(\d+)\}|(.)", text):
        if count:
            out += out[-1:] * (int(count) - 1)
        elif escape:
            out += {"n": b"\n", "\\": b"\\"}.get(escape) or bytes([int(escape[1:], 16)])
        else:
            out += plain.encode()
    return bytes(out)


def vectors(path):
    """A criterion for each block of `vector` in a protocol.md."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    rules, title = [], ""
    for before, block in re.findall(r"(.*?)^```vector\n(.*?)^```$", text, re.S | re.M):
        title = next((line for line in reversed(before.strip().split("\n")) if line and not line.startswith("```")), title)
        sent = b"".join(unescape(line[2:]) for line in block.split("\n") if line.startswith("> "))
        expected = b"".join(unescape(line[2:]) for line in block.split("\n") if line.startswith("< "))
        number = len(rules) + 1
        name = sent.partition(b"\n")[0].decode("latin-1").strip()

        def check(scaler, sent=sent, expected=expected):
            got = scaler.ask(sent)
            wrong = differs(got, expected)
            if wrong:
                raise Wrong(wrong)
            return "; ".join(map(shown, replies(got)))
        rules.append(Rule(f"vector-{number}", 2, f"«{name}»" if name else "ejemplo", check, True))
    if not rules:
        raise OSError(f"en {path} no hay ejemplos (bloques vector)")
    return rules


# --- What vectors can't say.


@rule("trozos", 5, "Un pedido que llega byte por byte", essential=True)
def pieces(scaler):
    data = SMALL * 3
    wrong = differs(scaler.ask(data, 1), SMALL_REPLY * 3)
    if wrong:
        raise Wrong(wrong)
    return f"{len(data)} bytes, tres respuestas en su orden"


@rule("pillow", 5, "Los grises son los de Pillow, BICUBIC", essential=True)
def as_pillow(scaler):
    image, worst = pictures.scene((301, 203)).convert("L"), 0
    for wanted in (150, 101), (80, 90), (500, 340):
        reply = scaler.ask(b"ESCALAR %dx%d\nP5\n%d %d\n255\n" % (*wanted, *image.size) + image.tobytes())
        expected = b"OK\nP5\n%d %d\n255\n" % wanted + image.resize(wanted, 3).tobytes()
        if wrong := differs(reply, expected):
            raise Wrong(f"{image.width}x{image.height} a {wanted[0]}x{wanted[1]}: {wrong}")
        worst = max(worst, max(abs(a - b) for a, b in zip(reply[-wanted[0] * wanted[1]:], expected[-wanted[0] * wanted[1]:])))
    return f"tres tamaños, la mayor diferencia es {worst}"


@rule("muchos", 5, "20 conexiones a la vez", essential=True)
def many(scaler):
    wrong = []

    def one():
        try:
            wrong.extend(filter(None, [differs(scaler.ask(SMALL * 5), SMALL_REPLY * 5)]))
        except OSError as error:
            wrong.append(str(error))
    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise Wrong(wrong[0])
    return "cinco pedidos en cada una, todos bien"


@rule("lenta", 6, "Una conexión callada no detiene a las demás", essential=True)
def slow(scaler):
    with wire.connect(scaler.address) as quiet, wire.connect(scaler.address) as half:
        half.sendall(SMALL[:-3])
        began = time.monotonic()
        try:
            if wrong := differs(scaler.ask(SMALL, time_max=8), SMALL_REPLY):
                raise Wrong(wrong)
        except TimeoutError:
            raise Wrong("otra conexión espera más de 8 s") from None
        seconds = time.monotonic() - began
        half.sendall(SMALL[-3:])
        half.shutdown(socket.SHUT_WR)
        if wrong := differs(wire.read_all(half)[0], SMALL_REPLY):
            raise Wrong(f"la lenta, al terminar: {wrong}")
        quiet.shutdown(socket.SHUT_WR)
    return f"otra recibe lo suyo en {seconds * 1000:.0f} ms, y la lenta también"


@rule("error-legible", 4, "Un error se puede leer aunque el cliente siga enviando")
def readable(scaler):
    reply = scaler.ask(b"ESCALAR 99\nP5\n3000 3000\n255\n" + bytes(9_000_000))
    if replies(reply) != [("ERROR", b"422", b"")]:
        raise Wrong(f"llegó {shown(replies(reply)[0]) if reply else 'nada'}, y se espera ERROR 422")
    return "9 MB detrás de una línea mala, y el error llega"


@rule("cortadas", 4, "Las conexiones que se cortan no lo detienen", essential=True)
def cut_off(scaler):
    for length in 0, 3, 14, 20, len(SMALL):
        stream = wire.connect(scaler.address)
        stream.sendall(SMALL[:length])
        wire.cut(stream)
    scaler.still_works()
    return "cinco cortadas, y sigue atendiendo"


def watched(scaler):
    """Its processes while three connections are open: (listening process, children before, its children)."""
    if "hijos" not in scaler.notes:
        parent = processes.listener(scaler.address[1])
        listening = {inode for local, _, kind, inode in processes.tcp() if kind == processes.LISTEN and local == scaler.address[1]}
        with contextlib.ExitStack() as stack:
            before = set(processes.children(parent))
            for _ in range(3):
                stack.enter_context(wire.connect(scaler.address)).sendall(SMALL)
            give_up_at = time.monotonic() + 5
            while len(found := set(processes.children(parent)) - before) < 3 and time.monotonic() < give_up_at:
                time.sleep(0.02)
            # A child has a moment to close what it was born with.
            while (holding := [pid for pid in found if processes.inodes(pid) & listening]) and time.monotonic() < give_up_at:
                time.sleep(0.02)
        scaler.notes["hijos"] = parent, found, holding
    return scaler.notes["hijos"]


@rule("procesos", 6, "Un proceso por conexión", essential=True)
def own_processes(scaler):
    parent, found, _ = watched(scaler)
    if not found:
        raise Wrong(f"con tres conexiones abiertas el proceso {parent} no tiene hijos")
    return f"con tres conexiones abiertas, {len(found)} hijos nuevos del proceso {parent}"


@rule("hijos-sin-escucha", 2, "Los hijos cierran el socket que escucha")
def listener_closed(scaler):
    _, found, holding = watched(scaler)
    if not found:
        raise NotSeen("no se vieron hijos")
    if holding:
        raise Wrong(f"{len(holding)} hijos lo tienen abierto: si el padre muere, el puerto queda tomado y nadie atiende")
    return "ninguno lo tiene"


@rule("sin-zombis", 4, "No deja procesos zombis")
def no_zombies(scaler):
    parent, found, _ = watched(scaler)
    if not found:
        raise NotSeen("no se vieron hijos")
    give_up_at = time.monotonic() + 6
    while (left := processes.zombies([parent])) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    if left:
        raise Wrong(f"6 s después siguen {len(left)} zombis: nadie hizo wait() por ellos")
    return "no queda ninguno"


@rule("sigue", 4, "Al final sigue en su puerto", essential=True)
def still_there(scaler):
    scaler.still_works()
    return "un pedido bueno sale bien"
