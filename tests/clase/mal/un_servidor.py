"""Scales by itself, in a thread: there is no second server. Juez: http dos-servidores"""
from variante import run

run(("tp2.py", "await asyncio.wait_for(scale(image, factor), TIME)",
     "await in_thread(None, image.resize, tuple(max(1, int(side * factor)) for side in image.size), Image.Resampling.BICUBIC)"),
    ("tp2.py", '        multiprocessing.get_context("fork").Process(target=scaler.serve_forever, daemon=True).start()\n', ""))
