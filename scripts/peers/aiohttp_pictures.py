#!/usr/bin/env python3
"""A peer of tp2 in Python: aiohttp in front, Pillow or OpenCV behind, as those who know them write it.

    aiohttp_pictures.py PORT KERNEL [POOL]

POST / with a JPEG as the body and ?escala=F: the gray JPEG of quality 85, scaled. On 127.0.0.1, until killed.

KERNEL, what is done with a picture:
    pillow           decoded to its Y at full size (draft mode), bicubic
    pillow-reducido  decoded at the smallest of the sizes 1, 1/2, 1/4, 1/8 that is large enough (draft mode), then bicubic
    opencv           decoded to its Y at full size, means of areas
    opencv-reducido  decoded at the smallest of the sizes 1, 1/2, 1/4, 1/8 that is large enough, then means of areas if there
                     is anything left to do
POOL, who does it: `procesos`, one for each core, which get a copy of the picture; or `hilos`, as many threads: both
libraries let go of the interpreter's lock while they work. Each kernel has a default, the better of the two as measured.
"""
import asyncio
import io
import os
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from aiohttp import web

QUALITY = 85
CORES = len(os.sched_getaffinity(0))


def scaled(width, height, factor):
    return max(1, int(width * factor)), max(1, int(height * factor))


def pillow(body, factor, reduced=False):
    from PIL import Image

    image = Image.open(io.BytesIO(body))
    size = scaled(*image.size, factor)
    image.draft("L", size if reduced else image.size)
    if image.mode != "L":
        image = image.convert("L")
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def opencv(body, factor, reduced=False):
    import cv2
    import numpy

    # The cores are busy with other pictures.
    cv2.setNumThreads(1)
    divisor = next(n for n in (8, 4, 2, 1) if n == 1 or reduced and factor * n <= 1)
    flag = getattr(cv2, f"IMREAD_REDUCED_GRAYSCALE_{divisor}", cv2.IMREAD_GRAYSCALE)
    image = cv2.imdecode(numpy.frombuffer(body, numpy.uint8), flag)
    height, width = image.shape
    size = scaled(width, height, factor * divisor)
    if (width, height) != size:
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def pillow_reduced(body, factor):
    return pillow(body, factor, reduced=True)


def opencv_reduced(body, factor):
    return opencv(body, factor, reduced=True)


KERNELS = {
    "pillow": (pillow, "procesos"),
    "pillow-reducido": (pillow_reduced, "procesos"),
    "opencv": (opencv, "hilos"),
    "opencv-reducido": (opencv_reduced, "hilos"),
}
POOLS = {"procesos": ProcessPoolExecutor, "hilos": ThreadPoolExecutor}


def main():
    port, kernel = int(sys.argv[1]), sys.argv[2]
    work, pool = KERNELS[kernel]
    pool = POOLS[sys.argv[3] if len(sys.argv) > 3 else pool](CORES)

    async def handle(request):
        factor = float(request.query.get("escala", "0.5"))
        body = await request.read()
        try:
            file = await asyncio.get_running_loop().run_in_executor(pool, work, body, factor)
        except Exception as error:
            return web.Response(status=422, text=str(error))
        return web.Response(body=file, content_type="image/jpeg")

    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/", handle)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, backlog=1024)


if __name__ == "__main__":
    main()
