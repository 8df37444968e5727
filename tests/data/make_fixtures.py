#!/usr/bin/env python3
"""Writes the small pictures in tests/data/pixels and their index. Needs Pillow 13, cjpeg and jpegtran; run from anywhere.

Good ones in every format and variant that is read, odd ones, and broken ones: cut short, damaged, or bombs. What Pillow
does not write (16-bit colour, interlacing, tiles, planes, run lengths, wrong headers) is put together here byte by byte;
rare samplings of JPEG are cjpeg's and jpegtran's (libjpeg-turbo).

index.tsv has a line a picture: name; verdict (`picture`, `undecodable`, `too_many`); upright width and height; tolerance;
then Pillow's gray and its alpha (or `-`) at an 8x8 grid, in hexadecimal. So the tests need no Pillow.
"""
import struct
import subprocess
import zlib
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageSequence

import oracle

HERE = Path(__file__).parent
OUT = HERE / "pixels"
WIDTH, HEIGHT = 61, 43
entries = []


def put(name, data, verdict="picture", like=None):
    """like: another picture of the same pixels, for what Pillow does not read."""
    (OUT / name).write_bytes(data)
    entries.append((name, verdict, like or name))


def save(image, name, format, verdict="picture", **options):
    out = BytesIO()
    image.save(out, format, **options)
    put(name, out.getvalue(), verdict)
    return out.getvalue()


def broken(name, data, verdict="undecodable"):
    put(name, data, verdict)


# The subject: a part of a photograph, with odd sides; an alpha channel that runs from one side to the other.
photo = Image.open(HERE / "fotos" / "chelsea.png").convert("RGB").crop((120, 60, 120 + WIDTH, 60 + HEIGHT))
gray = photo.convert("L")
ramp = Image.linear_gradient("L").rotate(90).resize((WIDTH, HEIGHT))
rgba = photo.copy()
rgba.putalpha(ramp)
la = gray.copy()
la.putalpha(ramp)
cmyk = photo.convert("CMYK")
palette = photo.quantize(64)
few = photo.quantize(16)
bilevel = gray.convert("1")
gray16 = [v * 257 + (i * 7919) % 250 - 125 if 0 < v < 255 else v * 257 for i, v in enumerate(gray.tobytes())]


def stored_for(image, orientation):
    """The picture as a camera held so would store it."""
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # FLIP_LEFT_RIGHT, ROTATE_180, …
    return image if orientation == 1 else image.transpose(Image.Transpose(undo[orientation]))


def exif(orientation):
    tags = Image.Exif()
    tags[274] = orientation
    return tags.tobytes()


def exif_of_type(kind, value):
    """EXIF with that orientation in another type of integer than it should have."""
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIi", 274, kind, 1, value) + bytes(4)


def xmp(orientation):
    return b'<x:xmpmeta><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>' % orientation


# ---------------------------------------------------------------- JPEG
def turbo(data, *command):
    """What a program of libjpeg-turbo makes of it."""
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def jpegs():
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        save(photo, f"jpeg_{name}.jpg", "JPEG", quality=90, subsampling=sampling)
        save(photo, f"jpeg_{name}_progressive.jpg", "JPEG", quality=90, subsampling=sampling, progressive=True)
    save(gray, "jpeg_gray.jpg", "JPEG", quality=90)
    save(gray, "jpeg_gray_progressive.jpg", "JPEG", quality=90, progressive=True)
    save(photo, "jpeg_restart.jpg", "JPEG", quality=90, restart_marker_blocks=2)
    named = save(photo, "jpeg_rgb.jpg", "JPEG", quality=90, keep_rgb=True)
    # The components' names are gone, Adobe's transform 0 still says RGB.
    sof, sos = named.index(b"\xff\xc0") + 10, named.index(b"\xff\xda") + 5
    numbered = bytearray(named)
    for i in range(3):
        numbered[sof + 3 * i] = numbered[sos + 2 * i] = i + 1
    assert b"Adobe" in named
    put("jpeg_adobe_rgb.jpg", bytes(numbered))
    save(photo.crop((0, 0, 1, 1)), "jpeg_1x1.jpg", "JPEG")
    save(photo.resize((5, 200)), "jpeg_5x200.jpg", "JPEG", quality=80)
    save(photo.resize((200, 7)), "jpeg_200x7.jpg", "JPEG", quality=80)
    inks = save(cmyk, "jpeg_cmyk.jpg", "JPEG", quality=90)
    save(cmyk, "jpeg_cmyk_progressive.jpg", "JPEG", quality=90, progressive=True)
    at = inks.index(b"Adobe") + 11
    put("jpeg_ycck.jpg", inks[:at] + b"\2" + inks[at + 1:])
    app14 = inks.index(b"\xff\xee")
    put("jpeg_cmyk_plain.jpg", inks[:app14] + inks[app14 + 16:])
    for orientation in range(1, 9):
        save(stored_for(photo, orientation), f"jpeg_exif_{orientation}.jpg", "JPEG", quality=92, exif=exif(orientation))
    save(photo, "jpeg_exif_9.jpg", "JPEG", quality=90, exif=exif(9))
    save(stored_for(photo, 6), "jpeg_exif_slong.jpg", "JPEG", quality=92, exif=exif_of_type(9, 6))
    save(stored_for(photo, 8), "jpeg_xmp_8.jpg", "JPEG", quality=92, xmp=xmp(8))
    cut = exif(6)[:20]
    save(photo, "jpeg_exif_cut.jpg", "JPEG", quality=90, exif=cut)
    whole = save(photo, "jpeg_icc.jpg", "JPEG", quality=90, icc_profile=bytes(200_0))
    put("jpeg_trailing.jpg", whole + bytes(3000))
    stuffing = b"".join(b"\xff\xfe\0\x03." for _ in range(300))
    put("jpeg_300_comments.jpg", whole[:2] + stuffing + whole[2:])
    # One component in a scan is never interleaved, so its sampling factors mean nothing (T.81 A.2.2).
    alone = (OUT / "jpeg_gray.jpg").read_bytes()
    sof = alone.index(b"\xff\xc0")
    put("jpeg_gray_2x2.jpg", alone[:sof + 11] + b"\x22" + alone[sof + 12:])

    for name in ("422", "422_progressive"):
        stored = (OUT / f"jpeg_{name}.jpg").read_bytes()
        put(f"jpeg_{name}_rotated.jpg", turbo(stored, "jpegtran", "-rotate", "90"))
        put(f"jpeg_{name}_rotated_progressive.jpg", turbo(stored, "jpegtran", "-rotate", "90", "-progressive"))
    ppm = BytesIO()
    photo.save(ppm, "PPM")
    for name, sampling in (("chroma_2x1", "1x1,2x1,2x1"), ("chroma_2x2", "1x1,2x2,2x2"), ("3x1", "3x1,1x1,1x1"),
                           ("3x2", "3x2,1x1,1x1"), ("1x2_all", "1x2,1x2,1x2")):
        coded = turbo(ppm.getvalue(), "cjpeg", "-quality", "90", "-sample", sampling)
        put(f"jpeg_{name}.jpg", coded)
        put(f"jpeg_{name}_progressive.jpg", turbo(coded, "jpegtran", "-progressive"))
    at = whole.index(b"\xff\xdb")
    put("jpeg_stray.jpg", whole[:at] + b"bytes too many" + b"\xff\0" + whole[at:])
    sof, sos = whole.index(b"\xff\xc0") + 10, whole.index(b"\xff\xda") + 5
    same = bytearray(whole)
    for i in range(3):
        same[sof + 3 * i] = same[sos + 2 * i] = 1
    put("jpeg_equal_ids.jpg", bytes(same), like="jpeg_icc.jpg")
    put("jpeg_fill.jpg", whole[:-2] + bytes(9) + whole[-2:])
    put("jpeg_no_scan_parameters.jpg", whole[:sos + 6] + bytes(3) + whole[sos + 9:])
    for name in ("420", "420_progressive"):
        data = (OUT / f"jpeg_{name}.jpg").read_bytes()
        put(f"jpeg_{name}_no_end.jpg", data[:-2], like=f"jpeg_{name}.jpg")
        broken(f"jpeg_{name}_cut_end.jpg", data[:-42] + data[-2:])
        broken(f"jpeg_{name}_left_over.jpg", data[:-2] + b"left over" + data[-2:])
    broken("jpeg_scan_parameters.jpg", whole[:sos + 6] + b"\0\x2a\xb8" + whole[sos + 9:])

    broken("jpeg_too_many_comments.jpg", whole[:2] + stuffing * 10 + whole[2:])
    sof = whole.index(b"\xff\xc0")
    broken("jpeg_arithmetic.jpg", whole[:sof] + b"\xff\xc9" + whole[sof + 2:])
    broken("jpeg_lossless.jpg", whole[:sof] + b"\xff\xc3" + whole[sof + 2:])
    broken("jpeg_12_bits.jpg", whole[:sof + 4] + b"\x0c" + whole[sof + 5:])
    broken("jpeg_zero.jpg", whole[:sof + 5] + bytes(4) + whole[sof + 9:])
    broken("jpeg_bomb.jpg", whole[:sof + 5] + b"\xff\xdc" * 2 + whole[sof + 9:], "too_many")
    broken("jpeg_sampling.jpg", whole[:sof + 11] + b"\xf0" + whole[sof + 12:])
    broken("jpeg_two_components.jpg", whole[:sof + 9] + b"\2" + whole[sof + 10:])
    broken("jpeg_cut.jpg", whole[:-400])
    broken("jpeg_cut_header.jpg", whole[:sof + 6])
    broken("jpeg_only_soi.jpg", whole[:4])
    progressive = (OUT / "jpeg_420_progressive.jpg").read_bytes()
    broken("jpeg_cut_progressive.jpg", progressive[:len(progressive) // 2])
    tables = whole.index(b"\xff\xc4")
    length = struct.unpack(">H", whole[tables + 2:tables + 4])[0]
    # A table that is missing is the standard one (T.81 K.3), which is the one that was there.
    put("jpeg_no_tables.jpg", whole[:tables] + whole[tables + 2 + length:], like="jpeg_icc.jpg")


# ---------------------------------------------------------------- PNG
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, color, pixels, interlaced=False, extra=b"", width=WIDTH, height=HEIGHT):
    """pixels: a tuple of samples each."""
    def pack(row):
        bits = "".join(format(sample, f"0{depth}b") for pixel in row for sample in pixel)
        bits += "0" * (-len(bits) % 8)
        return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))

    data = b""
    for left, top, right, down in PASSES if interlaced else ((0, 0, 1, 1),):
        for y in range(top, height, down):
            row = pixels[y * width + left:(y + 1) * width:right]
            if row:
                data += b"\0" + pack(row)
    ihdr = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + extra + chunk(b"IDAT", zlib.compress(data, 9))
            + chunk(b"IEND", b""))


