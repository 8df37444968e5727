// What happens to one picture: sent, waited for, finished; and which ones this browser has sent.
//
//   new ──upload──▶ accepted (has an id) ──/estado/<id>?espera──▶ Completada | Error | Vencida | No encontrado
//
// Until it is accepted a task lives in this page alone; from then on the server has it, and all that is kept of it here
// is its id and its name. So a reloaded page, and a server that was stopped in between, find it again.
import { ask, lanes, patiently, send } from "./net.js";
import { say, warn } from "./dom.js";

const KEY = "tp2.tareas";
const KEPT_MAX = 50;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** How long one question about a task waits at the server, in seconds; then its state is shown. */
const WAIT = 2;

/** Uploads and waits at once. */
const inLane = lanes(3);

export class Task extends EventTarget {
    /** `file` and `wishes` (a query) of a new one, `id` of one that the server has. */
    constructor({ name, file = null, wishes = "", id = null }) {
        super();
        Object.assign(this, { name, file, wishes, id });
        /** As the server says it, with two of our own: "En cola" and "Enviando". */
        this.state = id ? "Pendiente" : "En cola";
        this.detail = "";
        /** Of an upload: 0 to 1. */
        this.progress = 0;
        /** What the server tells of it, once it does: `ancho`, `alto`, `bytes`, `formato`. */
        this.known = {};
        this.key = newKey();
        this.control = new AbortController();
    }

    get isOver() {
        return ["Completada", "Error", "Vencida", "No encontrado", "Cancelada"].includes(this.state);
    }

    get image() {
        return this.state === "Completada" && this.known.imagen ? `/tareas/${this.id}/imagen` : null;
    }

    /** To its end, which is one of its states: nothing is thrown. */
    async run() {
        const { signal } = this.control;
        try {
            await inLane(async () => {
                signal.throwIfAborted();
                if (!this.id) await this.#upload(signal);
                await this.#follow(signal);
            });
        } catch (error) {
            if (signal.aborted) return this.#become("Cancelada", "");
            this.#become(error.status === 404 ? "No encontrado" : "Error", error.message);
        }
        // Those of former visits were told of then.
        if (!this.file) return;
        if (this.state === "Completada") say(`${this.name}: lista`);
        else warn(`${this.name}: ${this.detail}`);
    }

    async #upload(signal) {
        // A directory that was dropped, a file that is gone: better known before it is sent.
        await this.file.slice(0, 1).arrayBuffer().catch(() => {
            throw new Error("No se puede leer el archivo. ¿Es una carpeta?");
        });
        const answer = await patiently(
            () => {
                this.#become("Enviando", "");
                const progress = (part) => { this.progress = part; this.#changed(); };
                const fields = { "Idempotency-Key": this.key };
                return send("POST", `/tareas?${this.wishes}`, this.file, { fields, progress, signal });
            },
            { signal, waiting: (error, pause) => this.#stalled(error, pause) },
        );
        const status = JSON.parse(answer.text);
        if (!ID.test(status.id_tarea)) throw new Error("El servidor dio una respuesta que no se entiende.");
        this.id = status.id_tarea;
        this.#learn(status);
    }

    /** A server that does not answer is waited for as long as it takes: it has the task. */
    async #follow(signal) {
        for (let wait = 0; !this.isOver; wait = WAIT) {
            const look = () => ask(`/estado/${this.id}?espera=${wait}`, "json", { signal, cache: "no-store" });
            const waiting = (error, pause) => this.#stalled(error, pause);
            this.#learn((await patiently(look, { signal, waiting, attempts: Infinity })).body);
        }
    }

    #stalled(error, pause) {
        this.#become(this.state, `${error.message} Se intenta otra vez en ${pause} s.`);
        warn(`${this.name}: ${this.detail}`);
    }

    #learn(status) {
        this.known = status;
        this.#become(status.estado, status.detalle);
    }

    #become(state, detail) {
        this.state = state;
        this.detail = detail;
        this.#changed();
    }

    #changed() {
        this.dispatchEvent(new Event("change"));
    }

    cancel() {
        this.control.abort(new DOMException("", "AbortError"));
    }

    /** The server forgets it too; whether it could be told does not matter here. */
    forget() {
        this.cancel();
        if (this.id) ask(`/tareas/${this.id}`, "text", { method: "DELETE", keepalive: true }).catch(() => {});
    }

    /** The result: its bytes, and its size as the answer's fields tell it. */
    async result(signal) {
        const { body, field } = await ask(this.image, "blob", { signal });
        return { blob: body, width: Number(field("X-Ancho")), height: Number(field("X-Alto")) };
    }

    /** Has the server keep the result where a link leads to it; the link. */
    async link() {
        const answer = await patiently(() => send("POST", `/enlaces?${this.wishes}`, this.file), { attempts: 3 });
        return answer.field("Location");
    }
}

/** Under this name an upload may be sent again. crypto.randomUUID is for https alone. */
function newKey() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Those of former visits. What lies in the browser's store may be anything. */
export function recall() {
    try {
        const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
        return kept
            .filter(({ id, name }) => ID.test(id) && typeof name === "string")
            .slice(0, KEPT_MAX)
            .map(({ id, name }) => new Task({ id, name: name.slice(0, 255) }));
    } catch {
        return [];
    }
}

/** Keeps the names and ids of those that the server has; without a store the list lasts as long as the page. */
export function remember(tasks) {
    const kept = tasks.filter(({ id }) => id).slice(0, KEPT_MAX).map(({ id, name }) => ({ id, name }));
    try {
        localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
        // Full, or forbidden.
    }
}
