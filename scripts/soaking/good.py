"""What good clients do: each deed ends with an answer that is compared with that of a quiet server.

An honest 503 (a reason, `Retry-After`) is no answer: it is asked again.
"""
import json
import os
import time

from . import wire
from .wire import Connection, request

# As long as a picture may take here, and then some.
PATIENCE = 90
# How often a good client comes back.
TRIES = 60


class Wrong(Exception):
    """An answer that is not the right one."""


class GoodDeeds:
    """Of a `Traffic`, whose port, pictures and counters they use."""

    def insist(self, ask):
        """Asks until the answer is not «come back later»."""
        for _ in range(TRIES):
            answer = ask()
            if answer.status != 503:
                return answer
            if "retry-after" not in answer.fields or not answer.problem():
                raise Wrong(f"503 without reason or Retry-After: {answer.fields} {answer.body[:200]}")
            self.count(f"503 {answer.problem()}")
            time.sleep(min(2, int(answer.fields["retry-after"])))
        raise Wrong(f"503 {TRIES} times: {answer.body[:300]}")

    def check(self, case, answer):
        if not case.is_answered_by(answer):
            raise Wrong(f"{case.name}: {answer.status} {answer.problem()} {len(answer.body)} bytes, "
                        f"not {case.status} {case.problem} {len(case.result)} bytes")

    def some(self, chance):
        return chance.choice(self.few if chance.random() < 0.6 else self.odd)

    def raw(self, chance):
        case = self.some(chance)
        with Connection(self.port, PATIENCE) as connection:
            for _ in range(chance.randint(1, 4)):
                answer = self.insist(lambda: connection.ask("POST", case.target, case.body))
                self.check(case, answer)
                if answer.fields["connection"] == "close":
                    return

    def huge(self, chance):
        case = chance.choice(self.big)

        def ask():
            with Connection(self.port, PATIENCE) as connection:
                return connection.ask("POST", case.target, case.body)
        self.check(case, self.insist(ask))

    def form(self, chance):
        case = self.some(chance)
        fields = case.query

        def ask():
            with Connection(self.port, PATIENCE) as connection:
                connection.send(wire.form("/", case.body, fields))
                return connection.answer()
        self.check(case, self.insist(ask))

    def chunked(self, chance):
        case = self.some(chance)

        def ask():
            with Connection(self.port, PATIENCE) as connection:
                connection.send(wire.chunked(case.target, case.body, chance.choice([700, 5_000, 60_000])))
                return connection.answer()
        self.check(case, self.insist(ask))

    def put_and_expect(self, chance):
        case = chance.choice(self.few)

        def ask():
            with Connection(self.port, PATIENCE) as connection:
                head, body = request("PUT", "/foto" + case.target[1:], case.body,
                                     "Expect: 100-continue").split(b"\r\n\r\n", 1)
                connection.send(head + b"\r\n\r\n")
                while b"\r\n\r\n" not in connection.received:
                    connection.more()
                if connection.received.startswith(b"HTTP/1.1 100 "):
                    connection.send(body)
                return connection.answer()
        self.check(case, self.insist(ask))

    def netcat(self, chance):
        case = chance.choice([case for case in self.few if case.query == [("escala", "0.5")]])
        for _ in range(TRIES):
            with Connection(self.port, PATIENCE) as connection:
                connection.send(case.body)
                connection.half_close()
                answer = connection.rest()
            if answer == case.result:
                return
            if not answer.startswith(b"ERROR 503 "):
                raise Wrong(f"{case.name}: {answer[:100]}")
            self.count("503 netcat")
            time.sleep(1)
        raise Wrong("503 again and again")

    def slow(self, chance):
        """Every piece by itself, and the answer read as slowly."""
        case = chance.choice(self.few)

        def ask():
            with Connection(self.port, PATIENCE) as connection:
                data = request("POST", case.target, case.body)
                step = max(1, len(data) // 12)
                for at in range(0, len(data), step):
                    connection.send(data[at:at + step])
                    time.sleep(0.1)
                connection.half_close()
                time.sleep(0.3)
                return connection.answer()
        self.check(case, self.insist(ask))

    def pipelined(self, chance):
        case = chance.choice([case for case in self.few if len(case.body) < 200_000])

        def ask():
            with Connection(self.port, PATIENCE) as connection:
                picture = request("POST", case.target, case.body)
                connection.send(b"\r\n" + picture + b"GET http://u:p@x/healthz HTTP/1.1\r\nHost:\r\n\r\n" + picture)
                answers = [connection.answer() for _ in range(3)]
                if answers[1].status != 200:
                    raise Wrong(f"healthz: {answers[1].status}")
                return next((answer for answer in answers if answer.status == 503), answers[2])
        self.check(case, self.insist(ask))

    def task(self, chance):
        case = self.some(chance)
        with Connection(self.port, PATIENCE) as connection:
            answer = self.insist(lambda: connection.ask("POST", "/tareas" + case.target[1:], case.body))
            if case.status != 200 and answer.status == case.status:
                return  # What its header shows is refused at once.
            if answer.status != 202:
                raise Wrong(f"{case.name}: {answer.status} {answer.body[:200]}")
            place, state = answer.fields["location"], {}
            image = f"/tareas/{place.rsplit('/', 1)[1]}/imagen"
            if chance.random() < 0.1:
                self.delete(connection, place)
                return
            give_up_at = time.monotonic() + 120
            while state.get("estado") not in ("Completada", "Error", "Vencida"):
                if time.monotonic() > give_up_at:
                    raise Wrong(f"{case.name}: {state}")
                answer = self.insist(lambda: connection.ask("GET", place + "?espera=20"))
                state = json.loads(answer.body)
            # So much is kept that what was made a moment ago still is.
            answer = self.insist(lambda: connection.ask("GET", image))
            self.check(case, answer)
            if answer.status == 200:
                tag = answer.fields["etag"]
                again = connection.ask("GET", image, b"", f"If-None-Match: {tag}")
                part = connection.ask("GET", image, b"", "Range: bytes=5-24")
                if again.status != 304 or (part.status, part.body) != (206, case.result[5:25]):
                    raise Wrong(f"{case.name}: {again.status} {part.status}")
            if chance.random() < 0.5:
                self.delete(connection, place)

    def delete(self, connection, place):
        answer = self.insist(lambda: connection.ask("DELETE", place.replace("/estado/", "/tareas/")))
        gone = self.insist(lambda: connection.ask("GET", place))
        if (answer.status, gone.status) != (204, 404):
            raise Wrong(f"DELETE {answer.status}, then {gone.status}")

    def link(self, chance):
        # Always JPEG, at the quality that is asked for: those whose right answer is one.
        case = chance.choice([case for case in self.few if case.result[:2] == b"\xff\xd8"])
        with Connection(self.port, PATIENCE) as connection:
            answer = self.insist(lambda: connection.ask("POST", "/enlaces" + case.target[1:], case.body))
            if answer.status != 201:
                raise Wrong(f"{case.name}: {answer.status} {answer.body[:200]}")
            path = "/" + answer.fields["location"].split("/", 3)[3]
            self.check(case, self.insist(lambda: connection.ask("GET", path)))
        # The folder is the operator's, who also tidies it up.
        os.remove(self.tp2.place / path[1:])

    def face(self, chance):
        case = chance.choice(self.few)
        with self.lock:
            self.faces += 1
            number = self.faces % 500
        path = f"/carpetas/caras/{number}.jpg"
        with Connection(self.port, PATIENCE) as connection:
            answer = self.insist(lambda: connection.ask("PUT", path, case.body))
            image = self.insist(lambda: connection.ask("GET", path, b"", "Accept: image/*"))
            if answer.status not in (200, 201) or image.status != 200 or image.body[:2] != b"\xff\xd8":
                raise Wrong(f"{answer.status} {image.status}")

    def file(self, chance):
        """A picture below the directory of -d."""
        case, name = chance.choice(self.files)
        path = f"/{name}{case.target[1:]}"
        with Connection(self.port, PATIENCE) as connection:
            answer = self.insist(lambda: connection.ask("GET", path))
            self.check(case, answer)
            again = self.insist(lambda: connection.ask("GET", path, b"", f"If-None-Match: {answer.fields['etag']}"))
            head = self.insist(lambda: connection.ask("HEAD", path))
            if again.status != 304 or (head.status, head.fields["content-length"]) != (200, str(len(answer.body))):
                raise Wrong(f"{name}: {again.status} {head.status}")

    def look_around(self, chance):
        with Connection(self.port, PATIENCE) as connection:
            for method, path, status in [
                ("GET", "/", 200), ("HEAD", "/", 200), ("GET", "/metrics", 200), ("GET", "/carpetas", 200),
                ("GET", "/nada", 404), ("PATCH", "/", 405), ("GET", "/estado/00000000-0000-4000-8000-000000000000", 404),
                ("OPTIONS", "/", None),
            ]:
                answer = self.insist(lambda: connection.ask(method, path))
                if status not in (None, answer.status):
                    raise Wrong(f"{method} {path}: {answer.status}")

    def refused(self, chance):
        """What is wrong in a known way gets a known answer."""
        status, data = chance.choice(REFUSED)
        with Connection(self.port, PATIENCE) as connection:
            connection.send(data)
            answer = connection.answer()
            if answer.status not in (status, 503):
                raise Wrong(f"{data[:80]}: {answer.status}, not {status}")


LONG = b"x" * 20_000
REFUSED = [
    (400, b"GET / HTTP/1.1\r\n\r\n"), (400, b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"), (501, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"),
    (505, b"GET / HTTP/3.7\r\nHost: x\r\n\r\n"), (431, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + LONG + b"\r\n\r\n"),
    (414, b"GET /" + LONG[:9_000] + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    (413, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"),
    (417, b"POST / HTTP/1.1\r\nHost: x\r\nExpect: la-lluvia\r\nContent-Length: 3\r\n\r\nabc"),
    (415, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
    (422, b"POST /?escala=inf HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\nP5 2 2 255 abcd"),
    (422, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nP5\n65000 65000\n255\n\0\0"),
]
GOOD = [(GoodDeeds.raw, 30), (GoodDeeds.form, 12), (GoodDeeds.chunked, 8), (GoodDeeds.huge, 5), (GoodDeeds.netcat, 8),
        (GoodDeeds.put_and_expect, 6), (GoodDeeds.slow, 3), (GoodDeeds.pipelined, 6), (GoodDeeds.task, 12), (GoodDeeds.link, 6),
        (GoodDeeds.face, 6), (GoodDeeds.file, 12), (GoodDeeds.look_around, 4), (GoodDeeds.refused, 12)]
