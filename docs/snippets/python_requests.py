"""Hands a picture in as a task and saves the result: python3 python_requests.py http://127.0.0.1:8080 foto.jpg gris.jpg"""
import sys, time
import requests

url, picture, result = sys.argv[1:]
with open(picture, "rb") as file:
    data = file.read()
while (answer := requests.post(f"{url}/tareas", data=data, params={"escala": 0.5})).status_code == 503:
    time.sleep(int(answer.headers["Retry-After"]))  # full, or just starting: it says when to come back
answer.raise_for_status()
task = answer.json()
while task["estado"] in ("Pendiente", "En progreso"):
    answer = requests.get(f"{url}/estado/{task['id_tarea']}", params={"espera": 60})  # answers when it has ended
    answer.raise_for_status()
    task = answer.json()
if task["estado"] != "Completada":
    sys.exit(task["detalle"])
with open(result, "wb") as file:
    file.write(requests.get(url + task["imagen"]).content)
