"""Listens at :: as asyncio by itself does, where IPv4 is left out. Juez: http ipv4"""
from variante import run

run(("tp2.py", 'dualstack_ipv6=ip == "::"', "dualstack_ipv6=False"))
