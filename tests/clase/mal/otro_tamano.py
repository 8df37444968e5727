"""Applies the factor twice. Juez: http tamano"""
from variante import run

run(("tp2.py", 'f"ESCALAR {factor}\\n', 'f"ESCALAR {factor * factor}\\n'))
