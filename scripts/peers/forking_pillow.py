#!/usr/bin/env python3
"""The obvious peer of tp2-scaler: socketserver.ForkingMixIn and Pillow, speaking the same protocol (protocol.md).

Usage: forking_pillow.py PORT        serves PGM requests on 127.0.0.1 until killed
"""
import socketserver
import sys

from PIL import Image


class Handler(socketserver.StreamRequestHandler):
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self):
        while line := self.rfile.readline():
            target = line.split()[1]
            self.rfile.readline()  # P5
            width, height = map(int, self.rfile.readline().split())
            self.rfile.readline()  # 255
            image = Image.frombytes("L", (width, height), self.rfile.read(width * height))
            if b"x" in target:
                size = tuple(map(int, target.split(b"x")))
            else:
                size = (max(1, int(width * float(target))), max(1, int(height * float(target))))
            image = image.resize(size, Image.BICUBIC)
            self.wfile.write(b"OK\nP5\n%d %d\n255\n" % image.size)
            self.wfile.write(image.tobytes())
            self.wfile.flush()


class Server(socketserver.ForkingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 128
    max_children = 64


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        server.serve_forever()
