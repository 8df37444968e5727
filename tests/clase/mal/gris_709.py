"""Gray by the weights of Rec. 709, not those of Rec. 601. Juez: http gris-601"""
from variante import run

run(("tp2.py", 'image.convert("L")', 'image.convert("RGB").convert("L", (0.2126, 0.7152, 0.0722, 0))'))
