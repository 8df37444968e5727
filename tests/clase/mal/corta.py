"""Closes when the answer is written to the buffer, not when it is sent. Juez: http entera"""
from variante import run

run(("tp2.py", "writer.close()  # what is still to be sent is sent", "writer.transport.abort()"),
    ("tp2.py", "await asyncio.wait_for(to_end(reader), 2)", "pass"))
