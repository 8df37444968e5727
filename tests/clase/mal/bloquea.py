"""Converts in the event loop: while a large picture is decoded, nobody else is served. Juez: http grande"""
from variante import run

run(("tp2.py", "await in_thread(None, to_gray, data)", "to_gray(data)"),
    ("tp2.py", "await in_thread(None, to_file, scaled, kind)", "to_file(scaled, kind)"))
