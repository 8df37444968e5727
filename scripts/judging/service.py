"""A running server, as the criteria use it: hand a picture in by the way of the profile, get the result."""
import contextlib
import json
import re
import socket
import time
import urllib.parse
from . import pictures, wire
from .profiles import Way
from .report import NotSeen, Wrong

# Addresses that mean «this machine».
NAMES = {"localhost", "::", "0.0.0.0"}
LOCAL = NAMES | {"127.0.0.1", "::1"}
LINK = re.compile(rb"https?://[^\s\"'<>]+")
# What an id is called in an answer.
ID_NAMES = ("id_tarea", "task_id", "tarea_id", "id")


class Result:
    """What became of a picture: `status` of HTTP or None, `data` (bytes of a picture, or None), `words`, `task`, `seconds`."""

    def __init__(self, status=None, data=None, words="", task=None, seconds=0.0):
        self.status, self.data, self.words, self.task, self.seconds = status, data, words, task, seconds

    def image(self):
        """The picture; Wrong if there is none, or only a part."""
        if self.data is None:
            said = " ".join(filter(None, [str(self.status or ""), self.words[:120]])) or "cerró la conexión sin responder"
            raise Wrong(f"no respondió con una imagen: {said}")
        try:
            return pictures.opened(self.data)
        except (OSError, ValueError, SyntaxError) as error:
            raise Wrong(f"la respuesta no es una imagen entera ({len(self.data)} bytes: {error})") from None


