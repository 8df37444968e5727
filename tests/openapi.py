#!/usr/bin/env python3
"""Replays every example of docs/openapi.json against a running tp2, and holds each answer against the description.

    tests/openapi.py PORT [FILE [PORT_WITH_KEY]]

The server needs `-d` with a picture `foto.pgm` in it, an empty store, and loopback addresses alone; another one, with
`--clave-archivo`, may be named. What is checked of an answer: its status is the one
that the example names and is described there; its media type is described; the fields that are described as required are
there, and all that are described match their schema; its body matches its schema, a picture is one by its first bytes, and a problem
document tells the true status. Of the description itself: `Allow` of each path is what is described, and every operation
has an example of a good answer; a request by a page of another site, by another name of the host, and without the key, is refused
as it is described. Exit 0 if all of it holds; else a line for each fault. Needs the Python package jsonschema.

The examples are in `x-ejemplos` of an operation: `estado` is the status; `ruta`, `consulta`, `campos` are values of the path,
query and header; the body is `cuerpo` (`imagen` or `formulario`, with `valores` beside it), `formulario_sin_imagen`, `json` or `texto`,
its media type `tipo`; `longitud` announces a body that is not sent, `sin_longitud` says nothing of it. `guarda`,
`guarda_campo` and `guarda_archivo` keep a member, a field or the last segment of a field under a name, which `$name` is
elsewhere; `contiene` are members that the answer has.
"""

import base64
import http.client
import json
import pathlib
import sys
import urllib.parse

import jsonschema

MAGIC = {
    "image/jpeg": b"\xff\xd8", "image/png": b"\x89PNG", "image/gif": b"GIF8", "image/webp": b"RIFF",
    "image/bmp": b"BM", "image/tiff": b"II", "image/x-portable-graymap": b"P5",
}
METHODS = ("get", "put", "post", "delete")
BOUNDARY = "ejemplo"
# An operation stands here before those that need what it leaves behind.
ORDER = ("put", "post", "get", "delete")


class Description:
    """The document, and what is looked up in it."""

    def __init__(self, path):
        self.document = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        self.picture = base64.b64decode(self.document["x-imagen"])

    def resolve(self, part):
        while "$ref" in part:
            target = self.document
            for step in part["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            part = target
        return part

    def faults(self, value, schema):
        """What of this value a schema of the document refuses."""
        whole = {**schema, "components": self.document["components"]}
        checker = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())
        return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in checker.iter_errors(value)]


def form(fields, picture):
    """A multipart/form-data body."""
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
             for name, value in fields.items()]
    if picture is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="imagen"; filename="a.pgm"\r\n\r\n'
        parts.append(head.encode() + picture + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def body_of(example, description):
    """The bytes that an example sends, and their media type; None where it sends none."""
    multipart = f"multipart/form-data; boundary={BOUNDARY}"
    if "formulario_sin_imagen" in example:
        return form(example["formulario_sin_imagen"], None), multipart
    if example.get("cuerpo") == "formulario":
        return form(example.get("valores", {}), description.picture), multipart
    if example.get("cuerpo") == "imagen":
        return description.picture, "application/octet-stream"
    if "json" in example:
        return json.dumps(example["json"]).encode(), "application/json"
    if "texto" in example:
        return example["texto"].encode(), example.get("tipo", "text/plain")
    return None, None


def ask(port, method, path, example, kept, description):
    """Sends what an example says; gives status, fields (lower case) and body."""
    def meant(value):
        return kept.get(value[1:], value) if value.startswith("$") else value

    for name, value in example.get("ruta", {}).items():
        path = path.replace("{" + name + "}", urllib.parse.quote(meant(value), safe=""))
    if "consulta" in example:
        path += "?" + urllib.parse.urlencode(example["consulta"])
    fields = {name: meant(value) for name, value in example.get("campos", {}).items()}
    body, media_type = body_of(example, description)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method.upper(), path, skip_host="Host" in fields, skip_accept_encoding=True)
    for name, value in fields.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Type", media_type)
    if "longitud" in example:
        connection.putheader("Content-Length", str(example["longitud"]))
    elif body is not None and not example.get("sin_longitud"):
        connection.putheader("Content-Length", str(len(body)))
    # In one write: a refusal may be answered before a second one is sent.
    connection.endheaders(body or None)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


def field_faults(described, fields, description):
    for name, header in described.get("headers", {}).items():
        header, value = description.resolve(header), fields.get(name.lower())
        if value is None:
            if header.get("required"):
                yield f"falta el campo {name}"
        else:
            yield from (f"campo {name}: {fault}" for fault in description.faults(value, header["schema"]))


