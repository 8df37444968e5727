// What happens to one picture: sent, waited for, finished.
//
//   new ──upload──▶ accepted (has an id) ──/estado/<id>?espera──▶ Completada | Error | Vencida | No encontrado
//
// Until it is accepted the browser keeps its file (app/store.js), from then on its id: a reloaded page, and a server
// that was stopped in between, go on with it.
import { ask, lanes, patiently, send } from "./net.js";
import { bytes } from "./dom.js";
import { server } from "./panel.js";
import { drop, keep, tellTabs } from "./store.js";
import { t } from "./words.js";

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const KEY = /^[0-9a-f]{32}$/;
/** How long one question about a task waits at the server, in seconds; then its state is shown. */
const WAIT = 2;

/** Uploads and waits at once. */
const inLane = lanes(3);

export class Task extends EventTarget {
    #awaken = null;

    /** `path` (a file's, with its folders), `file` and `wishes` (a query) of a new one; `id` of one that the server has. */
    constructor({ path, file = null, wishes = "", id = null, link = null, key = newKey(), at = order() }) {
        super();
        Object.assign(this, { path, file, wishes, id, link, key, at });
        this.name = path.split("/").pop();
        /** As the server says it, with four of our own: «En cola», «Enviando», «Cancelada», «En otra pestaña». */
        this.state = id ? "Pendiente" : "En cola";
        this.detail = "";
        /** Of an upload: 0 to 1. */
        this.progress = 0;
        /** What the server tells of it, once it does: `ancho`, `alto`, `bytes`, `formato`. */
        this.known = {};
        this.control = new AbortController();
    }

    get isDone() {
        return this.state === "Completada";
    }

    get isOver() {
        return ["Completada", "Error", "Vencida", "No encontrado", "Cancelada"].includes(this.state);
    }

    /** Lost, if this page went now and the browser had not kept it. */
    get isOnItsWay() {
        return !this.id && !this.isOver && !this.isElsewhere;
    }

    /** Another tab sends it. */
    get isElsewhere() {
        return this.#awaken !== null;
    }

    get image() {
        return this.isDone && this.known.imagen ? `/tareas/${this.id}/imagen` : null;
    }

