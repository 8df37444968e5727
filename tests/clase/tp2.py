#!/usr/bin/env python3
"""The first server of the assignment: asyncio for its clients, and itself a client of the second server, escalador.py.
A picture comes as a form (RFC 1867), as a body, or bare (nc -N). Left out, and found in tp2: a second request on a connection,
chunked bodies, bodies that are not held whole, tasks that survive the process, a scaler that is started again, or dies with it."""
import argparse, asyncio, contextlib, email, http, io, json, multiprocessing, signal, socket, sys, uuid
from urllib.parse import parse_qsl, urlsplit
from PIL import Image
from escalador import PIXELS, Handler, Refused, Scaler

BODY, TIME, TASKS, CREW = 32 << 20, 120, 100, 4
PAGE = b"<!doctype html><form method=post enctype=multipart/form-data><input type=file name=imagen><button>Enviar</button></form>"
queue, tasks = asyncio.Queue(64), {}

def to_gray(data):
    """Decodes a file: gray picture, name of its format. Runs in a thread: Pillow lets go of the interpreter meanwhile."""
    try:
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > PIXELS:
            raise Refused(422, f"{image.width}x{image.height}: demasiados píxeles")
        return image.convert("L"), image.format
    except (OSError, SyntaxError, ValueError) as error:
        raise Refused(415 if isinstance(error, Image.UnidentifiedImageError) else 422, f"no es una imagen, o está rota ({type(error).__name__})")

def to_file(image, kind):
    """Encodes a gray picture. Runs in a thread."""
    file = io.BytesIO()
    image.save(file, kind, quality=85)
    return file.getvalue()

async def scale(image, factor):
    """Has the second server resize a picture."""
    reader, writer = await asyncio.open_connection(*options.escalador)
    with contextlib.closing(writer):
        writer.write(f"ESCALAR {factor}\nP5\n{image.width} {image.height}\n255\n".encode() + image.tobytes())
        if (line := (await reader.readline()).decode()) != "OK\n":
            raise Refused(int(line[6:9] or 502), line[10:].strip() or "el escalador cortó la conexión")
        _, size, _ = [await reader.readline() for _ in range(3)]
        width, height = map(int, size.split())
        return Image.frombytes("L", (width, height), await reader.readexactly(width * height))

async def work():
    """One of the crew: takes pictures from the queue, and puts the result where it is waited for."""
    in_thread = asyncio.get_running_loop().run_in_executor
    while True:
        data, factor, result = await queue.get()
        try:
            image, kind = await in_thread(None, to_gray, data)
            scaled = await asyncio.wait_for(scale(image, factor), TIME)
            result.set_result((await in_thread(None, to_file, scaled, kind), "image/" + kind.lower()))
        except Exception as error:
            result.set_exception(error if isinstance(error, Refused) else Refused(502, f"no se pudo escalar: {error}"))

async def submit(data, factor):
    """Puts a picture into the queue; what is returned can be awaited, any number of times: file, media type."""
    result = asyncio.get_running_loop().create_future()
    result.add_done_callback(asyncio.Future.exception)  # it may be that nothing awaits it any more
    await queue.put((data, float(factor or options.escala), result))
    return result

async def answer(method, url, fields, reader):
    """One request of HTTP: status, (body, media type)."""
    query, (place, name) = dict(parse_qsl(url.query)), (url.path + "/").split("/")[1:3]
    if method == "GET" and url.path == "/":
        return 200, (PAGE, "text/html; charset=utf-8")
    if method in ("POST", "PUT") and not name:
        if (length := int(fields.get("Content-Length", 0))) > BODY:
            raise Refused(413, f"son {length} bytes, y el límite son {BODY}")
        body, factor = await reader.readexactly(length), query.get("escala")
        if fields.get_content_type() == "multipart/form-data":
            parts = (b"\r\n" + body).split(b"\r\n--" + fields.get_boundary("").encode())[1:-1]  # nothing is decoded
            parts = (part[2:].partition(b"\r\n\r\n") for part in parts)
            form = {email.message_from_bytes(head).get_param("name", header="Content-Disposition"): data for head, _, data in parts}
            body, factor = form.get("imagen", b""), form.get("escala", b"").decode() or factor
        if place != "tareas":
            return 200, await (await submit(body, factor))
        tasks[name := str(uuid.uuid4())] = await submit(body, factor)
        tasks.pop(next(iter(tasks)) if len(tasks) > TASKS else None, None)
        return 202, (json.dumps({"id_tarea": name, "estado": "Pendiente"}).encode(), "application/json")
    if method != "GET" or name not in tasks:
        raise Refused(404, f"no hay nada en {url.path}")
    if place == "tareas":
        return 200, await tasks[name]
    done, _ = await asyncio.wait([tasks[name]], timeout=float(query.get("espera", 0)))
    error = tasks[name].exception() if done else None
    state = {"id_tarea": name, "estado": "Error" if error else "Completada" if done else "Pendiente", "detalle": str(error or "")}
    return 200, (json.dumps(state).encode(), "application/json")

