"""A scaler without ForkingMixIn: one connection after the other, in one process. Juez: escalador lenta procesos"""
from variante import run

run(("escalador.py", "class Scaler(socketserver.ForkingMixIn, ", "class Scaler("),
    ("escalador.py", "        self.server.socket.close()  # inherited", "        # inherited"), program="escalador.py")
