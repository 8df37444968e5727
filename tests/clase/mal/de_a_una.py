"""Reads one upload at a time: a slow client stops all others. Juez: http subida-lenta"""
from variante import run

run(("tp2.py", "        body, factor = await reader.readexactly(length), query.get(\"escala\")\n",
     "        async with queue.turn:\n"
     "            body, factor = await reader.readexactly(length), query.get(\"escala\")\n"),
    ("tp2.py", "async def main(listener):\n", "async def main(listener):\n    queue.turn = asyncio.Lock()\n"))