async def client(reader, writer):
    """One connection: a request of HTTP or a bare picture, its answer, the end."""
    asyncio.get_running_loop().call_later(TIME, writer.transport.abort)
    is_bare = False
    try:
        start = await reader.readexactly(4)
        if is_bare := start.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8")):  # no request of HTTP begins so
            status, (body, kind) = 200, await (await submit(start + await to_end(reader), None))
        else:
            line, _, head = (start + await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
            method, target, _ = line.decode().split(" ")
            status, (body, kind) = await answer(method, urlsplit(target), email.message_from_bytes(head), reader)
    except (Refused, ValueError, EOFError, OSError, asyncio.LimitOverrunError) as error:
        status, words = error.args if isinstance(error, Refused) else (400, f"la petición no se entiende: {error}")
        kind, body = "application/problem+json", json.dumps({"status": status, "detail": words}).encode()
        body = f"ERROR {status} {words}\n".encode() if is_bare else body
    head = f"{status} {http.HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close"
    writer.write(body if is_bare else f"HTTP/1.1 {head}\r\n\r\n".encode() + body)
    with contextlib.suppress(Refused, OSError, asyncio.TimeoutError):  # the client is gone, or goes on sending
        writer.write_eof()
        await asyncio.wait_for(to_end(reader), 2)  # it gets to read an error only if its own bytes are taken
    writer.close()  # what is still to be sent is sent

async def to_end(reader):
    """All bytes up to the end of the input."""
    try:
        await reader.readexactly(BODY)
    except asyncio.IncompleteReadError as end:
        return end.partial
    raise Refused(413, f"el límite son {BODY} bytes")

def listen(ip, port):
    """A socket that listens; at :: it takes IPv4 as well, which asyncio by itself would not let it."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return socket.create_server((ip, port), family=family, backlog=1024, dualstack_ipv6=ip == "::")

async def main(listener):
    crew = [asyncio.create_task(work()) for _ in range(CREW)]  # a task that nothing refers to may vanish
    server, stop = await asyncio.start_server(client, sock=listener, backlog=1024), asyncio.Event()
    for number in signal.SIGINT, signal.SIGTERM:
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host = f"[{options.ip}]" if ":" in options.ip else options.ip
    print(f"Servidor escuchando en http://{host}:{listener.getsockname()[1]}", flush=True)
    await stop.wait()

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Tp2 - procesa imágenes", add_help=False)
    group = parser.add_argument_group("Opciones")
    group.add_argument("-h", "--help", action="help", help="Muestra este mensaje de ayuda y sale")
    group.add_argument("-i", "--ip", required=True, help="Dirección de escucha")
    group.add_argument("-p", "--port", required=True, type=int, help="Puerto de escucha")
    group.add_argument("-e", "--escala", default=0.5, type=float, metavar="FACTOR", help="Factor de escala, si no se pide otro")
    group.add_argument("-s", "--escalador", metavar="HOST:PUERTO", help="Un escalador que ya está en marcha")
    options = parser.parse_args()
    if options.escalador:
        options.escalador = options.escalador.rpartition(":")[::2]
    else:  # forked before there are threads, and before there is a listening socket that it would inherit
        scaler = Scaler(("127.0.0.1", 0), Handler)
        options.escalador = scaler.server_address
        multiprocessing.get_context("fork").Process(target=scaler.serve_forever, daemon=True).start()
        scaler.socket.close()
    try:
        listener = listen(options.ip, options.port)
    except OSError as error:
        sys.exit(f"tp2.py: no se puede escuchar en {options.ip}, puerto {options.port}: {error.strerror or error}")
    asyncio.run(main(listener))
