"""What schemathesis sends beside its own inventions: a real picture, and names of things that are there.

Loaded by tests/schemathesis.sh (SCHEMATHESIS_HOOKS). Without it nearly every request would end at 404 or 415.
"""

import base64
import json
import pathlib

import schemathesis
from hypothesis import strategies

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs/openapi.json"
PICTURE = base64.b64decode(json.loads(DOCUMENT.read_text(encoding="utf-8"))["x-imagen"])
# A picture that is there with -d, a folder of the bank and a face in it, and a module of the page.
THERE = {"nombre": ["foto.pgm", "a.jpg", "net.js"], "carpeta": ["caras"]}

cut = strategies.integers(0, len(PICTURE)).map(lambda length: PICTURE[:length])
schemathesis.openapi.media_type("application/octet-stream", strategies.just(PICTURE) | cut | strategies.binary(max_size=300))


def chosen(value):
    """Half of the invented values are replaced, always the same ones."""
    return sum(str(value).encode("utf-8", "surrogatepass")) % 2 == 0


@schemathesis.hook
def map_path_parameters(_context, parameters):
    for name, values in THERE.items():
        value = (parameters or {}).get(name)
        if value is not None and chosen(value):
            parameters[name] = values[len(str(value)) % len(values)]
    return parameters


@schemathesis.hook
def map_body(_context, body):
    if isinstance(body, dict) and "imagen" in body and chosen(body):
        body["imagen"] = PICTURE
    return body
