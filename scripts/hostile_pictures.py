#!/usr/bin/env python3
"""Small pictures that cost a decoder far more than they should: each is a few bytes to a megabyte, and held a decoder for
seconds, minutes or hours, or took gigabytes, before the work for a picture was bounded. Standard library only.

    scripts/hostile_pictures.py FOLDER

`scripts/hostil` sends them. `make` writes them to a folder and gives the megapixels of each, by which the cost is judged.
"""
import struct
import sys
import zlib
from pathlib import Path

SHORT, LONG, BYTE = 3, 4, 1


class Folder:
    """Where the pictures go, and how many megapixels each has."""

    def __init__(self, path):
        self.path, self.megapixels = Path(path), {}
        self.path.mkdir(parents=True, exist_ok=True)

    def write(self, name, width, height, data):
        (self.path / name).write_bytes(data)
        self.megapixels[name] = width * height / 1e6


class BitsUp:
    """Bits from the lowest of each byte up, as VP8L and GIF have them."""

    def __init__(self):
        self.out, self.value, self.count = bytearray(), 0, 0

    def put(self, width, value):
        self.value |= value << self.count
        self.count += width
        while self.count >= 8:
            self.out.append(self.value & 255)
            self.value >>= 8
            self.count -= 8


def webp_transforms(folder, name, width, height, size, kind=0):
    """VP8L whose transforms repeat; each has an inner picture whose codes take no bits."""
    bits = BitsUp()
    for _ in range(size * 8 // 27):
        bits.put(1, 1), bits.put(2, kind)
        bits.put(3, 0) if kind < 2 else bits.put(8, 255)
        bits.put(1, 0)
        for _ in range(5):
            bits.put(4, 0b0001)
    for _ in range(3):
        bits.put(1, 0)
    for _ in range(5):
        bits.put(4, 0b0001)
    bits.put(7, 0)
    body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(bits.out) + b"\0\0"
    body += b"\0" * (len(body) % 2)
    riff = b"WEBPVP8L" + struct.pack("<I", len(body)) + body
    folder.write(name, width, height, b"RIFF" + struct.pack("<I", len(riff)) + riff)


def tiff(folder, name, entries, blobs):
    """`entries`: (tag, type, count, value), where a value may be ("at", index of a blob)."""
    data, at = bytearray(b"II*\0\0\0\0\0"), []
    for blob in blobs:
        at.append(len(data))
        data += blob + b"\0" * (len(blob) % 2)
    directory = len(data)
    data += struct.pack("<H", len(entries))
    for tag, kind, count, value in sorted(entries):
        data += struct.pack("<HHII", tag, kind, count, at[value[1]] if isinstance(value, tuple) else value)
    data += bytes(4)
    data[4:8] = struct.pack("<I", directory)
    sides = {tag: value for tag, _, _, value in entries if tag in (256, 257)}
    folder.write(name, sides[256], sides[257], bytes(data))


def fax_tile(folder, name, width, height, tile_width, tile_height):
    """Tiles far larger than the picture, of white rows at one bit each."""
    data = b"\xff" * ((tile_height + 7) // 8 + 8)
    count = -(-width // tile_width) * -(-height // tile_height)
    offsets = [(324, LONG, 1, ("at", 0))] if count == 1 else [(324, BYTE, count, ("at", 1))]
    tiff(folder, name, [(256, LONG, 1, width), (257, LONG, 1, height), (258, SHORT, 1, 1), (259, SHORT, 1, 4), (262, SHORT, 1, 0),
                (277, SHORT, 1, 1), (322, LONG, 1, tile_width), (323, LONG, 1, tile_height), *offsets,
                (325, LONG, 1, len(data))], [data, bytes([8]) * count])


def deflate_planes(folder, name, planes, tile_width, tile_height):
    """A picture of one pixel in tiles of many planes that all lie at one place."""
    row = bytes(tile_width * 4)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(tile_height)) + packer.flush()
    tiff(folder, name, [(256, LONG, 1, 1), (257, LONG, 1, 1), (258, SHORT, 1, 32), (259, SHORT, 1, 8), (262, SHORT, 1, 1),
                (277, SHORT, 1, planes), (284, SHORT, 1, 2), (317, SHORT, 1, 2), (322, LONG, 1, tile_width),
                (323, LONG, 1, tile_height), (324, LONG, planes, ("at", 1)), (325, LONG, planes, ("at", 2))],
         [data, struct.pack(f"<{planes}I", *[8] * planes), struct.pack(f"<{planes}I", *[len(data)] * planes)])


def shared_strips(folder, name, width, height, samples=32):
    """Every strip has the same bytes."""
    data = zlib.compress(bytes(width * samples * 4), 9)
    tiff(folder, name, [(256, LONG, 1, width), (257, LONG, 1, height), (258, SHORT, 1, 32), (259, SHORT, 1, 8), (262, SHORT, 1, 1),
                (277, SHORT, 1, samples), (278, LONG, 1, 1), (317, SHORT, 1, 2), (273, BYTE, height, ("at", 1)),
                (279, LONG, 1, len(data))], [data, bytes([8]) * height])


def jpeg_tiles(folder, name, side, stray):
    """A tile for each pixel, all the same JPEG, with stray bytes to be walked over in its head."""
    jpeg = bytearray(b"\xff\xd8")
    while stray > 0:
        step = min(stray, 65_000)
        jpeg += b"\x01" * step + b"\xff\xfe\x00\x02"
        stray -= step
    jpeg += b"\xff\xdb\x00\x43\x00" + bytes([1] * 64) + b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"
    for table in (0x00, 0x10):
        jpeg += b"\xff\xc4\x00\x14" + bytes([table, 1] + [0] * 15) + b"\x00"
    jpeg += b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x3f\xff\xd9"
    count = side * side
    tiff(folder, name, [(256, LONG, 1, side), (257, LONG, 1, side), (258, SHORT, 1, 8), (259, SHORT, 1, 7), (262, SHORT, 1, 1),
                (277, SHORT, 1, 1), (322, LONG, 1, 1), (323, LONG, 1, 1), (324, BYTE, count, ("at", 1)),
                (325, LONG, 1, len(jpeg))], [bytes(jpeg), bytes([8]) * count])


def progressive(folder, name, side, scans):
    """A progressive JPEG of nothing but zeros, refined again and again."""
    blocks = (side // 8) ** 2
    runs, value, count = bytearray(), 0, 0

    def put(width, bits):
        nonlocal value, count
        value, count = value << width | bits, count + width
        while count >= 8:
            byte = value >> (count - 8) & 255
            runs.append(byte)
            if byte == 255:
                runs.append(0)
            count -= 8
            value &= (1 << count) - 1

    left = blocks
    while left >= 16384:
        step = min(left, 32767)
        put(1, 0), put(14, step - 16384)
        left -= step
    for _ in range(left):
        put(2, 0b10)
    put(7, 127)
    data = bytearray(b"\xff\xd8\xff\xdb\x00\x43\x00" + bytes([1] * 64))
    data += b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, side, side, 1) + b"\x01\x11\x00"
    data += b"\xff\xc4\x00\x14\x00" + bytes([1] + [0] * 15) + b"\x00"
    data += b"\xff\xc4\x00\x15\x10" + bytes([1, 1] + [0] * 14) + b"\xe0\x00"
    data += b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00" + bytes(blocks // 8 + 1)
    for scan in range(scans - 1):
        data += b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f" + bytes([0x10 if scan else 0x01]) + runs
    folder.write(name, side, side, bytes(data + b"\xff\xd9"))


def png_rows(folder, name, side):
    """16-bit RGBA, every row filtered by Paeth."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(b"\x04" + bytes(side * 8)) for _ in range(side)) + packer.flush()
    folder.write(name, side, side, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0)) + chunk(b"IDAT", rows)
          + chunk(b"IEND", b""))


def make(path):
    """Writes them all. Returns the megapixels of each by its name."""
    folder = Folder(path)
    webp_transforms(folder, "webp_plain_100MP.webp", 16383, 6103, 0)
    webp_transforms(folder, "webp_transforms_1KB.webp", 16383, 6103, 1_000)
    webp_transforms(folder, "webp_transforms_small_100KB.webp", 1024, 1024, 100_000)
    webp_transforms(folder, "webp_palettes_100KB.webp", 1024, 1024, 100_000, kind=3)
    webp_transforms(folder, "webp_transforms_1MB.webp", 16383, 6103, 1_000_000)
    fax_tile(folder, "tiff_fax_tile.tif", 1, 1, 65_520, 65_520)
    fax_tile(folder, "tiff_fax_narrow.tif", 6_000, 1, 1, 65_520)
    deflate_planes(folder, "tiff_planes.tif", 32, 16_000, 1_000)
    shared_strips(folder, "tiff_shared_strips_100MP.tif", 50_000, 2_000)
    jpeg_tiles(folder, "tiff_jpeg_tiles_100.tif", 100, 100_000)
    jpeg_tiles(folder, "tiff_jpeg_tiles_316.tif", 316, 100_000)
    progressive(folder, "jpeg_99_scans_64MP.jpg", 8_000, 99)
    png_rows(folder, "png_rgba16_100MP.png", 10_000)
    return folder.megapixels


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, megapixels in make(sys.argv[1]).items():
        print(f"{(Path(sys.argv[1]) / name).stat().st_size:9} bytes {megapixels:6.1f} MP  {name}")
