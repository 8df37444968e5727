// The list of pictures: one row for each task, newest first, with what can be done about it.
import { bytes, button, byId, element, named, pixels, say, warn } from "./dom.js";
import { hide, show } from "./compare.js";
import { Task, recall, remember } from "./tasks.js";

/** What a browser shows of what the server makes. */
const SHOWN = ["jpeg", "png", "webp", "gif", "bmp"];

/** Newest first. */
let tasks = [];
const rowOf = new Map();

/** Sends these files, all with the same wishes (a query). */
export function sendAll(files, wishes) {
    if (files.length === 0) return;
    const fresh = Array.from(files, (file) => new Task({ name: file.name || "imagen pegada", file, wishes }));
    say(files.length === 1 ? `Enviando ${fresh[0].name}` : `Enviando ${files.length} imágenes`);
    fresh.reverse().forEach((task) => add(task, true));
    byId("imagenes").scrollIntoView({ block: "nearest" });
    // The one that a person looks at first is worked on first.
    fresh.reverse().forEach((task, number) => run(task, number === 0));
}

/** Takes up those of former visits. */
export function restore() {
    tasks = recall();
    for (const task of tasks) {
        add(task, false);
        run(task, false);
    }
}

/** Removes what has ended, from the list and from the server. */
export function clear() {
    tasks.filter((task) => task.isOver).forEach(remove);
}

function add(task, first) {
    if (first) tasks.unshift(task);
    const row = new Row(task);
    rowOf.set(task, row);
    if (first) byId("lista").prepend(row.item);
    else byId("lista").append(row.item);
    byId("imagenes").hidden = false;
}

/** How often somebody has asked to see a picture. */
let picks = 0;

async function run(task, chosen) {
    const keep = () => { if (task.id) remember(tasks); };
    task.addEventListener("change", keep);
    const before = picks;
    await task.run();
    // What somebody has asked to see meanwhile is not taken away.
    if (chosen && task.image && picks === before) choose(task);
}

function remove(task) {
    task.forget();
    hide(task);
    tasks = tasks.filter((other) => other !== task);
    const item = rowOf.get(task).item;
    // Whoever uses the keyboard goes on from where the row was.
    const next = item.nextElementSibling ?? item.previousElementSibling;
    const held = item.contains(document.activeElement);
    item.remove();
    rowOf.delete(task);
    remember(tasks);
    byId("imagenes").hidden = tasks.length === 0;
    if (held) (next?.querySelector("button, a") ?? byId("imagen")).focus();
}

async function choose(task) {
    try {
        await show(task);
        rowOf.forEach((row, other) => row.item.classList.toggle("chosen", other === task));
    } catch (error) {
        if (error.name !== "AbortError") warn(`${task.name}: ${error.message}`);
    }
}

/** The row of one task. Its parts are made once and filled when something changes, so that the focus stays. */
class Row {
    #task;
    #shape = "";
    #thumb = element("img", { className: "thumb", alt: "", loading: "lazy", width: 48, height: 48 });
    #state = element("p", { className: "state" });
    #bar = element("progress", { max: 1, value: 0 });
    #actions = element("p", { className: "actions" });

    constructor(task) {
        this.#task = task;
        this.#bar.setAttribute("aria-label", `Envío de ${task.name}`);
        const words = element("div", {}, element("p", { className: "name" }, named(task.name)), this.#state, this.#bar);
        this.#thumb.hidden = true;
        this.item = element("li", {}, element("span", { className: "thumb" }, this.#thumb), words, this.#actions);
        task.addEventListener("change", () => this.#draw());
        this.#draw();
    }

    #draw() {
        const task = this.#task;
        const { ancho, alto, bytes: size, formato } = task.known;
        const done = task.state === "Completada" && ancho ? `${pixels(ancho, alto)}, ${bytes(size)}` : task.detail;
        this.#state.textContent = done ? `${task.state}: ${done}` : task.state;
        this.#state.className = `state ${task.state === "Completada" ? "good" : task.isOver ? "bad" : ""}`;
        this.#bar.hidden = task.state !== "Enviando";
        this.#bar.value = task.progress;
        if (task.image && SHOWN.includes(formato) && this.#thumb.hidden) {
            this.#thumb.src = task.image;
            this.#thumb.hidden = false;
        }
        // Buttons are made anew only when others are needed: a click that has begun finds its button.
        const shape = `${task.isOver} ${task.image}`;
        if (shape !== this.#shape) this.#actions.replaceChildren(...this.#buttons());
        this.#shape = shape;
    }

    #buttons() {
        const task = this.#task;
        const of = (made) => {
            made.setAttribute("aria-label", `${made.textContent}: ${task.name}`);
            return made;
        };
        if (!task.isOver) return [of(button("Cancelar", () => remove(task), "quiet"))];
        const made = [];
        if (task.image) {
            made.push(of(button(task.file ? "Comparar" : "Ver", () => {
                picks += 1;
                choose(task);
            })));
            const name = `${task.name.replace(/\.[^.]*$/, "")}_gris.${extension(task.known.formato)}`;
            made.push(of(element("a", { className: "button", href: task.image, download: name }, "Descargar")));
            if (task.file) made.push(of(button("Copiar enlace", (event) => this.#share(event.currentTarget))));
        }
        if (task.file) {
            const again = new CustomEvent("again", { detail: task.file, bubbles: true });
            made.push(of(button("Otra vez", (event) => event.currentTarget.dispatchEvent(again))));
        }
        made.push(of(button("Quitar", () => remove(task), "quiet")));
        return made;
    }

    /** The link into the clipboard, and into a field: a page without https may not use the clipboard. */
    async #share(pressed) {
        pressed.disabled = true;
        try {
            const link = await this.#task.link();
            const field = element("input", { type: "text", name: "enlace", readOnly: true, value: link });
            field.setAttribute("aria-label", "Enlace a la imagen");
            field.addEventListener("focus", () => field.select());
            this.item.querySelector(".link")?.remove();
            this.item.append(element("p", { className: "link" }, field));
            const copied = await navigator.clipboard?.writeText(link).then(() => true, () => false);
            if (!copied) field.focus();
            pressed.textContent = copied ? "Enlace copiado" : "Enlace listo";
            say(copied ? "Enlace copiado" : "El enlace está en el campo de texto");
        } catch (error) {
            this.#state.textContent = `No hay enlace: ${error.message}`;
            warn(this.#state.textContent);
        }
        pressed.disabled = false;
    }
}

const extension = (format) => ({ jpeg: "jpg" })[format] ?? format;
