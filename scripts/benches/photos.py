#!/usr/bin/env python3
"""Makes the photographs that scripts/bench measures with; needs Pillow and numpy.

    photos.py DIRECTORY SOURCES SIZES

SOURCES: tests/data/fotos. SIZES: `peers`, or `scale` for the row of sizes from 0.01 to 50 MP. A file that is there already
stays. Prints nothing.

A photograph of 24 MP is too large to be kept here, and a small one that was only enlarged is smooth, which a decoder of
JPEG is quick with: its time goes with the bytes. So what a lens would have seen is made up: to the enlarged photograph comes,
octave by octave from its own resolution on, noise of falling amplitude where the photograph has texture, and a little
everywhere for the sensor; how much is found by bisection, so that the file has as many bytes a pixel as cameras and web sites
give theirs. Those of phones have noise of their own in each colour as well, the quality that phones write, and EXIF, so
that undoing the entropy coding has its real share of the time. Seeds are fixed: the same Pillow and numpy write the same bytes.
"""
import io
import pathlib
import sys

import numpy
from PIL import Image, ImageFilter

# Name, photograph, width, height, bytes a pixel: 0.1 is a smooth one as sent over the web, 0.2 an ordinary one of a camera, 0.5
# foliage. «phone» in the name: as phones write them.
PEERS = [
    ("2mp", "hubble_deep_field.jpg", 1680, 1260, 0.5),
    ("5mp", "coffee.png", 2700, 1800, 0.1),
    ("9mp", "chelsea.png", 3648, 2424, 0.18),
    ("24mp", "astronaut.png", 6000, 4000, 0.2),
    ("12mp-phone-day", "coffee.png", 4032, 3024, 0.27),
    ("12mp-phone-night", "astronaut.png", 4032, 3024, 0.36),
]
SCALE = [
    (f"{megapixels}mp", "astronaut.png", round((megapixels * 1.5e6) ** 0.5), round((megapixels / 1.5e-6) ** 0.5), 0.2)
    for megapixels in [0.01, 0.1, 0.5, 1, 2, 5, 10, 24, 50]
]


def save(pixels, quality=90, exif=b""):
    file = io.BytesIO()
    image = Image.fromarray(numpy.clip(pixels + 0.5, 0, 255).astype(numpy.uint8))
    image.save(file, "JPEG", quality=quality, subsampling="4:2:0", exif=exif)
    return file.getvalue()


def phone_exif():
    """What a phone tells of a picture; upright, because not every peer turns pictures. The maker's note is mostly padding."""
    exif = Image.Exif()
    exif.update({0x010F: "Phone", 0x0110: "Camera", 0x0112: 1, 0x011A: 72.0, 0x011B: 72.0, 0x0128: 2})
    exif[0x0132] = "2026:06:01 12:00:00"
    exif.get_ifd(0x8769).update({0x829A: 1 / 120, 0x829D: 1.8, 0x8827: 64, 0x9000: b"0232", 0x927C: bytes(12000)})
    return exif.tobytes()


def texture(image):
    """How lively the photograph is around each pixel, 0 to 1: the blurred difference from its blurred self."""
    gray = image.convert("L")
    smooth = numpy.asarray(gray.filter(ImageFilter.GaussianBlur(2)), numpy.float32)
    lively = numpy.abs(numpy.asarray(gray, numpy.float32) - smooth)
    blurred = Image.fromarray(numpy.minimum(lively * 8, 255).astype(numpy.uint8)).filter(ImageFilter.BoxBlur(4))
    values = numpy.asarray(blurred, numpy.float32)
    return Image.fromarray(numpy.minimum(values / max(float(numpy.quantile(values, 0.98)), 1), 1))


def detail(image, width, height, seed):
    """What is finer than the photograph's own pixels, for each pixel: of amplitude 1 where the texture is strongest."""
    random = numpy.random.Generator(numpy.random.PCG64(seed))
    size, total, amplitude = list(image.size), numpy.zeros((height, width), numpy.float32), 1.0
    while True:
        size = [min(2 * side, end) for side, end in zip(size, (width, height))]
        noise = Image.fromarray(random.standard_normal((size[1], size[0]), numpy.float32))
        total += amplitude * numpy.asarray(noise.resize((width, height), Image.Resampling.BICUBIC))
        # Photographs have about the same energy in each octave, but the lens blurs the last ones.
        amplitude *= 0.6
        if size == [width, height]:
            break
    where = numpy.asarray(texture(image).resize((width, height), Image.Resampling.BILINEAR))
    grain = random.standard_normal((height, width), numpy.float32)
    return total * (0.05 + 0.95 * where) + 0.1 * grain


def make(source, width, height, density, seed, phone=False):
    image = Image.open(source).convert("RGB")
    # The part of that shape in the middle.
    shape = min(image.width / width, image.height / height)
    part = (width * shape, height * shape)
    left, top = (image.width - part[0]) / 2, (image.height - part[1]) / 2
    box = (left, top, left + part[0], top + part[1])
    large = image.resize((width, height), Image.Resampling.LANCZOS, box)
    pixels = numpy.asarray(large, numpy.float32)
    if width <= image.width:
        return save(pixels)
    fine = detail(image, width, height, seed)[:, :, None]
    options = {}
    if phone:
        random = numpy.random.Generator(numpy.random.PCG64(1000 + seed))
        fine = fine + 0.15 * random.standard_normal((height, width, 3), numpy.float32)
        options = {"quality": 94, "exif": phone_exif()}
    # A strip of it tells as much as the whole, and is quicker.
    rows = slice(height // 4, height // 4 + max(64, height // 8))
    low, high = 0.0, 64.0
    for _ in range(7):
        middle = (low + high) / 2
        strip = save(pixels[rows] + middle * fine[rows], **options)
        if len(strip) < density * width * (rows.stop - rows.start):
            low = middle
        else:
            high = middle
    return save(pixels + low * fine, **options)


def main():
    directory, sources = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    wanted = {"peers": PEERS, "scale": SCALE}[sys.argv[3]]
    for seed, (name, source, width, height, density) in enumerate(wanted):
        path = directory / f"{name}.jpg"
        if not path.exists():
            path.write_bytes(make(sources / source, width, height, density, seed, "phone" in name))
    # The size of the pictures of faces that the service began with.
    small = directory / "350x418.jpg"
    if not small.exists():
        face = Image.open(sources / "astronaut.png").convert("RGB").crop((60, 0, 410, 418))
        small.write_bytes(save(numpy.asarray(face, numpy.float32), 82))


if __name__ == "__main__":
    main()
