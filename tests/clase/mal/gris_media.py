"""Gray as the plain mean of the three channels. Juez: http gris-601"""
from variante import run

run(("tp2.py", 'image.convert("L")', 'image.convert("RGB").convert("L", (1 / 3, 1 / 3, 1 / 3, 0))'))
