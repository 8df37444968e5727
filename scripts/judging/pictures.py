"""Pictures to send, what has to come back, and how a gray was made of a colour."""
import io
import random
from PIL import Image, ImageDraw

# Far from each other in every way of making gray; the last ones are what a photograph is made of.
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255), (200, 120, 80), (60, 110, 40),
           (90, 140, 220)]
PATCH = 64
# A patch's mean may be off by so much: the encoder's loss, and rounding.
TOLERANCE = 4


def linear(colour):
    """Luminance of Rec. 709 from linear light, as sRGB again."""
    light = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in colour]
    value = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]
    return 255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055)


GRAYS = {
    "Rec. 601 (0.299 R + 0.587 G + 0.114 B)": lambda c: 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2],
    "Rec. 709 (0.2126 R + 0.7152 G + 0.0722 B)": lambda c: 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2],
    "la media de los tres (R + G + B) / 3": lambda c: sum(c) / 3,
    "el medio entre el mayor y el menor": lambda c: (max(c) + min(c)) / 2,
    "el mayor de los tres": max,
    "Rec. 709 con luz lineal": linear,
    "solo el rojo": lambda c: c[0],
    "solo el verde": lambda c: c[1],
    "solo el azul": lambda c: c[2],
    "Rec. 601 con R y B cambiados (BGR)": lambda c: 0.299 * c[2] + 0.587 * c[1] + 0.114 * c[0],
}
REC_601 = next(iter(GRAYS))


def file(image, kind="PNG", **options):
    """A picture as a file."""
    out = io.BytesIO()
    image.save(out, kind, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {}), **options)
    return out.getvalue()


def opened(data):
    """The picture in these bytes, decoded whole; OSError, ValueError or SyntaxError if there is none."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def patches():
    """The colours, a patch each, side by side."""
    image = Image.new("RGB", (PATCH * len(COLOURS), PATCH))
    for number, colour in enumerate(COLOURS):
        image.paste(colour, (PATCH * number, 0, PATCH * (number + 1), PATCH))
    return image


def patch_means(image):
    """The mean gray of each patch's middle, in a picture of patches of any size."""
    gray, means = image.convert("L"), []
    for number in range(len(COLOURS)):
        left, wide, high = gray.width * number / len(COLOURS), gray.width / len(COLOURS), gray.height
        middle = gray.crop((int(left + wide * 0.3), int(high * 0.3), int(left + wide * 0.7), int(high * 0.7)))
        samples = middle.tobytes()
        means.append(sum(samples) / max(1, len(samples)))
    return means


def gray_of(means):
    """(name of the way of making gray that comes nearest, its largest error, largest error of Rec. 601)."""
    def error(way):
        return max(abs(way(colour) - mean) for colour, mean in zip(COLOURS, means))
    name = min(GRAYS, key=lambda name: error(GRAYS[name]))
    return name, error(GRAYS[name]), error(GRAYS[REC_601])


def is_gray(image):
    """Whether its channels are one, or the same; a little off is the encoder's."""
    if image.mode in ("L", "LA", "1", "I", "I;16"):
        return True
    red, green, blue = image.convert("RGB").split()
    return all(abs(a - b) <= 3 for one in (green, blue) for a, b in zip(red.tobytes(), one.tobytes()))


def flat(shade, size=(96, 64)):
    """One shade of gray."""
    return Image.new("RGB", size, (shade,) * 3)


def scene(size=(400, 300)):
    """Something with an up and a down, left and right, without colour."""
    image = Image.linear_gradient("L").resize(size)
    draw = ImageDraw.Draw(image)
    draw.rectangle((size[0] // 10, size[1] // 10, size[0] // 3, size[1] // 4), fill=230)
    draw.ellipse((size[0] // 2, size[1] // 2, size[0] * 9 // 10, size[1] * 4 // 5), fill=20)
    return image.convert("RGB")


def difference(one, other):
    """Mean absolute difference of two gray pictures of one size."""
    a, b = one.convert("L").tobytes(), other.convert("L").tobytes()
    return sum(abs(x - y) for x, y in zip(a, b)) / len(a)


def large(megapixels):
    """A JPEG of so many megapixels that takes little room, and long to be decoded, because it is progressive."""
    width = int((megapixels * 1e6 * 4 / 3) ** 0.5)
    gradient = Image.linear_gradient("L").resize((width, width * 3 // 4))
    return file(Image.merge("RGB", [gradient, gradient.transpose(Image.Transpose.ROTATE_180), gradient]), "JPEG", progressive=True)


def noise(size):
    """A picture that does not get smaller by being compressed, whatever is done to it: for large answers. The same every time."""
    return Image.frombytes("L", size, random.Random(601).randbytes(size[0] * size[1]))


def bomb(width, height):
    """A PNG that says it is this large, and holds next to nothing."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9999))) + chunk(b"IEND", b"")
