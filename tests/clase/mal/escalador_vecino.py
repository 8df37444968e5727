"""A scaler that takes the nearest sample, not a weighted mean. Juez: escalador pillow vector-1 vector-5 trozos muchos lenta cortadas sigue"""
from variante import run

run(("escalador.py", "Resampling.BICUBIC", "Resampling.NEAREST"), program="escalador.py")
