"""Takes a body of any length into memory. Juez: http enorme"""
from variante import run

run(("tp2.py", "32 << 20", "1 << 50"))
