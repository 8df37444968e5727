// Hands a picture in as a task and saves the result: node javascript.mjs http://127.0.0.1:8080 foto.jpg gris.jpg
import { readFile, writeFile } from "node:fs/promises";

const [url, picture, result] = process.argv.slice(2);
const body = await readFile(picture);
let answer = await fetch(`${url}/tareas?escala=0.5`, { method: "POST", body });
while (answer.status === 503) {
  const seconds = Number(answer.headers.get("Retry-After")); // full, or just starting: it says when to come back
  await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  answer = await fetch(`${url}/tareas?escala=0.5`, { method: "POST", body });
}
let task = await answer.json();
if (!answer.ok) throw new Error(task.detail);
while (["Pendiente", "En progreso"].includes(task.estado)) {
  task = await (await fetch(`${url}/estado/${task.id_tarea}?espera=60`)).json(); // answers when it has ended
}
if (task.estado !== "Completada") throw new Error(task.detalle);
await writeFile(result, Buffer.from(await (await fetch(url + task.imagen)).arrayBuffer()));
