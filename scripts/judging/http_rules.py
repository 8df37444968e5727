"""The criteria for the whole system, tried from outside: by the port of the first server, and by what /proc shows.

Each one stands alone and leaves the server as it found it. What a server is judged by is the assignment: both families, gray by
Rec. 601 (what Pillow's convert("L") does), a size by the factor, many clients at once, errors, two servers, processes, the bonus.
"""
import contextlib
import socket
import threading
import time
from PIL import Image
from . import pictures, processes, wire
from .report import NotSeen, Rules, Wrong
from .service import BARE, close, id_of

RULES = Rules()
rule = RULES.rule
SLOW, MANY, CUT = 20, 24, 10
# A small picture that waits so many seconds, and this share of the large one's time, has waited for it.
WAIT, SHARE = 0.2, 0.3
MEBI = 1 << 20


def family(service, which):
    address = service.at(which)
    if not service.profile.both_families and address != service.address and not service.other:
        raise NotSeen("el perfil pide una sola, la que se dio")
    service.send(pictures.file(pictures.flat(90), "JPEG"), address=address).image()
    return f"responde en {wire.host_field(address)}"


@rule("sube", 10, "Se sube una imagen y vuelve una imagen", essential=True)
def uploads(service):
    service.discover()
    result = service.send(pictures.file(pictures.scene(), "JPEG"))
    image = result.image()
    service.notes["formato"] = image.format
    return f"{service.way}; respondió {image.format} de {image.width}x{image.height} en {result.seconds * 1000:.0f} ms"


@rule("ipv4", 5, "Atiende por IPv4", essential=True)
def ipv4(service):
    return family(service, socket.AF_INET)


@rule("ipv6", 5, "Atiende por IPv6", essential=True)
def ipv6(service):
    return family(service, socket.AF_INET6)


# --- The picture.


def coloured(service):
    """The patches, as the server turns them gray; sent without loss where it takes that."""
    if "colores" not in service.notes:
        result = service.send(pictures.file(pictures.patches()))
        if result.data is None:
            result = service.send(pictures.file(pictures.patches(), "JPEG"))
        service.notes["colores"] = result.image()
    return service.notes["colores"]


@rule("gris", 5, "El resultado es gris", essential=True)
def is_gray(service):
    image = coloured(service)
    if not pictures.is_gray(image):
        raise Wrong(f"el resultado tiene color (modo {image.mode})")
    return "un canal" if image.mode == "L" else f"gris, en modo {image.mode}"


@rule("gris-601", 8, "El gris es el de Rec. 601, como convert(\"L\")", essential=True)
def rec_601(service):
    image = coloured(service)
    if not pictures.is_gray(image):
        raise NotSeen("el resultado no es gris")
    means = pictures.patch_means(image)
    name, error, error_601 = pictures.gray_of(means)
    if error_601 <= pictures.TOLERANCE:
        return f"el mayor error es {error_601:.1f} de 255, en {len(pictures.COLOURS)} colores"
    known = f"es {name}" if error <= pictures.TOLERANCE else f"tampoco es otro conocido (el más parecido: {name})"
    raise Wrong(f"se aparta hasta {error_601:.0f} de 255; {known}")


@rule("tamano", 8, "El tamaño es el original por el factor", essential=True)
def size(service):
    factor, seen = service.profile.factor, []
    for sides in (350, 418), (101, 67), (640, 427):
        image = service.send(pictures.file(Image.linear_gradient("L").resize(sides), "JPEG")).image()
        wanted = tuple(max(1, int(side * factor)) for side in sides)
        off = max(abs(a - b) for a, b in zip(image.size, wanted))
        text = f"{sides[0]}x{sides[1]} -> {image.width}x{image.height}"
        if off > (0 if service.profile.is_exact else 1):
            raise Wrong(f"{text}, y con el factor {factor} se espera {wanted[0]}x{wanted[1]}")
        seen.append(text + (" (redondea; int() trunca)" if off else ""))
    return "; ".join(seen)


