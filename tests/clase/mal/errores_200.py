"""Tells errors with 200, as if all were well. Juez: http rota vacia texto"""
from variante import run

run(("tp2.py", "        status, words = error.args if", "        status, words = (200, error.args[1]) if"))