    get #ending() {
        const { formato } = this.known;
        return formato === "jpeg" ? "jpg" : formato;
    }

    /** Of the result, beside the picture itself. */
    get resultName() {
        return `${this.name.replace(/\.[^.]*$/, "")}_gris.${this.#ending}`;
    }

    /** Of the result, in its place: the ending changes with the format alone. */
    get resultPath() {
        const same = { jpg: /\.(jpe?g|jfif)$/i, tiff: /\.tiff?$/i, pgm: /\.p[gn]m$/i }[this.#ending];
        if (same?.test(this.path)) return this.path;
        const stem = this.path.replace(/\.[^./]*$/, "");
        return this.path.toLowerCase().endsWith(`.${this.#ending}`) ? this.path : `${stem}.${this.#ending}`;
    }

    /** To its end, which is one of its states: nothing is thrown. */
    async run() {
        const { signal } = this.control;
        try {
            if (this.#awaken) await new Promise((resolve) => { this.#awaken = resolve; });
            await inLane(async () => {
                signal.throwIfAborted();
                if (!this.id) await this.#upload(signal);
                await this.#follow(signal);
            });
        } catch (error) {
            if (signal.aborted) return this.#become("Cancelada", "");
            this.#become(error.status === 404 ? "No encontrado" : "Error", error.message);
        }
        // What was refused is not sent again by the next page.
        if (!this.id) drop(this.key).catch(() => {});
    }

    async #upload(signal) {
        const answer = await patiently(
            async () => {
                this.#become("Enviando", "");
                await check(this.file);
                const progress = (part) => { this.progress = part; this.#changed(); };
                const fields = { "Idempotency-Key": this.key };
                return send("POST", `/tareas?${this.wishes}`, this.file, { fields, progress, signal });
            },
            { signal, waiting: (error, pause) => this.#stalled(error, pause) },
        ).catch((error) => {
            throw error.status === 413 && server.max_cuerpo ? tooLarge(this.file) : error;
        });
        const status = JSON.parse(answer.text);
        if (!ID.test(status.id_tarea)) throw new Error(t("El servidor dio una respuesta que no se entiende."));
        this.id = status.id_tarea;
        tellTabs({ accepted: this.key, id: this.id });
        this.keep();
        this.#learn(status);
    }

    /** A server that does not answer is waited for as long as it takes: it has the task. */
    async #follow(signal) {
        for (let wait = 0; !this.isOver; wait = WAIT) {
            const look = () => ask(`/estado/${this.id}?espera=${wait}`, "json", { signal });
            const waiting = (error, pause) => this.#stalled(error, pause);
            this.#learn((await patiently(look, { signal, waiting, attempts: Infinity })).body);
        }
    }

    #stalled(error, pause) {
        this.#become(this.state, t("{0} Se intenta otra vez en {1} s.", error.message, pause));
    }

    #learn(status) {
        this.known = status;
        this.#become(status.estado, status.detalle ?? "");
    }

    #become(state, detail) {
        this.state = state;
        this.detail = detail;
        this.#changed();
    }

    #changed() {
        this.dispatchEvent(new Event("change"));
    }

    /** In the browser: its file until the server has it, then its id. A browser that can't says so on the page. */
    keep() {
        const record = () => {
            const { key, path, wishes, id, link, at } = this;
            if (this.isGone || (!id && this.isOver)) return null;
            return { key, path, wishes, id, link, at, file: id ? null : this.file };
        };
        keep(record).catch(() => document.dispatchEvent(new Event("sin-memoria")));
    }

    /** Another tab has it in hand. */
    leaveToOther() {
        this.#awaken = () => {};
        this.#become("En otra pestaña", "");
    }

    /** The other tab has sent it (`id`), or was closed before it had. */
    takeUp(id) {
        const awaken = this.#awaken;
        if (!awaken) return;
        this.id ??= id ?? null;
        this.#awaken = null;
        this.#become(this.id ? "Pendiente" : "En cola", "");
        awaken();
    }

    cancel() {
        this.control.abort();
        this.#awaken?.();
    }

    /** After it was cancelled: as if it had just been handed in. */
    revive() {
        this.control = new AbortController();
        this.#become(this.id ? "Pendiente" : "En cola", "");
    }

    /** The browser forgets it. */
    leave() {
        this.isGone = true;
        drop(this.key).catch(() => {});
    }

    /** The server forgets it, and the other tabs; whether they could be told does not matter here. */
    forget() {
        tellTabs({ gone: this.key, id: this.id });
        this.erase();
    }

    erase() {
        if (this.id) ask(`/tareas/${this.id}`, "text", { method: "DELETE", keepalive: true }).catch(() => {});
    }

    /** The result: its bytes, and its size as the answer's fields tell it. */
    async result(signal) {
        const { body, field } = await ask(this.image, "blob", { signal });
        return { blob: body, width: Number(field("X-Ancho")), height: Number(field("X-Alto")) };
    }

    /** Has the server keep a JPEG where a link leads to it, once; the link. */
    async makeLink() {
        if (!this.link) {
            const answer = await patiently(() => send("POST", `/enlaces?${this.wishes}`, this.file), { attempts: 3 });
            this.link = answer.field("Location");
            this.keep();
        }
        return this.link;
    }
}

/** What is better known before it is sent. */
async function check(file) {
    const head = await file.slice(0, 12).text().catch(() => {
        throw new Error(t("No se puede leer el archivo: ya no está, o cambió."));
    });
    // ISO/IEC 14496-12 §4.3: the brand behind «ftyp».
    if (/^.{4}ftyp(hei|hev|mif|msf|avi)/s.test(head)) {
        throw new Error(t("Es HEIC o AVIF, que el servidor no lee: conviértala a JPEG."));
    }
    if (server.max_cuerpo && file.size > server.max_cuerpo) throw tooLarge(file);
}

const tooLarge = (file) =>
    new Error(t("Pesa {0}; el servidor acepta hasta {1} (--max-cuerpo).", bytes(file.size), bytes(server.max_cuerpo)));

/** Under this name an upload may be sent again. crypto.randomUUID is for https alone. */
function newKey() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Later is greater. */
let latest = 0;
const order = () => (latest = Math.max(latest + 0.001, Date.now()));

/** A task out of the browser's store, where anything may lie; null for what is none. */
export function recalled(record) {
    const { key, path, wishes, id, link, at, file } = record ?? {};
    const isTask = KEY.test(key) && typeof path === "string" && path !== "" && typeof wishes === "string"
        && typeof at === "number" && (id ? ID.test(id) : file instanceof Blob);
    if (!isTask) return null;
    return new Task({ key, path, wishes, id: id ?? null, at, file: id ? null : file,
        link: typeof link === "string" ? link : null });
}