@rule("contenido", 5, "Es la misma imagen: ni girada, ni espejada, ni desordenada", essential=True)
def content(service):
    sent = pictures.scene()
    image = service.send(pictures.file(sent, "JPEG")).image().convert("L")
    expected = sent.convert("L").resize(image.size, Image.Resampling.BICUBIC)
    off = pictures.difference(image, expected)
    turns = {"espejada": Image.Transpose.FLIP_LEFT_RIGHT, "cabeza abajo": Image.Transpose.ROTATE_180,
             "volteada": Image.Transpose.FLIP_TOP_BOTTOM}
    for name, turn in turns.items():
        if pictures.difference(image, expected.transpose(turn)) < off:
            raise Wrong(f"está {name}")
    if off > 6:
        raise Wrong(f"se aparta en promedio {off:.1f} de 255 de lo que hace Pillow")
    return f"diferencia media con Pillow (bicúbica): {off:.2f} de 255"


@rule("formatos", 2, "Recibe JPEG y PNG")
def formats(service):
    seen = []
    for kind in "JPEG", "PNG":
        seen.append(f"{kind} -> {service.send(pictures.file(pictures.scene((96, 64)), kind)).image().format}")
    return ", ".join(seen)


@rule("entera", 5, "Una respuesta grande llega entera a quien lee despacio", essential=True)
def whole(service):
    # More than what the kernel takes from a server in advance, if the answer's format is the sent one's.
    side = int(2400 / service.profile.factor)
    for kind in ("BMP", "PNG"):
        data = pictures.file(pictures.noise((side, side)), kind)
        with wire.connect(service.address, 120, buffer=32768) as stream:
            with contextlib.suppress(ConnectionError):
                stream.sendall(service.message(data))
            result = service.receive(stream, pause=0.001)
        if result.data is not None:
            break
    image = result.image()
    return f"{len(result.data) >> 10} KiB, {image.width}x{image.height}"


# --- Many at once.


def in_threads(functions):
    """Runs them all at once; raises the first that failed."""
    failures = []

    def guarded(function):
        try:
            function()
        except (OSError, Wrong) as error:
            failures.append(error)
    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@rule("muchos", 8, f"{MANY} clientes a la vez, cada uno con lo suyo", essential=True)
def many(service):
    def one(shade):
        def send():
            image = service.send(pictures.file(pictures.flat(shade, (64 + shade, 80)), "JPEG"), time_max=60).image()
            if not close(image, shade):
                raise Wrong("un cliente recibió la imagen de otro")
        return send
    began = time.monotonic()
    in_threads([one(10 + 9 * number) for number in range(MANY)])
    return f"todos bien, en {time.monotonic() - began:.2f} s"


