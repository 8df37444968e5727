"""Never closes its end of a connection for good. Juez: http descriptores"""
from variante import run

run(("tp2.py", "    writer.close()  # what", '    __import__("os").dup(writer.get_extra_info("socket").fileno())\n    writer.close()  # what'))
