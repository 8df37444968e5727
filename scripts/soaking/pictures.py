"""What is sent, and what a quiet server makes of it: every answer under load is to be the same."""
import pathlib
import random

from . import wire

FIXTURES = pathlib.Path(__file__).resolve().parent.parent.parent / "tests/data"
FORMATS = ["jpeg", "png", "gif", "webp", "bmp", "tiff", "pgm"]


class Case:
    """A picture, what is asked of it, and the answer."""

    def __init__(self, name, body, query):
        self.name, self.body, self.query = name, body, query
        self.status, self.result, self.problem = 0, b"", ""

    @property
    def target(self):
        return "/?" + "&".join(f"{name}={value}" for name, value in self.query)

    def learn(self, connection):
        answer = connection.ask("POST", self.target, self.body)
        self.status, self.problem = answer.status, answer.problem()
        self.result = answer.body if answer.status == 200 else b""

    def is_answered_by(self, answer):
        """What is refused is to be refused for the same reason; its text has an id of its own."""
        return answer.status == self.status and (
            answer.body == self.result if self.status == 200 else answer.problem() == self.problem)


def photo(name):
    return (FIXTURES / "fotos" / name).read_bytes()


def made(connection, photo, **query):
    """A picture that the server makes of another."""
    answer = connection.ask("POST", "/?" + "&".join(f"{name}={value}" for name, value in query.items()), photo)
    assert answer.status == 200, answer.body
    return answer.body


def small(connection):
    """Photographs of up to a megapixel: every format in, and every format out."""
    photos = [(path.name, path.read_bytes()) for path in sorted((FIXTURES / "fotos").iterdir()) if path.suffix != ".md"]
    photos += [(f"rocket.{name}", made(connection, photo("rocket.jpg"), formato=name)) for name in FORMATS]
    photos.append(("pgm", b"P5\n40 30\n255\n" + bytes(range(40)) * 30))
    cases = []
    for number, (name, body) in enumerate(photos):
        cases.append(Case(name, body, [("escala", "0.5")]))
        out = FORMATS[number % len(FORMATS)]
        cases.append(Case(f"{name} as {out}", body, [("escala", "0.3"), ("formato", out), ("calidad", "70")]))
    return cases


def fixtures():
    """Every odd or broken file that the tests have, each with its own right answer."""
    paths = sorted(path for path in (FIXTURES / "pixels").iterdir() if path.suffix not in (".tsv", ".md"))
    return [Case(path.name, path.read_bytes(), [("escala", "1.5")]) for path in paths if path.stat().st_size > 0]


def large(connection, megapixels):
    """One photograph enlarged to about so many megapixels, with some noise, in the formats that photographs have."""
    factor = (megapixels * 1e6 / (1000 * 872)) ** 0.5
    pgm = made(connection, photo("hubble_deep_field.jpg"), formato="pgm", escala=f"{factor:.3f}")
    # Enlarged alone it would be smooth, and compress to nothing. The head of a PGM has no byte that noise may touch.
    noise = int.from_bytes(random.Random(megapixels).randbytes(len(pgm) - 32), "big")
    mask = int.from_bytes(b"\x07" * (len(pgm) - 32), "big")
    noisy = pgm[:32] + (int.from_bytes(pgm[32:], "big") ^ (noise & mask)).to_bytes(len(pgm) - 32, "big")
    return [(name, made(connection, noisy, formato=name, escala="1", calidad="92")) for name in ("jpeg", "png")]


def all_cases(port, sizes=(10, 18, 25)):
    """Small, odd and large ones, each learnt."""
    with wire.Connection(port) as connection:
        few, odd, big = small(connection), fixtures(), []
        for megapixels in sizes:
            big += [Case(f"{megapixels} MP {name}", body, [("escala", "0.25")])
                    for name, body in large(connection, megapixels)]
        for case in few + odd + big:
            case.learn(connection)
            assert case.status in (200, 415, 422), (case.name, case.status, case.problem)
    assert all(case.status == 200 for case in few + big), [case.name for case in few + big if case.status != 200]
    return few, odd, big
