"""A scaler whose children keep the listening socket that they were born with. Juez: escalador hijos-sin-escucha"""
from variante import run

run(("escalador.py", "        self.server.socket.close()  # inherited", "        # inherited"), program="escalador.py")