def body_faults(described, status, fields, content, description):
    """What of a body is not as described."""
    contents = described.get("content", {})
    media_type = fields.get("content-type", "").split(";")[0]
    if not contents:
        if content:
            yield f"{len(content)} bytes donde se describe ninguno"
        return
    if media_type not in contents:
        yield f"tipo {media_type!r}, descritos: {', '.join(contents)}"
        return
    if media_type in MAGIC:
        if not content.startswith(MAGIC[media_type]) and status != 206:
            yield f"no es {media_type}"
        return
    schema = contents[media_type]["schema"]
    text = content.decode()
    values = [text]
    if media_type.endswith("json"):
        values = [json.loads(text)]
    elif media_type == "application/x-ndjson":
        values = [json.loads(line) for line in text.splitlines()]
    for value in values:
        yield from description.faults(value, schema)
    if media_type == "application/problem+json" and values[0].get("status") != status:
        yield f"el documento dice {values[0].get('status')}"


def check(operation, example, answer, description):
    """What is wrong with an answer."""
    status, fields, content = answer
    if status != example["estado"]:
        yield f"estado {status}: {content[:300]!r}"
    described = operation["responses"].get(str(status))
    if described is None:
        yield f"el estado {status} no está descrito"
        return
    described = description.resolve(described)
    yield from field_faults(described, fields, description)
    yield from body_faults(described, status, fields, content, description)
    for name, value in example.get("contiene", {}).items():
        if json.loads(content).get(name) != value:
            yield f"{name} no es {value!r}: {content[:300]!r}"


def keep(example, answer, kept):
    _, fields, content = answer
    for name, member in example.get("guarda", {}).items():
        kept[name] = json.loads(content)[member]
    for name, field in example.get("guarda_campo", {}).items():
        kept[name] = fields[field.lower()]
    for name, field in example.get("guarda_archivo", {}).items():
        kept[name] = fields[field.lower()].rsplit("/", 1)[1]


def allow_faults(port, path, item, description):
    """OPTIONS of a path says what is described of it."""
    example = {"ruta": {name: "foto.pgm" for name in ("id", "nombre")} | {"carpeta": "c"}}
    if path == "/app/{nombre}":
        example["ruta"]["nombre"] = "net.js"
    _, fields, _ = ask(port, "options", path, example, {}, description)
    told = set(fields.get("allow", "").lower().split(", "))
    if path.endswith("/faltantes"):
        # The name of a face as well.
        item = item | description.document["paths"]["/carpetas/{carpeta}/{nombre}"]
    described = {method for method in item if method in METHODS} | {"options"}
    if "get" in described:
        described.add("head")
    # A path of one segment is no route of its own: Allow is what a file has, PUT is for any name.
    if path != "/{nombre}" and told != described:
        yield f"Allow: {sorted(told)}, descritos: {sorted(described)}"


def refusals(method, operation, port, keyed):
    """Ports, fields and the status with which an operation is refused, whatever else is asked."""
    yield port, {"Host": "otro.example"}, 421
    if method != "get":
        yield port, {"Sec-Fetch-Site": "cross-site"}, 403
        yield port, {"Origin": "https://otro.example"}, 403
    if keyed and operation.get("security") != []:
        yield keyed, {}, 401
        yield keyed, {"Authorization": "Bearer otra-clave-que-no-es"}, 401


def main(port, path, keyed):
    description = Description(path)
    kept, faults, count = {}, [], 0
    for path, item in description.document["paths"].items():
        faults += [f"OPTIONS {path}: {fault}" for fault in allow_faults(port, path, item, description)]
        for method in (method for method in ORDER if method in item):
            operation = item[method]
            examples = operation["x-ejemplos"]
            if not any(example["estado"] < 400 for example in examples):
                faults.append(f"{method} {path}: ningún ejemplo de una buena respuesta")
            for example in examples:
                answer = ask(port, method, path, example, kept, description)
                found = list(check(operation, example, answer, description))
                faults += [f"{method.upper()} {path} {json.dumps(example, ensure_ascii=False)}: {fault}" for fault in found]
                if not found:
                    keep(example, answer, kept)
                count += 1
            good = next(example for example in examples if example["estado"] < 400)
            for where, fields, status in refusals(method, operation, port, keyed):
                example = {"estado": status, "ruta": good.get("ruta", {}), "campos": fields, "cuerpo": good.get("cuerpo")}
                answer = ask(where, method, path, example, kept, description)
                found = check(operation, example, answer, description)
                faults += [f"{method.upper()} {path} {fields} {status}: {fault}" for fault in found]
                count += 1
    for fault in faults:
        print(fault)
    print(f"{count} ejemplos, {len(faults)} faltas")
    return 1 if faults else 0


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    document = sys.argv[2] if len(sys.argv) > 2 else here.parent / "docs/openapi.json"
    sys.exit(main(int(sys.argv[1]), document, int(sys.argv[3]) if len(sys.argv) > 3 else None))
