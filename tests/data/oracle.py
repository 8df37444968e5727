#!/usr/bin/env python3
"""What Pillow makes of a picture: upright gray, and alpha if it has any; the oracle of the tests.

As a program: for each file named on standard input, a line «width height tolerance channels» and the samples (luma,
then alpha if channels is 2) on standard output, or the line «error …».
"""
import sys

from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = None


def read(path):
    """(width, height, tolerance, luma, alpha or None) of the first picture in a file."""
    image = Image.open(path)
    jpeg = image.format in ("JPEG", "MPO")
    tolerance = 1
    in_rgb = jpeg and (image.layer[0][0] == ord("R") or image.info.get("adobe_transform") == 0)
    if jpeg and image.mode in ("L", "RGB") and not in_rgb:
        image.draft("L", image.size)
    tags = image.tag_v2 if image.format == "TIFF" else {}
    twelve = tags.get(258) == (12,)
    if tags.get(262) == 6:
        # By way of RGB, where we take luma as it is.
        tolerance = 2
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I;16", "I;16L", "I;16N") and twelve:
        words = image.tobytes()
        luma, alpha = bytes(high << 4 | low >> 4 for low, high in zip(words[::2], words[1::2])), None
    elif image.mode in ("I;16", "I;16L", "I;16N"):
        luma, alpha = image.tobytes()[1::2], None
    elif image.mode == "I;16B":
        luma, alpha = image.tobytes()[0::2], None
    elif image.mode == "I":
        luma, alpha = image.tobytes()[1::4], None
    elif image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        if image.mode == "La":
            image = image.convert("LA")
        image = image.convert("RGBA")
        luma, alpha = image.convert("RGB").convert("L").tobytes(), image.getchannel("A").tobytes()
        tolerance = 2
    else:
        tolerance = 2 if image.mode == "CMYK" else tolerance
        luma, alpha = image.convert("L").tobytes(), None
    return image.width, image.height, tolerance, luma, alpha


def main():
    out = sys.stdout.buffer
    for line in sys.stdin:
        try:
            width, height, tolerance, luma, alpha = read(line.rstrip("\n"))
        except Exception as error:
            out.write(("error " + repr(error).replace("\n", " ") + "\n").encode())
            continue
        out.write(b"%d %d %d %d\n" % (width, height, tolerance, 2 if alpha else 1))
        out.write(luma)
        out.write(alpha or b"")


if __name__ == "__main__":
    main()
