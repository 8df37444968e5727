// The row of one picture. Until it comes near the window it is its name alone, so that 500 of them cost nothing; then
// its parts are made once, and filled when something changes, so that the focus stays.
import { bytes, button, element, lineOf, on, pixels, say, warn } from "./dom.js";
import { t } from "./words.js";

/** What a browser shows of what the server makes. */
const SHOWN = ["jpeg", "png", "webp", "gif", "bmp"];

const rows = new WeakMap();
const nearness = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        nearness.unobserve(target);
        rows.get(target).fill();
    }
}, { rootMargin: "800px" });

export class Row {
    #task;
    #actions;
    #shape = "";
    /** None until it is filled. */
    #parts = null;

    /** `actions`: `choose` and `remove`, of a task. */
    constructor(task, actions) {
        this.#task = task;
        this.#actions = actions;
        this.item = element("li", {}, element("p", { className: "name" }, lineOf(task.name)));
        rows.set(this.item, this);
        nearness.observe(this.item);
        on(task, "change", () => this.#draw());
    }

    /** In the language that is spoken now. */
    redraw() {
        this.#shape = "";
        this.#draw();
    }

    fill() {
        const thumb = element("img", { className: "thumb", alt: "", width: 48, height: 48, hidden: true });
        this.#parts = {
            thumb,
            state: element("p", { className: "state" }),
            bar: element("progress", { max: 1, value: 0 }),
            actions: element("p", { className: "actions" }),
        };
        const { state, bar, actions } = this.#parts;
        on(thumb, "error", () => { thumb.hidden = true; });
        const frame = element("span", { className: "thumb" }, thumb);
        on(frame, "click", () => this.#task.image && this.#actions.choose(this.#task));
        this.item.replaceChildren(frame, element("div", {}, this.item.firstChild, state, bar), actions);
        this.#draw();
    }

    #draw() {
        if (!this.#parts) return;
        const [task, { thumb, state, bar }] = [this.#task, this.#parts];
        const { ancho, alto, bytes: size, formato } = task.known;
        const done = task.isDone && ancho ? `${pixels(ancho, alto)}, ${bytes(size)}` : task.detail;
        state.textContent = done ? `${t(task.state)}: ${done}` : t(task.state);
        state.className = `state ${task.isDone ? "good" : task.isOver ? "bad" : ""}`;
        bar.hidden = task.state !== "Enviando";
        bar.value = task.progress;
        bar.ariaLabel = t("Envío de {0}", task.name);
        if (task.image && SHOWN.includes(formato) && thumb.hidden) {
            thumb.src = task.image;
            thumb.hidden = false;
            thumb.parentElement.classList.add("shows");
        }
        // Buttons are made anew only when others are needed: a click that has begun finds its button.
        const shape = `${task.isOver} ${task.image}`;
        if (shape !== this.#shape) this.#drawActions();
        this.#shape = shape;
    }

    /** What has to do with this picture, said of it by name. */
    #of(made) {
        made.ariaLabel = `${made.textContent.trim()}: ${this.#task.name}`;
        return made;
    }

    #drawActions() {
        const task = this.#task;
        this.item.querySelector(".more")?.remove();
        const remove = () => this.#actions.remove(task);
        const again = () => task.file && this.#of(button(t("Otra vez"), (event) => event.currentTarget.dispatchEvent(
            new CustomEvent("again", { detail: task, bubbles: true }))));
        let made;
        if (!task.isOver) made = [this.#of(button(t("Cancelar"), remove, "quiet"))];
        else if (!task.image) made = [again(), this.#of(button(t("Quitar"), remove, "quiet"))];
        else {
            const link = element("a", { className: "button first", href: task.image, download: task.resultName });
            link.append(t("Descargar"));
            const more = this.#of(button(t("Más"), () => this.#toggle(more, remove, again), "quiet"));
            more.ariaExpanded = false;
            made = [this.#of(link), more];
        }
        this.#parts.actions.replaceChildren(...made.filter(Boolean));
    }

    /** The rest of what can be done, below. */
    #toggle(pressed, remove, again) {
        const open = this.item.querySelector(".more");
        pressed.ariaExpanded = !open;
        if (open) return open.remove();
        const task = this.#task;
        const list = element("div", { className: "more actions" });
        const put = (...made) => list.append(...made.filter(Boolean));
        put(this.#of(button(t(task.file ? "Comparar" : "Ver"), () => this.#actions.choose(task))));
        const withNote = (text, what, action) => {
            const made = button(t(text), action);
            made.append(" ", element("small", {}, t(what)));
            return this.#of(made);
        };
        put(withNote("Copiar enlace", "al resultado, mientras el servidor lo guarde", (event) =>
            this.#share(event.currentTarget, async () => location.origin + task.image)));
        if (task.file || task.link) {
            put(withNote("Crear enlace fijo", "un JPEG que queda en el servidor", (event) =>
                this.#share(event.currentTarget, () => task.makeLink())));
        }
        put(again(), withNote("Quitar", "borra el resultado del servidor", remove));
        this.item.append(list);
    }

    /** A link into the clipboard, and into a field: a page without https may not use the clipboard. */
    async #share(pressed, make) {
        pressed.disabled = true;
        try {
            const link = await make();
            const field = element("input", { type: "text", name: "enlace", readOnly: true, value: link });
            field.ariaLabel = t("Enlace a la imagen");
            on(field, "focus", () => field.select());
            this.item.querySelector(".link")?.remove();
            pressed.parentElement?.append(element("p", { className: "link" }, field));
            const copied = await navigator.clipboard?.writeText(link).then(() => true, () => false);
            if (!copied) field.focus();
            say(copied ? t("Enlace copiado") : t("El enlace está en el campo de texto"));
            pressed.querySelector("small").textContent = copied ? t("Enlace copiado") : "";
            this.#of(pressed);
        } catch (error) {
            warn(this.#parts.state.textContent = t("No hay enlace: {0}", error.message));
        }
        pressed.disabled = false;
    }
}
