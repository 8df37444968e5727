"""HTTP on a bare socket, for clients that are right and for clients that are not."""
import socket
import struct


class Gone(Exception):
    """The connection ended before the answer did."""


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def problem(self):
        """The last word of a problem's type; empty if it is none."""
        mark = b'"urn:tp2:error:'
        return self.body.split(mark, 1)[1].split(b'"', 1)[0].decode() if mark in self.body else ""


class Connection:
    def __init__(self, port, patience=60):
        self.socket = socket.create_connection(("127.0.0.1", port), patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def reset(self):
        """Ends by a reset instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def more(self):
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            raise Gone(self.received[:100])
        self.received += data

    def rest(self):
        """Everything until the server closes."""
        try:
            while True:
                self.more()
        except Gone:
            return self.received

    def answer(self, head_only=False):
        while b"\r\n\r\n" not in self.received:
            self.more()
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        if status < 200:
            return self.answer(head_only)
        length = 0 if head_only or status in (204, 304) else int(fields["content-length"])
        pieces, missing = [self.received[:length]], length - len(self.received)
        self.received = self.received[length:]
        while missing > 0:
            self.more()
            pieces.append(self.received[:missing])
            missing, self.received = missing - len(self.received), self.received[missing:]
        return Answer(status, fields, b"".join(pieces))

    def ask(self, method, target, body=b"", *fields):
        """A request that is right; what the server refuses before it is sent whole is answered all the same."""
        try:
            self.send(request(method, target, body, *fields))
        except ConnectionError:
            pass
        return self.answer(method == "HEAD")


def request(method, target, body=b"", *fields):
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *fields]
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(target, body, size):
    chunks = [body[at:at + size] for at in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + coded + b"0\r\n\r\n"


def form(target, body, fields):
    mark = b"----limite7MA4YWxkTrZu0gW"
    parts = [b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
             % (mark, name.encode(), value.encode()) for name, value in fields]
    parts.append(b'--%s\r\nContent-Disposition: form-data; name="imagen"; filename="a.jpg"\r\n\r\n%s\r\n--%s--\r\n'
                 % (mark, body, mark))
    return request("POST", target, b"".join(parts), "Content-Type: multipart/form-data; boundary=" + mark.decode())
