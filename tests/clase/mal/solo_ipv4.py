"""Listens at IPv4 alone, whatever it is told. Juez: http ipv6"""
from variante import run

run(("tp2.py", 'socket.AF_INET6 if ":" in ip else socket.AF_INET', "socket.AF_INET"),
    ("tp2.py", 'create_server((ip, port), family=family, backlog=1024, dualstack_ipv6=ip == "::")',
     'create_server(("", port), family=family, backlog=1024)'))
