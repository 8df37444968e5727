"""Never waits for the children that have ended. Juez: http sin-zombis"""
from variante import run

run(("escalador.py", "True, 1024, 64, False\n", "True, 1024, 64, False\n    collect_children = lambda self, blocking=False: None\n"))
