"""What is known of a server before it is tried: how a picture goes in, how the result comes out, where tasks are.

The names 001 to 004 are those of the course: 001 is the assignment, which leaves open where and how a form is sent, so the usual
places are tried; 002 to 004 are three solutions of it, as their guides describe them. `clase` is tests/clase, `tp2` this project.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to hand a picture in."""
    # "formulario", "cuerpo" (the picture is the body of POST), "crudo" (no HTTP: the picture, then the half-close)
    kind: str
    path: str = "/"
    field: str = "imagen"

    def __str__(self):
        return {"formulario": f"formulario en {self.path}, campo {self.field}", "cuerpo": f"cuerpo de POST {self.path}",
                "crudo": "la imagen sola, sin HTTP"}[self.kind]


@dataclasses.dataclass(frozen=True)
class Profile:
    """How to talk to a server."""
    # The first one that works is used.
    ways: tuple
    # How the result comes: "imagen" (it is the answer), "enlace" (its address is in the answer), "tarea" (an id, and it is asked for)
    answer: str = "imagen"
    factor: float = 0.5
    # Whether IPv4 and IPv6 have to be served at once; otherwise the one that was given is enough.
    both_families: bool = True
    # Sides are truncated, as int(side * factor) is; otherwise a pixel more or less is as good.
    is_exact: bool = False
    # The bonus: where tasks are handed in (as the picture is otherwise), their state, their result; and whether they have to be there.
    tasks: str = "/tareas"
    state: str = "/estado/{}"
    result: str = "/tareas/{}/imagen"
    needs_tasks: bool = False
    # A picture without HTTP has to be answered on the same port.
    bare_too: bool = False


FORMS = tuple(Way("formulario", path, field) for path in ("/", "/upload", "/procesar", "/imagen", "/process")
              for field in ("imagen", "image", "file"))
BODIES = (Way("cuerpo"), Way("cuerpo", "/upload"), Way("cuerpo", "/procesar"))
BARE = (Way("crudo"),)
PROFILES = {
    "001": Profile(FORMS + BODIES),
    "002": Profile(BARE, answer="enlace", both_families=False),
    "003": Profile(BARE, both_families=False),
    "004": Profile(FORMS + BODIES, factor=1.5, both_families=False),
    "clase": Profile((Way("formulario"),), is_exact=True, needs_tasks=True, bare_too=True),
    "tp2": Profile((Way("formulario"),), is_exact=True, needs_tasks=True, bare_too=True),
}


def adapted(profile, path=None, field=None, way=None, **changes):
    """A profile with what the command line says of it."""
    ways = profile.ways
    if path or field or way:
        first = ways[0]
        ways = (Way(way or first.kind, path or first.path, field or first.field),)
    return dataclasses.replace(profile, ways=ways, **{name: value for name, value in changes.items() if value is not None})
