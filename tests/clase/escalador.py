#!/usr/bin/env python3
"""The second server of the assignment: socketserver, a process for each connection, one job: resize gray pictures.
It speaks the scaler's protocol (protocol.md, sections 1 to 3), and so works behind this folder's tp2.py and the Rust tp2."""
import argparse, contextlib, re, signal, socket, socketserver
from PIL import Image

FACTOR, SIZE = re.compile(r"\d+(\.\d*)?|\.\d+"), re.compile(r"0*([1-9]\d*)x0*([1-9]\d*)")
MODES = {("GRAYSCALE", "1"): "L", ("GRAYSCALE_ALPHA", "2"): "LA"}  # PAM's TUPLTYPE and DEPTH -> Pillow's mode
HEADERS = {"L": "P5\n{} {}\n255\n", "LA": "P7\nWIDTH {}\nHEIGHT {}\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n"}
TIME, LINE, HEADER, SIDE, PIXELS = 30, 512, 4096, 65_535, 100_000_000
Image.MAX_IMAGE_PIXELS = None  # PIXELS is looked at instead, before memory is reserved

class Refused(Exception):
    """A status as in HTTP, and the reason in words."""

class Handler(socketserver.StreamRequestHandler):
    """One connection, in a process of its own."""
    timeout = TIME

    def handle(self):
        self.server.socket.close()  # inherited: a child that kept it would hold the port when its parent has died
        with contextlib.suppress(ConnectionError, TimeoutError):  # the client is gone, or silent for too long
            try:
                while line := self.rfile.readline(LINE + 1):
                    signal.alarm(TIME)  # a job that takes longer ends this process, and nothing else
                    self.reply(line.decode("latin-1"))
                    signal.alarm(0)
            except (Refused, KeyError, ValueError) as error:
                code, reason = error.args if isinstance(error, Refused) else (400, "la petición está mal formada, o se corta")
                self.wfile.write(f"ERROR {code} {reason}\n".encode())
                self.connection.shutdown(socket.SHUT_WR)
                signal.alarm(2)  # a client gets to read the reason only if its own bytes are taken
                while self.rfile.read1(65536):
                    pass

    def reply(self, line):
        """One request, whose first line is here, and its answer."""
        self.steps = iter(range(len(line), HEADER))
        verb, _, wanted = line.partition(" ")
        if verb != "ESCALAR" or not wanted.endswith("\n"):
            raise Refused(400, "la petición debe empezar por «ESCALAR FACTOR» o «ESCALAR ANCHOxALTO»")
        size, factor = SIZE.fullmatch(wanted[:-1]), FACTOR.fullmatch(wanted[:-1])
        if not size and not (factor and 0.001 <= float(wanted) <= 10):
            raise Refused(422, "el factor va de 0.001 a 10; un tamaño es ANCHOxALTO, en píxeles")
        before, mode = self.header()
        after = tuple(map(int, size.groups())) if size else tuple(max(1, int(side * float(wanted))) for side in before)
        if any(max(sides) > SIDE or sides[0] * sides[1] > PIXELS for sides in (before, after)):
            raise Refused(422, f"de {before[0]}x{before[1]} a {after[0]}x{after[1]}: demasiados píxeles")
        image = Image.frombytes(mode, before, self.rfile.read(before[0] * before[1] * len(mode)))  # ValueError: cut off
        image = image if after == before else image.resize(after, Image.Resampling.BICUBIC)
        self.wfile.write(b"OK\n" + HEADERS[mode].format(*after).encode() + image.tobytes())

    def header(self):
        """((columns, rows), "L" or "LA") of the PGM or PAM that follows; what comes next are its samples."""
        magic, fields = self.rfile.read(2), {"TUPLTYPE": "GRAYSCALE", "DEPTH": "1"}
        if magic not in (b"P5", b"P7"):
            raise Refused(415 if len(magic) == 2 else 400, "la imagen no es PGM binaria (P5) ni PAM (P7)")
        names = iter(("WIDTH", "HEIGHT", "MAXVAL", "ENDHDR")) if magic == b"P5" else iter(self.word, None)
        while (name := next(names)) != "ENDHDR":
            fields[name] = self.word()
        numbers = [int(fields[name]) if fields[name].isdecimal() else 0 for name in ("WIDTH", "HEIGHT", "MAXVAL")]
        if 0 in numbers:
            raise ValueError(fields)
        if numbers[2] != 255 or (fields["TUPLTYPE"], fields["DEPTH"]) not in MODES:
            raise Refused(422, "solo se admiten grises de 8 bits (máximo 255), con o sin transparencia")
        return tuple(numbers[:2]), MODES[fields["TUPLTYPE"], fields["DEPTH"]]

    def word(self):
        """The next word of an image's header, with the one white space byte behind it."""
        word, comment = b"", False
        for byte in (self.rfile.read(1) for _ in self.steps):
            comment = byte == b"#" or comment and byte != b"\n"
            if not comment and byte.isspace() and word:
                return word.decode("latin-1")
            if not byte:
                break
            word += b"" if comment or byte.isspace() else byte
        raise ValueError(word)

class Scaler(socketserver.ForkingMixIn, socketserver.TCPServer):
    """ForkingMixIn forks for each connection, and twice a second waits for the children that have ended."""
    allow_reuse_address, request_queue_size, max_children, block_on_close = True, 1024, 64, False

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Escala imágenes grises")
    parser.add_argument("-p", "--port", type=int, default=8889, help="Puerto de escucha")
    options = parser.parse_args()
    with Scaler(("127.0.0.1", options.port), Handler) as server:
        print("Iniciando el servidor de escalado en {}:{}".format(*server.server_address), flush=True)
        server.serve_forever()
