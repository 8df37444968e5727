"""A scaler whose errors all have one code.
Juez: escalador vector-9 vector-10 vector-11 vector-12 vector-13 vector-15 vector-16 error-legible"""
from variante import run

run(("escalador.py", "code, reason = error.args if", "code, reason = (400, error.args[1]) if"), program="escalador.py")