def pngs():
    save(bilevel, "png_gray_1.png", "PNG")
    save(gray, "png_gray.png", "PNG")
    save(la, "png_gray_alpha.png", "PNG")
    save(photo, "png_rgb.png", "PNG")
    save(rgba, "png_rgba.png", "PNG")
    opaque = photo.convert("RGBA")
    save(opaque, "png_rgba_opaque.png", "PNG")
    save(palette, "png_palette.png", "PNG")
    save(few, "png_palette_4.png", "PNG", bits=4)
    save(palette, "png_palette_one_transparent.png", "PNG", transparency=palette.getpixel((5, 5)))
    save(palette, "png_palette_trns.png", "PNG", transparency=bytes(range(0, 256, 4)))
    save(gray, "png_gray_trns.png", "PNG", transparency=gray.getpixel((5, 5)))
    save(photo, "png_rgb_trns.png", "PNG", transparency=photo.getpixel((5, 5)))
    samples = list(gray.tobytes())
    for depth in (2, 4):
        put(f"png_gray_{depth}.png", png(depth, 0, [(v >> (8 - depth),) for v in samples]))
    put("png_gray_16.png", png(16, 0, [(v,) for v in gray16]))
    wide = [tuple(v * 257 for v in photo.getpixel((i % WIDTH, i // WIDTH))) for i in range(WIDTH * HEIGHT)]
    alpha = [v * 257 for v in ramp.tobytes()]
    put("png_rgb_16.png", png(16, 2, wide))
    put("png_rgba_16.png", png(16, 6, [p + (a,) for p, a in zip(wide, alpha)]))
    put("png_gray_alpha_16.png", png(16, 4, list(zip(gray16, alpha))))
    rgb = [photo.getpixel((i % WIDTH, i // WIDTH)) for i in range(WIDTH * HEIGHT)]
    put("png_interlaced_gray.png", png(8, 0, [(v,) for v in samples], True))
    put("png_interlaced_gray_1.png", png(1, 0, [(v >> 7,) for v in samples], True))
    put("png_interlaced_rgb.png", png(8, 2, rgb, True))
    put("png_interlaced_rgba.png", png(8, 6, [rgba.getpixel((i % WIDTH, i // WIDTH)) for i in range(WIDTH * HEIGHT)], True))
    put("png_interlaced_3x2.png", png(8, 2, rgb[:6], True, width=3, height=2))
    for orientation in range(1, 9):
        save(stored_for(rgba, orientation), f"png_exif_{orientation}.png", "PNG", exif=exif(orientation))
    frames = [photo, photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    whole = save(frames[0], "png_animated.png", "PNG", save_all=True, append_images=frames[1:])
    plain = (OUT / "png_rgb.png").read_bytes()
    idat = plain.index(b"IDAT") - 4
    after = plain[:-12] + chunk(b"eXIf", exif(3)[6:]) + plain[-12:]
    put("png_exif_after_data.png", after)

    turned = stored_for(rgba, 6)
    save(turned, "png_exif_slong.png", "PNG", exif=exif_of_type(9, 6))
    stored = save(turned, "png_stored_6.png", "PNG")
    profile = exif_of_type(3, 6)
    profile = b"\nexif\n%8d\n%s\n" % (len(profile), profile.hex().encode())
    profile = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))
    put("png_raw_profile_6.png", stored[:33] + profile + stored[33:])
    packet = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6))
    put("png_xmp_6.png", stored[:-12] + packet + stored[-12:])
    put("png_data_checksum.png", plain[:-16] + b"????" + plain[-12:])
    put("png_no_end.png", plain[:-12])
    put("png_text_checksum.png", plain[:33] + chunk(b"tEXt", b"Title\0x")[:-4] + b"????" + plain[33:], like="png_rgb.png")
    broken("png_both_checksums.png", plain[:-20] + b"????????" + plain[-12:])
    broken("png_header_checksum.png", plain[:29] + b"????" + plain[33:])
    broken("png_apple.png", plain[:8] + chunk(b"CgBI", b"\x50\0\x20\6") + plain[8:])
    indexed = (OUT / "png_palette.png").read_bytes()
    at = indexed.index(b"PLTE")
    colors = indexed[at + 4:at + 4 + 64 * 3]
    broken("png_palette_length.png", indexed[:at - 4] + chunk(b"PLTE", colors[:-2]) + indexed[at + 8 + 64 * 3:])
    broken("png_rows_missing.png", png(8, 2, [photo.getpixel((i % WIDTH, i // WIDTH)) for i in range(WIDTH * 20)]))
    broken("png_cut.png", plain[:-300])
    broken("png_cut_header.png", plain[:20])
    broken("png_only_signature.png", plain[:8])
    broken("png_no_data.png", plain[:idat] + chunk(b"IEND", b""))
    broken("png_bad_data.png", plain[:idat + 60] + bytes(40) + plain[idat + 100:])
    broken("png_bad_color.png", plain[:24] + b"\x08\x05" + plain[26:])
    broken("png_no_palette.png", png(8, 3, [(0,)] * (WIDTH * HEIGHT)))
    bomb = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    broken("png_bomb.png", plain[:8] + chunk(b"IHDR", bomb) + chunk(b"IDAT", zlib.compress(bytes(10))), "too_many")
    zero = struct.pack(">IIBBBBB", 0, 10, 8, 0, 0, 0, 0)
    broken("png_zero.png", plain[:8] + chunk(b"IHDR", zero) + plain[33:])


# ---------------------------------------------------------------- GIF
def gifs():
    plain = save(palette, "gif_palette.gif", "GIF", interlace=0)
    save(palette, "gif_interlaced.gif", "GIF", interlace=1)
    save(gray, "gif_gray.gif", "GIF")
    save(bilevel, "gif_bilevel.gif", "GIF")
    save(palette, "gif_transparent.gif", "GIF", transparency=palette.getpixel((5, 5)))
    save(few, "gif_comment.gif", "GIF", comment=b"x" * 700)
    turned = palette.transpose(Image.Transpose.ROTATE_180)
    save(palette, "gif_animated.gif", "GIF", save_all=True, append_images=[turned], duration=100, loop=0)
    # One 8x8 frame without a colour table: the index is the gray.
    table = plain[10] & 7
    assert table == 5
    body = plain[13 + 3 * 64:]
    put("gif_no_table.gif", plain[:10] + b"\x70" + plain[11:13] + body)
    descriptor = plain.index(b"\x2c\0\0\0\0")

    def sides(data, at, *values):
        return data[:at] + struct.pack("<%dH" % len(values), *values) + data[at + 2 * len(values):]

    put("gif_stray_byte.gif", plain[:descriptor] + b"\0" + plain[descriptor:])
    # A frame inside a larger canvas: what it leaves is transparent. Pillow fills it instead, so no grid of Pillow's.
    placed = sides(sides(plain, 6, 80, 60), descriptor + 1, 10, 7)
    put("gif_small_frame.gif", placed, "picture 80 60")
    beyond = sides(plain, descriptor + 1, 10, 7)
    put("gif_beyond_canvas.gif", beyond, f"picture {WIDTH + 10} {HEIGHT + 7}")
    broken("gif_cut.gif", plain[:-600])
    broken("gif_no_frame.gif", plain[:13 + 3 * 64] + b";")
    broken("gif_bad_code_size.gif", plain[:descriptor + 10] + b"\x0d" + plain[descriptor + 11:])
    broken("gif_zero.gif", sides(plain, descriptor + 5, 0, 0))
    broken("gif_bomb.gif", sides(sides(plain, 6, 65_535, 65_535), descriptor + 5, 65_535, 65_535), "too_many")
    # Claims an area that passes, and holds a handful of codes.
    broken("gif_empty_promise.gif", sides(sides(plain, 6, 9_000, 9_000), descriptor + 5, 9_000, 9_000))


# ---------------------------------------------------------------- WebP
def webps():
    lossy = save(photo, "webp_lossy.webp", "WEBP", quality=80)
    lossless = save(photo, "webp_lossless.webp", "WEBP", lossless=True)
    save(rgba, "webp_lossy_alpha.webp", "WEBP", quality=80)
    alpha = save(rgba, "webp_lossless_alpha.webp", "WEBP", lossless=True, exact=True)
    save(gray, "webp_gray.webp", "WEBP", lossless=True)
    save(few, "webp_few_colors.webp", "WEBP", lossless=True)
    frames = [photo, photo.transpose(Image.Transpose.ROTATE_180)]
    moving = save(frames[0], "webp_animated.webp", "WEBP", save_all=True, append_images=frames[1:], quality=80)
    frames = [rgba, rgba.transpose(Image.Transpose.ROTATE_180)]
    save(frames[0], "webp_animated_alpha.webp", "WEBP", save_all=True, append_images=frames[1:], lossless=True, exact=True)
    for orientation in (3, 6):
        save(stored_for(photo, orientation), f"webp_exif_{orientation}.webp", "WEBP", lossless=True, exif=exif(orientation))
    # The extended header promises what is not there; or it does not say what is.
    def in_file(*chunks):
        chunks = b"WEBP" + b"".join(chunks)
        return b"RIFF" + struct.pack("<I", len(chunks)) + chunks

    def of_header(flags, width=WIDTH, height=HEIGHT):
        return b"VP8X" + struct.pack("<IIIH", 10, flags, (width - 1) | (height - 1 & 255) << 24, height - 1 >> 8)

    for name, flags in (("icc", 0x20), ("alpha", 0x10), ("exif", 8), ("xmp", 4), ("all", 0x3C)):
        put(f"webp_flag_{name}.webp", in_file(of_header(flags), lossy[12:]), like="webp_lossy.webp")
    put("webp_flag_lossless.webp", in_file(of_header(0x3C), lossless[12:]), like="webp_lossless.webp")
    turned = save(stored_for(photo, 6), "webp_stored_6.webp", "WEBP", lossless=True)[12:]
    said = exif_of_type(9, 6)
    said = b"EXIF" + struct.pack("<I", len(said)) + said
    put("webp_exif_slong.webp", in_file(of_header(8, HEIGHT, WIDTH), turned, said))
    put("webp_exif_no_flag.webp", in_file(of_header(0, HEIGHT, WIDTH), turned, said))
    packet = xmp(6) + b" " * (len(xmp(6)) % 2)
    put("webp_xmp_6.webp", in_file(of_header(4, HEIGHT, WIDTH), turned, b"XMP " + struct.pack("<I", len(packet)) + packet))
    broken("webp_cut.webp", lossy[:-200])
    broken("webp_cut_lossless.webp", lossless[:-400])
    broken("webp_cut_header.webp", lossy[:24])
    at = moving.index(b"VP8X") + 12
    broken("webp_bomb.webp", moving[:at] + b"\xff\xff\x3f\xff\xff\x3f" + moving[at + 6:], "too_many")
    # The canvas says one size, the picture on it another.
    at = alpha.index(b"VP8L") + 9
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + b"\x09\0\0\x09\0\0"
    broken("webp_two_sizes.webp", b"RIFF" + struct.pack("<I", len(alpha) + 10) + b"WEBP" + extended + alpha[12:])
    at = lossy.index(b"\x9d\x01\x2a")
    broken("webp_bad_start.webp", lossy[:at] + b"\0" + lossy[at + 1:])


# ---------------------------------------------------------------- BMP
def bmp(bits, rows, compression=0, top_down=False, colors=b"", masks=b"", header=40, size=(WIDTH, HEIGHT)):
    """rows: from top to bottom, or all pixel data if it is bytes."""
    width, height = size
    if not isinstance(rows, bytes):
        rows = [row + bytes(-len(row) % 4) for row in rows]
        rows = b"".join(rows if top_down else reversed(rows))
    if header == 12:
        dib = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        dib = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, compression, 0, 2835, 2835,
                          len(colors) // 4, 0)
        dib += masks
        dib += bytes(max(0, header - len(dib)))
    offset = 14 + len(dib) + len(colors)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + dib + colors + rows


def bmps():
    save(bilevel, "bmp_1.bmp", "BMP")
    save(palette, "bmp_8.bmp", "BMP")
    save(gray, "bmp_gray.bmp", "BMP")
    plain = save(photo, "bmp_24.bmp", "BMP")
    pixels = [[photo.getpixel((x, y)) for x in range(WIDTH)] for y in range(HEIGHT)]
    put("bmp_24_top_down.bmp", bmp(24, [b"".join(bytes(p[::-1]) for p in row) for row in pixels], top_down=True))
    put("bmp_32.bmp", bmp(32, [b"".join(bytes(p[::-1]) + b"\0" for p in row) for row in pixels]))
    five = [b"".join(struct.pack("<H", r >> 3 << 10 | g >> 3 << 5 | b >> 3) for r, g, b in row) for row in pixels]
    put("bmp_16.bmp", bmp(16, five))
    six = [b"".join(struct.pack("<H", r >> 3 << 11 | g >> 2 << 5 | b >> 3) for r, g, b in row) for row in pixels]
    put("bmp_16_565.bmp", bmp(16, six, 3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
    alpha = [[rgba.getpixel((x, y)) for x in range(WIDTH)] for y in range(HEIGHT)]
    words = [b"".join(bytes((b, g, r, a)) for r, g, b, a in row) for row in alpha]
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    put("bmp_32_alpha.bmp", bmp(32, words, 3, masks=masks, header=108))
    put("bmp_32_alpha_top_down.bmp", bmp(32, words, 3, True, masks=masks, header=124))
    table = few.getpalette()[:48]
    colors = b"".join(bytes((table[i + 2], table[i + 1], table[i], 0)) for i in range(0, 48, 3))
    indices = [[few.getpixel((x, y)) for x in range(WIDTH)] for y in range(HEIGHT)]
    nibbles = [bytes(row[i] << 4 | (row[i + 1] if i + 1 < WIDTH else 0) for i in range(0, WIDTH, 2)) for row in indices]
    put("bmp_4.bmp", bmp(4, nibbles, colors=colors))
    core = bmp(4, nibbles, header=12)
    short = b"".join(colors[i:i + 3] for i in range(0, 64, 4))
    put("bmp_core.bmp", core[:10] + struct.pack("<I", 26 + 48) + core[14:26] + short + core[26:])

    def runs(row):
        out, i = b"", 0
        while i < len(row):
            n = 1
            while i + n < len(row) and row[i + n] == row[i] and n < 255:
                n += 1
            out, i = out + bytes((n, row[i])), i + n
        return out + b"\0\0"

    def literals(row):
        return b"\0" + bytes((len(row),)) + bytes(row) + bytes(len(row) % 2) + b"\0\0"

    coded = [runs(row) if y % 3 else literals(row) for y, row in enumerate(indices)]
    rle8 = bmp(8, b"".join(reversed(coded)) + b"\0\1", 1, colors=colors)
    put("bmp_rle8.bmp", rle8)
    half = b"\0" + bytes((WIDTH,)) + nibbles[0] + bytes(len(nibbles[0]) % 2) + b"\0\0"
    coded = [b"\0" + bytes((WIDTH,)) + row + bytes(len(row) % 2) + b"\0\0" for row in nibbles]
    assert coded[0] == half
    put("bmp_rle4.bmp", bmp(4, b"".join(reversed(coded)) + b"\0\1", 2, colors=colors))

    # Pixels that are skipped to the right, to the end of their row, and to the first pixel of another.
    skipping = b"\0\2\3\0" + b"\5\7\0\0" + b"\1\2\0\2\x0a\1\4\3\0\0" + b"".join(reversed(coded[1:-3]))
    put("bmp_rle4_skip.bmp", bmp(4, skipping + b"\x05\3\0\0\0\1", 2, colors=colors[4:] + colors[:4]))
    coded = [runs(row) for row in indices]
    put("bmp_rle8_top_down.bmp", bmp(8, b"".join(coded) + b"\0\1", 1, True, colors=colors))
    put("bmp_rle8_no_end.bmp", bmp(8, b"".join(reversed(coded))[:-2], 1, colors=colors))
    put("bmp_os2.bmp", bmp(4, nibbles, header=64, colors=colors))
    triples = b"".join(bytes((1, *photo.getpixel((x, y))[::-1])) if x < WIDTH else b"\0\0" for y in reversed(range(HEIGHT))
                       for x in range(WIDTH + 1))
    put("bmp_os2_rle24.bmp", bmp(24, triples + b"\0\1", 4, header=64), like="bmp_24.bmp")
    put("bmp_alpha_masks.bmp", bmp(32, words, 6, masks=masks), like="bmp_32_alpha.bmp")
    put("bmp_no_planes.bmp", plain[:26] + b"\0\0" + plain[28:])
    put("bmp_start_0.bmp", plain[:10] + b"\0\0" + plain[12:])
    put("bmp_start_in_header.bmp", plain[:10] + b"\x2d\0" + plain[12:])
    put("bmp_start_behind_header.bmp", rle8[:10] + b"\x36\0" + rle8[12:])
    put("bmp_start_gap.bmp", plain[:10] + b"\x99\0" + plain[12:54] + bytes(99) + plain[54:])
    put("bmp_no_last_padding.bmp", plain[:-1])
    put("bmp_few_colors.bmp", bmp(4, nibbles, colors=colors[:40]))

    broken("bmp_start_beyond.bmp", plain[:10] + b"\xff\xff\xff\x7f" + plain[14:])
    broken("bmp_huffman.bmp", bmp(1, bytes(400), 3, header=64))
    broken("bmp_literal_too_long.bmp", bmp(8, b"\0\3\1\2\3\0\0\0" + b"\2\1\0\1", 1, colors=colors, size=(2, 2)))
    broken("bmp_cut.bmp", plain[:-500])
    broken("bmp_cut_header.bmp", plain[:30])
    broken("bmp_cut_rle.bmp", rle8[:-300])
    broken("bmp_jpeg_inside.bmp", bmp(24, b"\xff\xd8\xff", 4))
    broken("bmp_bad_bits.bmp", bmp(13, bytes(9000)))
    broken("bmp_no_masks.bmp", bmp(16, six, 3, masks=bytes(12)))
    broken("bmp_zero.bmp", bmp(24, b"", size=(0, 10)))
    broken("bmp_bomb.bmp", bmp(8, b"\0\1", 1, colors=colors, size=(60_000, 60_000)), "too_many")
    broken("bmp_short_bomb.bmp", bmp(24, bytes(100), size=(9_000, 9_000)))


# ---------------------------------------------------------------- TIFF
def tiff(tags, blobs, order="<", lengths=None, big=False):
    """tags: number -> (type, values), of type 3, 4 or 5; blobs: the strips or tiles, whose offsets go into 273 or 324.

    lengths: what is said of theirs; an empty list leaves the tag out. big: BigTIFF, whose offsets have 64 bits.
    """
    blobs = list(blobs)
    word, count = ("Q", "Q") if big else ("I", "H")
    head = struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)
    data = bytearray((b"II" if order == "<" else b"MM") + head)
    offsets = []
    for blob in blobs:
        offsets.append(len(data))
        data += blob + bytes(len(blob) % 2)
    at, of = (324, 325) if 322 in tags else (273, 279)
    tags = dict(tags)
    tags[at] = (16 if big else 4, offsets)
    if lengths != []:
        tags[of] = (4, lengths or [len(blob) for blob in blobs])
    directory = b""
    for number in sorted(tags):
        kind, values = tags[number]
        packed = struct.pack(order + str(len(values)) + {3: "H", 4: "I", 5: "I", 16: "Q"}[kind], *values)
        entry = struct.pack(order + "HH" + word, number, kind, len(values) // (2 if kind == 5 else 1))
        if len(packed) <= struct.calcsize(word):
            entry += packed.ljust(struct.calcsize(word), b"\0")
        else:
            entry += struct.pack(order + word, len(data))
            data += packed
        directory += entry
    place = 8 if big else 4
    data[place:place + struct.calcsize(word)] = struct.pack(order + word, len(data))
    return bytes(data) + struct.pack(order + count, len(tags)) + directory + bytes(struct.calcsize(word))


def strips(data):
    """The strips of a TIFF that Pillow wrote."""
    tag = Image.open(BytesIO(data)).tag_v2
    return [data[at:at + length] for at, length in zip(tag[273], tag[279])]


def mirrored(data):
    """The lowest bit of each byte first."""
    return bytes(int(f"{v:08b}"[::-1], 2) for v in data)


def old_lzw(data):
    """LZW as it was before TIFF 5.0: the lowest bit first, and codes grow as late as those of GIF."""
    out, value, count = bytearray(), 0, 0
    table, width, string = {}, 9, b""

    def put_code(code):
        nonlocal value, count
        value |= code << count
        count += width
        while count >= 8:
            out.append(value & 255)
            value >>= 8
            count -= 8

    put_code(256)
    for i in range(len(data)):
        byte = data[i:i + 1]
        if len(string) == 0 or string + byte in table:
            string += byte
            continue
        put_code(table[string] if len(string) > 1 else string[0])
        if 258 + len(table) == 4094:
            put_code(256)
            table, width = {}, 9
        else:
            if 258 + len(table) == 1 << width:
                width += 1
            table[string + byte] = 258 + len(table)
        string = byte
    put_code(table[string] if len(string) > 1 else string[0])
    put_code(257)
    return bytes(out) + bytes((value & 255,))


def ycc_units(image, h, v):
    """The rows of a YCbCr picture in units of h by v lumas and two chromas (TIFF 6.0, section 21)."""
    out = bytearray()
    for top in range(0, image.height, v):
        for left in range(0, image.width, h):
            at = [(min(left + x, image.width - 1), min(top + y, image.height - 1)) for y in range(v) for x in range(h)]
            pixels = [image.getpixel(place) for place in at]
            out += bytes(p[0] for p in pixels) + bytes(pixels[0][1:])
    return bytes(out)


def tags(photometric, bits, extra=(), **more):
    base = {256: (4, [WIDTH]), 257: (4, [HEIGHT]), 258: (3, list(bits)), 259: (3, [1]), 262: (3, [photometric]),
            277: (3, [len(bits)]), 278: (4, [HEIGHT])}
    if extra:
        base[338] = (3, list(extra))
    base.update({int(k[1:]): v for k, v in more.items()})
    return base


def tiles(image, side):
    for top in range(0, image.height, side):
        for left in range(0, image.width, side):
            yield image.crop((left, top, left + side, top + side)).tobytes()


def tiffs():
    plain = save(photo, "tiff_rgb.tif", "TIFF")
    save(gray, "tiff_gray_lzw.tif", "TIFF", compression="tiff_lzw")
    save(photo, "tiff_lzw_predictor.tif", "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    save(photo, "tiff_deflate.tif", "TIFF", compression="tiff_adobe_deflate")
    save(photo, "tiff_packbits.tif", "TIFF", compression="packbits")
    save(bilevel, "tiff_fax4.tif", "TIFF", compression="group4")
    save(bilevel, "tiff_1.tif", "TIFF")
    in_jpeg = save(photo, "tiff_jpeg.tif", "TIFF", compression="jpeg", quality=90)
    save(rgba, "tiff_rgba.tif", "TIFF")
    save(la, "tiff_gray_alpha.tif", "TIFF")
    save(palette, "tiff_palette.tif", "TIFF")
    save(cmyk, "tiff_cmyk.tif", "TIFF")
    wide = Image.frombytes("I;16", (WIDTH, HEIGHT), struct.pack(f"<{WIDTH * HEIGHT}H", *gray16))
    save(wide, "tiff_16.tif", "TIFF")
    for orientation in range(2, 9):
        save(stored_for(gray, orientation), f"tiff_orientation_{orientation}.tif", "TIFF", compression="tiff_lzw",
             tiffinfo={274: orientation})
    rgb, rgba_tiles = (3, [8, 8, 8]), (3, [16])
    put("tiff_big_endian.tif", tiff(tags(2, (8, 8, 8)), [photo.tobytes()], ">"))
    words = struct.pack(f">{WIDTH * HEIGHT}H", *gray16)
    put("tiff_16_big_endian.tif", tiff(tags(1, (16,)), [words], ">"))
    three = b"".join(struct.pack("<3H", *(v * 257 for v in photo.getpixel((i % WIDTH, i // WIDTH)))) for i in range(WIDTH * HEIGHT))
    put("tiff_rgb_16.tif", tiff(tags(2, (16, 16, 16)), [three]))
    put("tiff_white_is_zero.tif", tiff(tags(0, (8,)), [bytes(255 - v for v in gray.tobytes())]))
    put("tiff_tiles.tif", tiff(tags(2, (8, 8, 8), _322=rgba_tiles, _323=rgba_tiles), tiles(photo, 16)))
    put("tiff_tiles_deflate.tif", tiff(tags(1, (8,), _322=(3, [32]), _323=(3, [16]), _259=(3, [8])),
                                       [zlib.compress(gray.crop((x, y, x + 32, y + 16)).tobytes())
                                        for y in range(0, HEIGHT, 16) for x in range(0, WIDTH, 32)]))
    put("tiff_planes.tif", tiff(tags(2, (8, 8, 8), _284=(3, [2])), [band.tobytes() for band in photo.split()]))
    parts = [band.crop((0, y, WIDTH, min(y + 10, HEIGHT))).tobytes() for band in photo.split() for y in range(0, HEIGHT, 10)]
    put("tiff_planes_strips.tif", tiff(tags(2, (8, 8, 8), _284=(3, [2]), _278=(4, [10])), parts))
    planes = [tile for band in photo.split() for tile in tiles(band, 16)]
    put("tiff_planes_tiles.tif", tiff(tags(2, (8, 8, 8), _284=(3, [2]), _322=(3, [16]), _323=(3, [16])), planes))
    table = few.getpalette()[:48]
    color_map = [v * 257 for plane in range(3) for v in table[plane::3]]
    nibbles = b"".join(bytes(few.getpixel((x, y)) << 4 | (few.getpixel((x + 1, y)) if x + 1 < WIDTH else 0)
                             for x in range(0, WIDTH, 2)) for y in range(HEIGHT))
    put("tiff_palette_4.tif", tiff(tags(3, (4,), _320=(3, color_map)), [nibbles]))
    four = b"".join(bytes(gray.getpixel((x, y)) >> 4 << 4 | (gray.getpixel((x + 1, y)) >> 4 if x + 1 < WIDTH else 0)
                          for x in range(0, WIDTH, 2)) for y in range(HEIGHT))
    put("tiff_4.tif", tiff(tags(1, (4,)), [four]))
    multiplied = rgba.convert("RGBa").tobytes()
    put("tiff_associated_alpha.tif", tiff(tags(2, (8, 8, 8, 8), (1,)), [multiplied]))
    put("tiff_unspecified_extra.tif", tiff(tags(2, (8, 8, 8, 8), (0,)), [rgba.tobytes()]))
    put("tiff_fill_order.tif", tiff(tags(1, (8,), _266=(3, [2])), [mirrored(gray.tobytes())]))
    save(photo, "tiff_two_pages.tif", "TIFF", save_all=True, append_images=[gray.resize((9, 9))])
    loop = bytearray((OUT / "tiff_white_is_zero.tif").read_bytes())
    loop[-4:] = loop[4:8]
    put("tiff_page_loop.tif", bytes(loop))

    put("tiff_big.tif", tiff(tags(1, (8,)), [gray.tobytes()], big=True))
    put("tiff_big_big_endian.tif", tiff(tags(1, (16,), _278=(4, [10])), [words[i:i + 1220] for i in range(0, len(words), 1220)],
                                        ">", big=True), like="tiff_16.tif")
    # Fax from scanners: each kind, both orders of bits, in strips and tiles.
    for name, compression, options in (("fax3", "group3", {}), ("fax3_2d", "group3", {292: 1}), ("fax3_fill", "group3", {292: 4}),
                                       ("fax_rle", "tiff_ccitt", {}), ("fax4_strips", "group4", {278: 10})):
        save(bilevel, f"tiff_{name}.tif", "TIFF", compression=compression, tiffinfo=options)
    white = {k: (3, [v]) for k, v in (("_262", 1), ("_266", 2))}
    for name, compression in (("fax3", 3), ("fax4", 4), ("fax_rle", 2)):
        stored = strips((OUT / f"tiff_{name}.tif").read_bytes())
        put(f"tiff_{name}_low_bit_first.tif", tiff(tags(1, (1,), _259=(3, [compression]), **white), map(mirrored, stored)))
    # Wide runs: every make-up code, and lines that begin with black.
    ruled = Image.new("1", (5_300, 22), 255)
    for y in range(22):
        ruled.paste(0, (y * 7 % 3, y, 2_560 + 64 * y, y + 1))
        ruled.paste(0, (5_200 - 64 * y, y, 5_300 - y, y + 1))
    for name, compression, options in (("fax3", "group3", {}), ("fax4", "group4", {}), ("fax3_2d", "group3", {292: 1})):
        save(ruled, f"tiff_{name}_wide.tif", "TIFF", compression=compression, tiffinfo=options)
    one = {"_259": (3, [4]), "_322": (3, [32]), "_323": (3, [16])}
    square = []
    for top in range(0, HEIGHT, 16):
        for left in range(0, WIDTH, 32):
            tile = BytesIO()
            bilevel.crop((left, top, left + 32, top + 16)).save(tile, "TIFF", compression="group4")
            square.append(strips(tile.getvalue())[0])
    put("tiff_fax4_tiles.tif", tiff(tags(1, (1,), **one), square))
    # LZW of both kinds, turned too; the predictor where it doesn't count.
    put("tiff_old_lzw.tif", tiff(tags(1, (8,), _259=(3, [5])), [old_lzw(gray.tobytes())]))
    packed = strips((OUT / "tiff_gray_lzw.tif").read_bytes())
    put("tiff_lzw_low_bit_first.tif", tiff(tags(1, (8,), _259=(3, [5]), _266=(3, [2])), map(mirrored, packed)))
    put("tiff_lzw_predictor_0.tif", tiff(tags(1, (8,), _259=(3, [5]), _317=(3, [0])), packed), like="tiff_gray_lzw.tif")
    put("tiff_packbits_predictor.tif", tiff(tags(2, (8, 8, 8), _259=(3, [32_773]), _317=(3, [2])),
                                            strips((OUT / "tiff_packbits.tif").read_bytes())))
    put("tiff_predictor.tif", tiff(tags(1, (8,), _317=(3, [2])), [gray.tobytes()]))
    deflated = zlib.compress(gray.tobytes())
    put("tiff_deflate_low_bit_first.tif", tiff(tags(1, (8,), _259=(3, [8]), _266=(3, [2])), [mirrored(deflated)]))
    # Deflate of which the checksum is missing, or with something behind it; a predictor of 16 bits, both orders of bytes.
    put("tiff_deflate_no_checksum.tif", tiff(tags(1, (8,), _259=(3, [8])), [deflated[:-4]]))
    put("tiff_deflate_behind.tif", tiff(tags(1, (8,), _259=(3, [8])), [deflated + b"something else"]))
    put("tiff_deflate_more_rows.tif", tiff(tags(1, (8,), _259=(3, [8])), [zlib.compress(gray.tobytes() + bytes(500))]))
    for name, order in (("", "<"), ("_big_endian", ">")):
        steps = [(v - (gray16[i - 1] if i % WIDTH else 0)) % 65_536 for i, v in enumerate(gray16)]
        put(f"tiff_16_predictor{name}.tif", tiff(tags(1, (16,), _259=(3, [8]), _317=(3, [2])),
                                                 [zlib.compress(struct.pack(f"{order}{len(steps)}H", *steps))], order))
    # Lengths that are missing, zero, or reach past the file.
    rows = [zlib.compress(gray.crop((0, y, WIDTH, min(y + 10, HEIGHT))).tobytes()) for y in range(0, HEIGHT, 10)]
    for name, lengths in (("no", []), ("zero", [0] * 5), ("absurd", [4_000_000_000] * 5), ("large", [900] * 5)):
        put(f"tiff_{name}_lengths.tif", tiff(tags(1, (8,), _259=(3, [8]), _278=(4, [10])), rows, lengths=lengths),
            like="tiff_white_is_zero.tif")
    put("tiff_no_lengths_plain.tif", tiff(tags(1, (8,)), [gray.tobytes()], lengths=[]), like="tiff_white_is_zero.tif")
    # Luma and chromas that are no JPEG: of every subsampling, and over less than the whole range.
    ycc = photo.convert("YCbCr")
    for h, v in ((1, 1), (2, 1), (1, 2), (2, 2), (4, 2), (4, 4)):
        put(f"tiff_ycc_{h}{v}.tif", tiff(tags(6, (8, 8, 8), _530=(3, [h, v])), [ycc_units(ycc, h, v)]),
            like="tiff_white_is_zero.tif")
    put("tiff_ycc_deflate.tif", tiff(tags(6, (8, 8, 8), _259=(3, [8])), [zlib.compress(ycc_units(ycc, 2, 2))]),
        like="tiff_white_is_zero.tif")
    video = ycc.point([min(16 + (v * 219 + 127) // 255, 235) for v in range(256)] + list(range(256)) * 2)
    levels = [v for level in (16, 235, 128, 240, 128, 240) for v in (level, 1)]
    stretched = bytes(((v - 16) * 255 + 109) // 219 for v in video.getchannel("Y").tobytes())
    put("tiff_ycc_stretched.tif", tiff(tags(1, (8,)), [stretched]))
    put("tiff_ycc_reference.tif", tiff(tags(6, (8, 8, 8), _530=(3, [2, 2]), _532=(5, levels)), [ycc_units(video, 2, 2)]),
        like="tiff_ycc_stretched.tif")
    # Twelve bits and four a sample, rows filled up to bytes.
    twelve = b""
    for y in range(HEIGHT):
        row = [gray.getpixel((x, y)) * 16 + x % 16 for x in range(WIDTH)] + [0]
        for a, b in zip(row[::2], row[1::2]):
            twelve += bytes((a >> 4, (a & 15) << 4 | b >> 8, b & 255))
    twelve = b"".join(twelve[i * 93:i * 93 + 92] for i in range(HEIGHT))
    put("tiff_12.tif", tiff(tags(1, (12,)), [twelve]), like="tiff_white_is_zero.tif")
    halves = photo.point(lambda v: v // 17 * 17)
    put("tiff_rgb_coarse.tif", tiff(tags(2, (8, 8, 8)), [halves.tobytes()]))
    nibbles = [[v // 17 for v in halves.crop((0, y, WIDTH, y + 1)).tobytes()] + [0] for y in range(HEIGHT)]
    put("tiff_rgb_4.tif", tiff(tags(2, (4, 4, 4)), [b"".join(bytes(a << 4 | b for a, b in zip(row[::2], row[1::2]))
                                                           for row in nibbles)]), like="tiff_rgb_coarse.tif")
    # A sample that says nothing of the colour.
    extra = b"".join(bytes((v, i % 251)) for i, v in enumerate(gray.tobytes()))
    put("tiff_extra_planes.tif", tiff(tags(1, (8, 8), (0,), _284=(3, [2])), [gray.tobytes(), b"elsewhere"]),
        like="tiff_white_is_zero.tif")
    put("tiff_extra.tif", tiff(tags(1, (8, 8), (0,)), [extra]), like="tiff_white_is_zero.tif")
    # JPEG: RGB as it is, gray, luma and chroma in tiles that share their tables.
    for name, image, photometric in (("gray", gray, 1), ("rgb", photo, 2)):
        inner = BytesIO()
        image.save(inner, "JPEG", quality=95, keep_rgb=True)
        put(f"tiff_jpeg_{name}.tif", tiff(tags(photometric, (8,) * len(image.getbands()), _259=(3, [7]), _317=(3, [2])),
                                          [inner.getvalue()]))
    cmyk_inner = BytesIO()
    cmyk.save(cmyk_inner, "JPEG", quality=95)
    broken("tiff_jpeg_components.tif", tiff(tags(1, (8,), _259=(3, [7])), [cmyk_inner.getvalue()]))

    broken("tiff_cut.tif", tiff(tags(1, (8,)), [gray.tobytes()])[:200])
    broken("tiff_cut_deflate.tif", tiff(tags(1, (8,), _259=(3, [8])), [deflated[:len(deflated) // 2]]))
    broken("tiff_fill_order_deflate.tif", tiff(tags(1, (8,), _259=(3, [8]), _266=(3, [2])), [deflated]))
    broken("tiff_float.tif", tiff(tags(1, (32,), _339=(3, [3])), [bytes(4 * WIDTH * HEIGHT)]))
    broken("tiff_deflate_checksum.tif", tiff(tags(1, (8,), _259=(3, [8])), [deflated[:-4] + b"abcd"]))
    stored = strips((OUT / "tiff_fax4.tif").read_bytes())[0]
    broken("tiff_fax4_cut.tif", tiff(tags(1, (1,), _259=(3, [4])), [stored[:len(stored) // 2]]))
    broken("tiff_fax4_short.tif", tiff(tags(1, (1,), _259=(3, [4]), _257=(4, [HEIGHT + 1])), [stored]))
    stored = strips((OUT / "tiff_fax3.tif").read_bytes())[0]
    broken("tiff_fax3_narrow.tif", tiff(tags(1, (1,), _259=(3, [3]), _256=(4, [WIDTH - 1])), [stored]))
    for compression in (6, 9, 34_676, 34_887, 34_925, 50_000, 50_001, 50_002, 34_712, 12_345):
        broken(f"tiff_compression_{compression}.tif", tiff(tags(1, (8,), _259=(3, [compression])), [b"data"]))
    for photometric in (4, 9, 32_844, 32_845, 32_803):
        broken(f"tiff_colors_{photometric}.tif", tiff(tags(photometric, (8, 8, 8)), [photo.tobytes()]))
    broken("tiff_mixed_bits.tif", tiff(tags(2, (5, 6, 5)), [bytes(2 * WIDTH * HEIGHT)]))
    broken("tiff_old_jpeg.tif", tiff(tags(6, (8, 8, 8), _259=(3, [6])), [b"\xff\xd8"]))
    broken("tiff_lab.tif", tiff(tags(8, (8, 8, 8)), [photo.tobytes()]))
    broken("tiff_no_color_map.tif", tiff(tags(3, (8,)), [palette.tobytes()]))
    broken("tiff_zero.tif", tiff(tags(1, (8,), _256=(4, [0])), [b""]))
    broken("tiff_bomb.tif", tiff(tags(1, (8,), _256=(4, [65_535]), _257=(4, [65_535])), [b"x"]), "too_many")
    broken("tiff_tiny_tiles.tif", tiff(tags(1, (8,), _256=(4, [9_000]), _257=(4, [9_000]), _322=(3, [1]), _323=(3, [1])), [b"x"]))
    inner = in_jpeg.index(b"\xff\xc0") + 5
    broken("tiff_jpeg_bomb.tif", in_jpeg[:inner] + b"\xff\xdc" * 2 + in_jpeg[inner + 4:])


# ---------------------------------------------------------------- Netpbm
def pnms():
    size = b"%d %d\n" % (WIDTH, HEIGHT)
    bits = [0 if v else 1 for v in bilevel.convert("L").tobytes()]
    text = b"\n".join(b"".join(b"%d" % b for b in bits[y * WIDTH:(y + 1) * WIDTH]) for y in range(HEIGHT))
    put("pnm_p1.pbm", b"P1\n# bits without blanks\n" + size + text + b"\n")
    put("pnm_p2.pgm", b"P2\n" + size + b"# white\n255\n" + b"\n".join(b"%d" % v for v in gray.tobytes()) + b"\n")
    put("pnm_p3.ppm", b"P3\n" + size + b"255\n" + b" ".join(b"%d" % v for v in photo.tobytes()) + b"\n")
    save(bilevel, "pnm_p4.pbm", "PPM")
    whole = save(gray, "pnm_p5.pgm", "PPM")
    save(photo, "pnm_p6.ppm", "PPM")
    put("pnm_p5_16.pgm", b"P5 " + size + b"65535\n" + struct.pack(f">{WIDTH * HEIGHT}H", *gray16))
    put("pnm_p5_100.pgm", b"P5 " + size + b"100\n" + bytes(v * 100 // 255 for v in gray.tobytes()))
    put("pnm_p6_16.ppm", b"P6 " + size + b"65535\n" + struct.pack(f">{3 * WIDTH * HEIGHT}H", *(v * 257 for v in photo.tobytes())))
    pam = b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL 255\nTUPLTYPE %s\nENDHDR\n"
    put("pnm_p7_gray_alpha.pam", pam % (WIDTH, HEIGHT, 2, b"GRAYSCALE_ALPHA") + la.tobytes(),
        like="png_gray_alpha.png")
    put("pnm_p7_rgb.pam", pam % (WIDTH, HEIGHT, 3, b"RGB") + photo.tobytes(), like="png_rgb.png")
    put("pnm_p7_rgba.pam", pam % (WIDTH, HEIGHT, 4, b"RGB_ALPHA") + rgba.tobytes(), like="png_rgba.png")
    comments = b"P5#\n" + size.replace(b" ", b" # alto\n") + b"#\n255# fin\n"
    put("pnm_p5_comments.pgm", comments + gray.tobytes(), like="pnm_p5.pgm")
    rows = b"# fila\n".join(b" ".join(b"%d" % v for v in gray.tobytes()[y * WIDTH:(y + 1) * WIDTH]) + b"\n" for y in range(HEIGHT))
    put("pnm_p2_comments.pgm", b"P2\n" + size + b"255 # blanco\n" + rows)
    broken("pnm_cmyk.pam", pam % (1, 1, 4, b"CMYK") + b"1234")
    broken("pnm_cut.pgm", whole[:-1])
    broken("pnm_cut_header.pgm", b"P5\n12")
    broken("pnm_letters.pgm", b"P2 2 1 255\nab cd\n")
    broken("pnm_zero.pgm", b"P5 0 7 255\n")
    broken("pnm_maxval.pgm", b"P5 1 1 65536\nabcd")
    broken("pnm_endless.pgm", b"P5 #" + b"x" * 70_000)
    # Few bytes for what they claim: refused as incomplete before anything is allocated.
    broken("pnm_bomb.pgm", b"P5 9999 9999 255\nx")
    broken("pnm_overflow.pgm", b"P5 4294967297 1 255\nx")
    broken("pnm_five_channels.pam", pam % (1, 1, 5, b"X") + b"12345")


def others():
    put("other_empty.bin", b"", "unknown")
    put("other_text.txt", b"esto no es una imagen\n", "unknown")
    put("other_heic.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "unknown")
    put("other_svg.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unknown")


def main():
    OUT.mkdir(exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    for group in (jpegs, pngs, gifs, webps, bmps, tiffs, pnms, others):
        group()
    with open(OUT / "index.tsv", "w") as index:
        print("name", "verdict", "width", "height", "tolerance", "gray", "alpha", sep="\t", file=index)
        for name, verdict, like in entries:
            if verdict == "picture":
                width, height, tolerance, luma, alpha = oracle.read(OUT / like)
                grid = [(2 * j + 1) * height // 16 * width + (2 * i + 1) * width // 16 for j in range(8) for i in range(8)]
                hexed = bytes(luma[p] for p in grid).hex()
                also = bytes(alpha[p] for p in grid).hex() if alpha else "-"
                print(name, verdict, width, height, tolerance, hexed, also, sep="\t", file=index)
            else:
                verdict, *size = verdict.split()
                width, height = size or (0, 0)
                print(name, verdict, width, height, 0, "-", "-", sep="\t", file=index)
    sizes = [f.stat().st_size for f in OUT.iterdir()]
    print(len(entries), "pictures,", sum(sizes), "bytes")


if __name__ == "__main__":
    main()
