"""What bad clients do. What they get does not matter, as long as nobody else notices."""
import time

from .wire import Connection, request


class BadDeeds:
    """Of a `Traffic`, whose port and pictures they use."""

    def cancelled(self, chance):
        """An upload that ends in the middle, or before its answer."""
        case = chance.choice(self.few + self.big[:2])
        data = request("POST", chance.choice(["/", "/tareas", "/enlaces"]) + case.target[1:], case.body)
        with Connection(self.port) as connection:
            connection.send(data[:chance.randint(0, len(data))])
            if chance.random() < 0.5:
                connection.reset()

    def garbage(self, chance):
        with Connection(self.port, 5) as connection:
            connection.send(chance.choice([b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01", b"\xff\xd8\xff", b"BM", b"P5 "])
                            + chance.randbytes(chance.randint(1, 30_000)))
            connection.half_close()
            connection.rest()

    def reads_nothing(self, chance):
        """Asks on and on, and takes no answer."""
        with Connection(self.port) as connection:
            connection.socket.setblocking(False)
            give_up_at = time.monotonic() + 2
            while time.monotonic() < give_up_at:
                try:
                    connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
                except BlockingIOError:
                    time.sleep(0.05)

    def drips(self, chance):
        """A head or a body that never comes to an end, until the server has had enough."""
        with Connection(self.port) as connection:
            connection.send(chance.choice([b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n"]))
            for _ in range(30):
                connection.send(b"a")
                if self.over.wait(0.5) or not self.running.is_set():
                    return

    def holds(self, chance):
        """Connections that say nothing."""
        connections = [Connection(self.port) for _ in range(40)]
        self.over.wait(0.5)
        for connection in connections:
            connection.reset() if chance.random() < 0.5 else connection.socket.close()

    def floods(self, chance):
        with Connection(self.port, 5) as connection:
            connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\nffff\r\n"
                            + b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n" * 1300)
            connection.rest()


BAD = [(BadDeeds.cancelled, 10), (BadDeeds.garbage, 10), (BadDeeds.reads_nothing, 3), (BadDeeds.drips, 4),
       (BadDeeds.holds, 3), (BadDeeds.floods, 4)]
