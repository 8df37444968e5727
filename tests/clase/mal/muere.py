"""A picture that is broken ends the whole server. Juez: http rota"""
from variante import run

run(("tp2.py", "    except (OSError, SyntaxError, ValueError) as error:\n        raise",
     '    except (OSError, SyntaxError, ValueError) as error:\n        __import__("os").kill(__import__("os").getpid(), 15)\n        raise'))
