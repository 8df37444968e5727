"""Bare sockets and HTTP/1.1 by hand: what a judge needs, and a library would hide: where an answer ends, and how slowly it is read."""
import socket
import time

TIME = 30


class Answer:
    """What came back: `status` (None without HTTP), `fields` (names in lower case), `body`, and whether it is `complete`."""

    def __init__(self, status, fields, body, complete):
        self.status, self.fields, self.body, self.complete = status, fields, body, complete


def connect(address, time_max=TIME, buffer=None):
    """A connection to (host, port); `buffer` keeps what the kernel holds for a slow reader small."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    stream = socket.socket(family, socket.SOCK_STREAM)
    try:
        stream.settimeout(time_max)
        if buffer:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.connect(address)
    except OSError:
        stream.close()
        raise
    return stream


def cut(stream):
    """Ends a connection without ceremony: the peer gets RST."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    stream.close()


def host_field(address):
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


def request(address, method, path, body=b"", kind=None, length=None):
    """A request of HTTP/1.1 that asks for the connection to be closed."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host_field(address)}\r\nConnection: close\r\n"
    if kind:
        head += f"Content-Type: {kind}\r\n"
    if method != "GET":
        head += f"Content-Length: {len(body) if length is None else length}\r\n"
    return head.encode() + b"\r\n" + body


def form(field, name, data):
    """(body, media type) of a form with one file."""
    body = (f'--frontera-del-juez\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n").encode() + data + b"\r\n--frontera-del-juez--\r\n"
    return body, "multipart/form-data; boundary=frontera-del-juez"


def read_all(stream, pause=0.0, piece=65536):
    """Everything up to the peer's end, or up to where the connection broke: (bytes, whether it ended in order)."""
    data = bytearray()
    while True:
        try:
            got = stream.recv(piece)
        except ConnectionError:
            return bytes(data), False
        if not got:
            return bytes(data), True
        data += got
        if pause:
            time.sleep(pause)


def read_http(stream, pause=0.0, piece=65536):
    """One answer of HTTP; None if there is none."""
    data, more = bytearray(), True

    def receive():
        nonlocal more
        try:
            got = stream.recv(piece) if more else b""
        except ConnectionError:
            got = b""
        more = bool(got)
        data.extend(got)
        if pause and got:
            time.sleep(pause)
        return more
    while True:
        while b"\r\n\r\n" not in data and receive():
            pass
        head, found, _ = bytes(data).partition(b"\r\n\r\n")
        if not found or not head.startswith(b"HTTP/"):
            return None
        status = int(head[9:12]) if head[9:12].isdigit() else 0
        del data[:len(head) + 4]
        if status not in (100, 102, 103):
            break
    lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:]]
    fields = {name.strip().lower(): value.strip() for name, _, value in lines}
    if "chunked" in fields.get("transfer-encoding", ""):
        body, complete = read_chunks(data, receive)
    elif fields.get("content-length", "").isdigit():
        length = int(fields["content-length"])
        while len(data) < length and receive():
            pass
        body, complete = bytes(data[:length]), len(data) >= length
    else:
        while receive():
            pass
        body, complete = bytes(data), True
    return Answer(status, fields, body, complete)


def read_chunks(data, receive):
    """A chunked body (RFC 9112, 7.1), of which the beginning is in `data`: (bytes, whether its last chunk came)."""
    body = bytearray()
    while True:
        while b"\r\n" not in data:
            if not receive():
                return bytes(body), False
        line, _, _ = bytes(data).partition(b"\r\n")
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            return bytes(body), False
        end = len(line) + 2 + size + 2
        while len(data) < end and size:
            if not receive():
                return bytes(body), False
        if not size:
            return bytes(body), True
        body += data[len(line) + 2:end - 2]
        del data[:end]
