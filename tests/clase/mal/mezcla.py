"""Keeps the picture in work in a global variable, which all of the crew share. Juez: http muchos cortadas sigue"""
from variante import run

run(("tp2.py", "            image, kind = await in_thread(None, to_gray, data)\n",
     "            globals().update(zip(('image', 'kind'), await in_thread(None, to_gray, data)))\n"
     "            await asyncio.sleep(0.02)\n"))