@rule("subida-lenta", 8, f"{SLOW} clientes lentos no detienen a los demás", essential=True)
def slow_upload(service):
    data = pictures.file(pictures.flat(150, (320, 200)), "JPEG")
    message = service.message(data)
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(wire.connect(service.address)) for _ in range(SLOW)]
        for number, stream in enumerate(slow):
            stream.sendall(message[:len(message) * (number + 1) // (SLOW + 2)])
        time.sleep(0.1)
        try:
            result = service.send(pictures.file(pictures.flat(120), "JPEG"), time_max=8)
        except TimeoutError:
            raise Wrong(f"con {SLOW} subidas a medias, otro cliente espera más de 8 s") from None
        result.image()
        # One of them goes on.
        last = slow[-1]
        last.sendall(message[len(message) * SLOW // (SLOW + 2):])
        if not close(service.receive(last).image(), 150):
            raise Wrong("la subida lenta, al terminar, recibió otra imagen")
    return f"otro recibe lo suyo en {result.seconds * 1000:.0f} ms, y la lenta también"


class Large:
    """A large picture that is in work, in a thread of its own."""

    def __init__(self, service, data):
        self.service, self.data = service, data
        self.seconds, self.failure = None, None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            with wire.connect(self.service.address, 120) as stream:
                stream.sendall(self.service.message(self.data))
                if self.service.way.kind == "crudo":
                    stream.shutdown(socket.SHUT_WR)
                began = time.monotonic()
                result = self.service.receive(stream)
                self.seconds = time.monotonic() - began
                result.image()
        except (OSError, Wrong, Image.DecompressionBombError) as error:
            self.failure = error


def beside_large(service, megapixels):
    """Sends small pictures while a large one is in work: seconds of the large one, of the slowest small one, how many small ones."""
    small, slowest, count = pictures.file(pictures.flat(120), "JPEG"), 0.0, 0
    large = Large(service, pictures.large(megapixels))
    large.thread.start()
    # From before it is sent: whenever the server stops to take care of it alone, a small one is on its way.
    while large.thread.is_alive():
        result = service.send(small, time_max=120)
        result.image()
        slowest, count = max(slowest, result.seconds), count + 1
    if large.failure:
        raise large.failure if isinstance(large.failure, Wrong) else Wrong(f"la grande, de {megapixels} MP: {large.failure}")
    return large.seconds, slowest, count


@rule("grande", 10, "Una imagen grande en conversión no bloquea a las demás", essential=True)
def large_picture(service):
    megapixels = 12
    # Large enough that a wait is seen; a second look where there seems to be one, for a machine that is busy.
    seconds, slowest, count = beside_large(service, megapixels)
    while seconds < 0.8 and megapixels < 80:
        megapixels *= 2
        try:
            seconds, slowest, count = beside_large(service, megapixels)
        except Wrong:
            megapixels //= 2  # it has its limits
            break
    service.notes["un segundo"] = max(1, megapixels / max(1, seconds))
    for _ in range(2):
        if slowest < max(WAIT, SHARE * seconds):
            break
        seconds, slowest, count = beside_large(service, megapixels)
    if slowest >= max(WAIT, SHARE * seconds):
        raise Wrong(f"mientras {megapixels} MP se convierten ({seconds:.2f} s), una pequeña espera {slowest:.2f} s")
    return f"mientras {megapixels} MP se convierten ({seconds:.2f} s) salen {count} pequeñas, la más lenta en {slowest * 1000:.0f} ms"


# --- What should not be sent.


@rule("rota", 6, "Una imagen rota recibe un error", essential=True)
def broken(service):
    whole_file = pictures.file(pictures.scene())
    seen = service.refuses(whole_file[:len(whole_file) // 2], "media imagen")
    garbled = bytearray(whole_file)
    garbled[60:len(garbled) - 30] = bytes(len(garbled) - 90)
    service.refuses(bytes(garbled), "una imagen con ceros adentro")
    return seen


@rule("vacia", 4, "Una imagen vacía recibe un error")
def empty(service):
    if service.way.kind == "crudo":
        # Without a byte there is nothing to answer to.
        service.send(b"")
        service.still_works()
        return "sin bytes no hay respuesta, y sigue atendiendo"
    return service.refuses(b"", "una imagen vacía")


@rule("texto", 4, "Un texto en vez de una imagen recibe un error")
def a_text(service):
    return service.refuses(b"esto no es una imagen\n" * 40, "un texto")


@rule("cortadas", 6, "Las conexiones que se cortan no lo detienen", essential=True)
def cut_off(service):
    message = service.message(pictures.file(pictures.scene(), "JPEG"))
    for number in range(CUT):
        stream = wire.connect(service.address)
        stream.sendall(message[:len(message) * number // CUT])
        (wire.cut if number % 2 else socket.socket.close)(stream)
    # One that does not wait for its answer.
    stream = wire.connect(service.address)
    stream.sendall(message)
    wire.cut(stream)
    service.still_works()
    return f"{CUT + 1} conexiones cortadas, y sigue atendiendo"


@rule("enorme", 3, "Lo demasiado grande se rechaza sin leerlo todo")
def huge(service):
    most, taken = 192 * MEBI, 0
    piece = bytes(MEBI)
    with wire.connect(service.address, 20) as stream:
        message = service.message(b"\xff\xd8\xff\xe0")
        if service.way.kind != "crudo":
            length = b"Content-Length: %d\r\n" % (1 << 40)
            head, _, body = message.partition(b"\r\n\r\n")
            kept = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
            message = b"\r\n".join(kept) + b"\r\n" + length + b"\r\n" + body[:-30]
        stream.sendall(message)
        stream.settimeout(3)
        try:
            while taken < most:
                stream.sendall(piece)
                taken += len(piece)
                stream.setblocking(False)
                try:
                    if stream.recv(1) is not None:
                        break  # it has answered, or closed
                except BlockingIOError:
                    pass
                finally:
                    stream.settimeout(3)
        except TimeoutError:
            taken_text = f"dejó de leer a los {taken >> 20} MiB"
        except ConnectionError:
            taken_text = f"cerró a los {taken >> 20} MiB"
        else:
            taken_text = f"respondió a los {taken >> 20} MiB"
            if taken >= most:
                raise Wrong(f"leyó {taken >> 20} MiB sin decir nada: no tiene límite")
    service.still_works()
    return f"{taken_text}, y sigue atendiendo"


@rule("bomba", 3, "Pocos bytes que dicen ser una imagen enorme se rechazan")
def bomb(service):
    result = service.send(pictures.bomb(60000, 60000), time_max=60)
    if result.data is not None:
        raise Wrong("respondió con algo, y eran 3600 millones de píxeles")
    service.still_works()
    if result.seconds > 5:
        raise Wrong(f"tardó {result.seconds:.1f} s en rechazarla: la decodificó")
    return f"«{(result.words or 'cerró la conexión')[:90]}» en {result.seconds * 1000:.0f} ms"


# --- Processes and sockets.


def watched(service):
    """The processes, looked at once while several pictures, and a large one, are in work."""
    if "procesos" not in service.notes:
        if service.at(socket.AF_INET)[0] != "127.0.0.1" and service.address[0] not in ("127.0.0.1", "::1"):
            raise NotSeen("el servidor está en otra máquina")
        megapixels = service.notes.get("un segundo", 4) / 2
        watch = processes.Watch(service.address[1])
        service.notes["descriptores"] = processes.descriptors(watch.front)
        # A process that lives for a moment may not be seen at once.
        for _ in range(3):
            data = pictures.large(megapixels)
            with watch:
                in_threads([lambda: service.send(data, time_max=120).image()] * 4)
            if watch.pairs:
                break
            megapixels *= 1.5
        service.notes["procesos"] = watch
    return service.notes["procesos"]


@rule("dos-servidores", 6, "Son dos servidores, en dos procesos", essential=True)
def two_servers(service):
    watch = watched(service)
    if not watch.seconds:
        raise Wrong(f"el proceso {watch.front} escucha, y no se vio otro que escuche y al que se conecte")
    second, where = next(iter(watch.seconds.items()))
    return f"el primero es el proceso {watch.front}, el segundo el {second} ({where})"


@rule("procesos", 6, "El segundo servidor atiende con procesos propios", essential=True)
def own_processes(service):
    watch = watched(service)
    if not watch.seconds:
        raise NotSeen("no se vio un segundo servidor")
    seen = {child for _, child in watch.pairs}
    if not seen:
        raise Wrong("con cuatro imágenes a la vez no tuvo ningún proceso hijo")
    return f"con cuatro imágenes a la vez se vieron {len(seen)} procesos hijos"


@rule("sin-zombis", 4, "Nadie deja procesos zombis")
def no_zombies(service):
    watch = watched(service)
    everyone = {watch.front, *watch.seconds}
    give_up_at = time.monotonic() + 6
    while (left := processes.zombies(everyone)) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    if left:
        raise Wrong(f"6 s después siguen {len(left)} zombis: nadie hizo wait() por ellos")
    return "no queda ninguno"


@rule("descriptores", 3, "Los descriptores se devuelven")
def descriptors(service):
    watch, before = watched(service), service.notes["descriptores"]
    in_threads([lambda: service.send(pictures.file(pictures.flat(120), "JPEG")).image()] * 30)
    give_up_at = time.monotonic() + 6
    while (now := processes.descriptors(watch.front)) > before + 10 and time.monotonic() < give_up_at:
        time.sleep(0.1)
    if now > before + 10:
        raise Wrong(f"antes tenía {before} abiertos, y después de 34 imágenes {now}")
    return f"{before} antes, {now} después de 34 imágenes"


# --- More than one way, and the bonus.


@rule("sin-http", 3, "La imagen sola, sin HTTP, en el mismo puerto (nc)")
def bare(service):
    if not service.profile.bare_too:
        raise NotSeen("el perfil no lo pide")
    image = service.send(pictures.file(pictures.flat(77), "JPEG"), BARE).image()
    if not close(image, 77):
        raise Wrong("la imagen salió mal")
    return f"{image.format} de {image.width}x{image.height}"


def task(service):
    """A task that has been handed in: its id, and how long the answer took."""
    if "tarea" not in service.notes:
        if service.way.kind == "crudo":
            raise NotSeen("sin HTTP no hay tareas")
        began = time.monotonic()
        with wire.connect(service.address) as stream:
            stream.sendall(service.message(pictures.file(pictures.flat(44), "JPEG"), path=service.profile.tasks))
            answer = wire.read_http(stream)
        found = answer and answer.status in (200, 201, 202) and id_of(answer)
        if not found or "image/" in answer.fields.get("content-type", ""):
            text = f"POST {service.profile.tasks}: {answer.status if answer else 'sin respuesta'}"
            if service.profile.needs_tasks:
                raise Wrong(f"{text}, sin un id")
            raise NotSeen(f"{text}, sin un id (--tareas RUTA)")
        service.notes["tarea"] = found, answer.status, time.monotonic() - began
    return service.notes["tarea"]


@rule("tarea-id", 4, "Bonus: la respuesta inmediata es un id")
def task_id(service):
    found, status, seconds = task(service)
    return f"{status}, id {found}, en {seconds * 1000:.0f} ms"


@rule("tarea-estado", 4, "Bonus: se puede preguntar por su estado")
def task_state(service):
    found, _, _ = task(service)
    path = service.profile.state.format(found)
    answer = service.get(path)
    if answer.status != 200 or not answer.body:
        raise Wrong(f"GET {path}: {answer.status}")
    unknown = service.get(service.profile.state.format("00000000-0000-4000-8000-000000000000"))
    if unknown.status != 404:
        raise Wrong(f"por un id que no dio a nadie responde {unknown.status}, y no 404")
    return f"«{answer.body[:100].decode('utf-8', 'replace')}»; un id desconocido: 404"


@rule("tarea-imagen", 4, "Bonus: y después bajar la imagen")
def task_result(service):
    found, _, _ = task(service)
    status, data = service.finished(found)
    if status != 200:
        raise Wrong(f"GET {service.profile.result.format(found)}: {status}")
    if not close(pictures.opened(data), 44):
        raise Wrong("la imagen de la tarea salió mal")
    return f"{len(data)} bytes"


@rule("sigue", 5, "Al final sigue en su puerto, y responde lo mismo", essential=True)
def still_there(service):
    service.still_works()
    image = service.send(pictures.file(pictures.scene(), "JPEG")).image()
    return f"{image.format} de {image.width}x{image.height}"
