"""The second server has a thread for each connection, not a process. Juez: http procesos"""
from variante import run

run(("escalador.py", "socketserver.ForkingMixIn", "socketserver.ThreadingMixIn"),
    ("escalador.py", "        self.server.socket.close()  # inherited", "        # inherited"),
    ("escalador.py", "signal.alarm(TIME)", "None"), ("escalador.py", "signal.alarm(0)", "None"), ("escalador.py", "signal.alarm(2)", "None"))
