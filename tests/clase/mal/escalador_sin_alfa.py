"""A scaler that resizes gray and transparency apart: what is invisible lends its colour. Juez: escalador vector-5"""
from variante import run

run(("escalador.py", "image.resize(after, Image.Resampling.BICUBIC)",
     "Image.merge(mode, [one.resize(after, Image.Resampling.BICUBIC) for one in image.split()])"), program="escalador.py")