class Service:
    """The server at `address`, (host, port); `other` is its address in the other family, where it is not the same machine's."""

    def __init__(self, address, profile, other=None):
        self.address, self.profile, self.other = address, profile, other
        self.way = profile.ways[0]
        self.notes = {}

    # --- Where it is.

    def at(self, family):
        """Its address in this family; NotSeen if that is not known, or this machine has no such family."""
        try:
            with socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family):
                pass
        except OSError:
            raise NotSeen("esta máquina no la tiene") from None
        host, port = self.address
        if host in LOCAL:
            return ("::1" if family == socket.AF_INET6 else "127.0.0.1"), port
        for known in filter(None, [self.address, self.other]):
            with contextlib.suppress(OSError):
                found = socket.getaddrinfo(known[0], known[1], family, socket.SOCK_STREAM)
                return found[0][4][:2]
        raise NotSeen("no se conoce su dirección: --tambien HOST:PUERTO")

    def is_there(self):
        """Whether it takes connections."""
        host, port = self.address
        for _ in range(10):
            # A server that takes one family alone is judged there.
            for name in ([] if host in NAMES else [host]) + (["127.0.0.1", "::1"] if host in LOCAL else []):
                with contextlib.suppress(OSError):
                    wire.connect((name, port), 5).close()
                    self.address = name, port
                    return True
            time.sleep(0.05)
        return False

    # --- In, out.

    def message(self, data, way=None, address=None, path=None):
        """All bytes that hand a picture in."""
        way, address = way or self.way, address or self.address
        if way.kind == "crudo":
            return data
        body, kind = wire.form(way.field, "foto", data) if way.kind == "formulario" else (data, "application/octet-stream")
        return wire.request(address, "POST", path or way.path, body, kind)

    def send(self, data, way=None, address=None, time_max=wire.TIME, path=None):
        """Hands a picture in, and waits for the result."""
        way, address = way or self.way, address or self.address
        began = time.monotonic()
        with wire.connect(address, time_max) as stream:
            with contextlib.suppress(ConnectionError):  # it may have been refused before its end: the answer says why
                stream.sendall(self.message(data, way, address, path))
            result = self.receive(stream, way)
        result.seconds = time.monotonic() - began
        return result

    def receive(self, stream, way=None, **slowly):
        """The result of what was handed in on this connection."""
        way = way or self.way
        if way.kind == "crudo":
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_WR)
            body, in_order = wire.read_all(stream, **slowly)
            is_text = not body or body.startswith((b"ERROR", b"Imagen ", b"HTTP/", b"http"))
            answer = wire.Answer(None if is_text else 200, {}, body, in_order)
        else:
            answer = wire.read_http(stream, **slowly)
            if answer is None:
                return Result()
        if not answer.complete and answer.status in (None, 200):
            raise Wrong(f"la conexión se cerró antes del final de la respuesta, a los {len(answer.body)} bytes")
        return self.read(answer, way)

    def read(self, answer, way):
        """From an answer to a result: follows a link, waits for a task, where the profile says so."""
        words = text_of(answer)
        how = self.profile.answer
        if how == "enlace" and (link := LINK.search(answer.body)):
            fetched = self.fetch(link[0].decode())
            return Result(fetched.status, fetched.body if fetched.status == 200 else None, words)
        if how == "tarea" and answer.status in (200, 201, 202) and (task := id_of(answer)):
            return Result(*self.finished(task), words, task)
        is_picture = how == "imagen" and answer.status == 200 and answer.body and not is_words(answer)
        return Result(answer.status, answer.body if is_picture else None, words, id_of(answer))

    def get(self, path, time_max=wire.TIME):
        """GET of a path; Wrong without an answer."""
        with wire.connect(self.address, time_max) as stream:
            stream.sendall(wire.request(self.address, "GET", path))
            answer = wire.read_http(stream)
        if answer is None:
            raise Wrong(f"GET {path}: no hubo respuesta de HTTP")
        return answer

    def fetch(self, url):
        """GET of an address."""
        parts = urllib.parse.urlsplit(url)
        address = (parts.hostname, parts.port or 80)
        with wire.connect(address) as stream:
            stream.sendall(wire.request(address, "GET", parts.path + (f"?{parts.query}" if parts.query else "")))
            answer = wire.read_http(stream)
        if answer is None:
            raise Wrong(f"GET {url}: no hubo respuesta de HTTP")
        return answer

    def finished(self, task, time_max=60):
        """Asks for a task until it has ended: status and bytes of its result."""
        give_up_at = time.monotonic() + time_max
        while time.monotonic() < give_up_at:
            state = self.get(self.profile.state.format(task))
            if re.search(rb"complet|lista|termin|done|finish|error", state.body, re.I):
                answer = self.get(self.profile.result.format(task))
                return answer.status, answer.body if answer.status == 200 else None
            time.sleep(0.05)
        raise Wrong(f"la tarea {task} no terminó en {time_max} s")

    # --- Shortcuts of the criteria.

    def discover(self):
        """Finds the way of the profile that works; Wrong if none does."""
        data, last = pictures.file(pictures.scene((96, 64)), "JPEG"), Result()
        for way in self.profile.ways:
            self.way = way
            last = self.send(data, way)
            if last.data is not None:
                last.image()
                return way
        self.way = self.profile.ways[0]
        if len(self.profile.ways) > 1:
            raise Wrong(f"ninguna de {len(self.profile.ways)} maneras de enviar dio una imagen (--ruta, --campo, --modo); la "
                        f"última: {last.status or 'sin respuesta'} {last.words[:100]}")
        last.image()

    def still_works(self):
        """A small picture gets its result; Wrong otherwise."""
        image = self.send(pictures.file(pictures.flat(120), "JPEG")).image()
        if not close(image, 120):
            raise Wrong("después de eso, una imagen buena salió mal")

    def refuses(self, data, what):
        """What is no picture gets an error that says so, and the server goes on; gives what was seen."""
        result = self.send(data)
        if result.data is not None:
            with contextlib.suppress(Wrong):
                result.image()
                raise Wrong(f"{what}: respondió con una imagen")
            raise Wrong(f"{what}: respondió 200 con {len(result.data)} bytes que no son una imagen")
        self.still_works()
        if self.way.kind == "crudo":
            if not result.words:
                raise Wrong(f"{what}: cerró la conexión sin decir nada")
            return f"«{result.words[:90]}», y sigue atendiendo"
        if result.status is None:
            raise Wrong(f"{what}: cerró la conexión sin responder")
        if not 400 <= result.status < 500:
            raise Wrong(f"{what}: {result.status}; la culpa es del cliente, y eso son los 4xx")
        return f"{result.status} «{result.words[:80]}», y sigue atendiendo"


def close(image, shade):
    """Whether a picture is this one shade of gray."""
    low, high = image.convert("L").getextrema()
    return shade - 4 <= low and high <= shade + 4


def is_words(answer):
    """Whether an answer is a text by its own account."""
    return answer.fields.get("content-type", "").startswith(("text/", "application/json", "application/problem"))


def text_of(answer):
    """The words of an answer: of JSON the sentence in it, else its first line."""
    if answer.body[:1] == b"{":
        with contextlib.suppress(ValueError):
            document = json.loads(answer.body)
            for name in ("detail", "detalle", "error", "mensaje", "message"):
                if isinstance(document.get(name), str):
                    return document[name]
    elif not is_words(answer) and answer.status == 200:
        return ""
    lines = re.sub(rb"<[^>]*>", b" ", answer.body[:2000]).decode("utf-8", "replace").split("\n")
    return next((" ".join(line.split()) for line in lines if line.strip()), "")


def id_of(answer):
    """The id of a task in an answer: in its JSON, or in a field."""
    with contextlib.suppress(ValueError, AttributeError):
        document = json.loads(answer.body)
        for name in ID_NAMES:
            if document.get(name):
                return str(document[name])
    return answer.fields.get("x-tarea")


BARE = Way("crudo")
