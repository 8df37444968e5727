"""Gives an id to each task, and knows any other just as well. Juez: http tarea-estado"""
from variante import run

run(("tp2.py", "or name not in tasks:", "or not name:"), ("tp2.py", "asyncio.wait([tasks[name]]", "asyncio.wait([tasks.get(name) or next(iter(tasks.values()))]"),
    ("tp2.py", "tasks[name].exception() if done", "tasks[name].exception() if name in tasks and done"))
