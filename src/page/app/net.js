// Talking to the server: requests that come back with an answer or with an error in words.
//
// Two things can go wrong: the server says no (Refusal: its own sentence, out of application/problem+json, RFC 9457),
// or does not answer (Unreachable). What may pass by itself is tried again by `patiently`, as tp2-cliente does; while
// the server does not answer, one look at /healthz now and then stands for all that wait, and a banner says so.
import { byId, write } from "./dom.js";
import { credentials, renew } from "./key.js";
import { t, told } from "./words.js";

/** The server's no. */
export class Refusal extends Error {
    constructor(status, text, retryAfter) {
        super(told(status, detailOf(text) ?? t("El servidor respondió con el código {0}.", status)));
        this.status = status;
        this.retryAfter = Number(retryAfter) || 0;
    }
}

/** No answer at all. */
export class Unreachable extends Error {
    constructor() {
        super(t("No hay respuesta del servidor."));
    }
}

function detailOf(text) {
    try {
        const { detail, detalle, title } = JSON.parse(text);
        return [detail, detalle, title].find((words) => typeof words === "string" && words !== "");
    } catch {
        return undefined;
    }
}

/** A request without a body, or with a short one. `read` is what to make of the answer: "json", "blob", "text". */
export async function ask(target, read, options = {}) {
    try {
        const sent = credentials();
        // JSON answers change.
        const cache = read === "json" ? "no-store" : "default";
        const answer = await fetch(target, { cache, ...options, headers: { ...options.headers, ...sent } });
        if (answer.status === 401 && (await renew(sent))) return ask(target, read, options);
        if (!answer.ok) throw new Refusal(answer.status, await answer.text(), answer.headers.get("Retry-After"));
        return { body: await answer[read](), field: (name) => answer.headers.get(name) };
    } catch (error) {
        // From fetch: the connection broke, or the body was cut.
        throw error instanceof TypeError || error instanceof SyntaxError ? new Unreachable() : error;
    }
}

/** Sends a file, telling how far it has come (0 to 1). */
export async function send(method, target, file, options = {}) {
    const sent = credentials();
    try {
        return await upload(method, target, file, { ...options, fields: { ...options.fields, ...sent } });
    } catch (error) {
        if (error.status !== 401 || !(await renew(sent))) throw error;
        return send(method, target, file, options);
    }
}

/** Not by fetch, which can't tell how far it has come. */
function upload(method, target, file, { fields, progress, signal }) {
    return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        const abort = () => request.abort();
        request.open(method, target);
        // The server looks at the bytes; a type out of the file's name would only mislead it.
        request.setRequestHeader("Content-Type", "application/octet-stream");
        for (const [name, value] of Object.entries(fields)) request.setRequestHeader(name, value);
        request.upload.onprogress = ({ loaded, total }) => progress?.(total ? loaded / total : 1);
        request.onload = () => {
            const { status, responseText } = request;
            const field = (name) => request.getResponseHeader(name);
            if (status >= 200 && status < 300) resolve({ status, text: responseText, field });
            else reject(new Refusal(status, responseText, field("Retry-After")));
        };
        request.onerror = () => reject(new Unreachable());
        request.onabort = () => reject(signal?.reason);
        request.onloadend = () => signal?.removeEventListener("abort", abort);
        signal?.addEventListener("abort", abort);
        signal?.throwIfAborted();
        request.send(file);
    });
}

/** Most attempts; the longest pause between two of them, in seconds, unless the server asks for a longer one. */
const ATTEMPTS = 8;
const PAUSE_MAX = 10;

/** Tries until it works or is refused for good. While the server is away no attempt counts; before a pause that the server
    asks for `waiting` hears why, and how many seconds. */
export async function patiently(attempt, { waiting, signal, attempts = ATTEMPTS }) {
    for (let number = 1; ; number++) {
        try {
            return await attempt();
        } catch (error) {
            const isAway = error instanceof Unreachable;
            if (isAway && (await until(serverIsBack(), signal))) number = 0;
            if (!(isAway || [502, 503, 504].includes(error.status)) || number >= attempts) throw error;
            if (number === 0) continue;
            const pause = Math.max(error.retryAfter ?? 0, Math.min(2 ** (number - 1), PAUSE_MAX));
            waiting?.(error, pause);
            await sleep(pause, signal);
        }
    }
}

let looking = null;

/** Until the server answers; whether it was away. */
function serverIsBack() {
    looking ??= look().finally(() => {
        looking = null;
        byId("aviso").hidden = true;
    });
    return looking;
}

async function look() {
    for (let number = 0; ; number++) {
        if (await fetch("/healthz", { cache: "no-store" }).then(() => true, () => false)) return number > 0;
        const pause = Math.min(2 ** number, PAUSE_MAX);
        byId("aviso").hidden = false;
        write("aviso-texto", [
            t("{0} Se intenta otra vez en {1} s.", t("No hay respuesta del servidor."), pause),
            t("Nada se pierde: lo que falta se envía cuando vuelva."),
        ].join(" "));
        const pressed = new AbortController();
        byId("aviso-ahora").onclick = () => pressed.abort();
        await sleep(pause, pressed.signal).catch(() => {});
    }
}

/** The same promise, unless it is called off before. */
function until(promise, signal) {
    return new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
        promise.then(resolve, reject);
    });
}

/** So many seconds, or until it is called off. */
export function sleep(time, signal) {
    return until(new Promise((resolve) => setTimeout(resolve, time * 1000)), signal);
}

/** At most so many things at once; the others wait in order. A browser has six connections to a server, and some of
    them wait for tasks to end. */
export function lanes(count) {
    const waiting = [];
    let free = count;
    return async (work) => {
        if (free > 0) free -= 1;
        else await new Promise((resolve) => waiting.push(resolve));
        try {
            return await work();
        } finally {
            const next = waiting.shift();
            if (next) next();
            else free += 1;
        }
    };
}

/** A segment of a path; names are data, whatever is in them. */
export const segment = (name) => encodeURIComponent(name.toWellFormed?.() ?? name);
