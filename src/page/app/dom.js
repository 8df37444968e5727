// Elements by hand, and words for people.
//
// Rule: what comes from outside (names of files and folders, what the server says) is text and stays text. There is no
// markup in any string of this page; the Content-Security-Policy makes the browser see to it. A number and its unit
// stay on one line (U+00A0).
import { language, t } from "./words.js";

export const byId = (id) => document.getElementById(id);

/** What happens then: `target` is an element or its id, `kinds` are events with spaces between them. */
export function on(target, kinds, action) {
    const heard = typeof target === "string" ? byId(target) : target;
    for (const kind of kinds.split(" ")) heard.addEventListener(kind, action);
}

/** The text of the element with this id from now on. */
export const write = (id, text) => (byId(id).textContent = text);

/** A new element with these properties and children; strings become text. */
export function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
}

/** A button that does something. */
export function button(text, action, className = "") {
    const made = element("button", { type: "button", className }, text);
    on(made, "click", action);
    return made;
}

/** A name of somebody else's, which can't turn around the text beside it (Unicode's bidirectional controls). */
export const named = (name) => element("bdi", { title: name }, name);

/** The same on one line: where it is too long, its middle gives way, never its ending. */
export function lineOf(name) {
    const at = Math.max(0, name.length - 9);
    // A pair of surrogates stays together.
    const cut = /[\udc00-\udfff]/.test(name[at] ?? "") ? at - 1 : at;
    return element("bdi", { title: name, className: "line" },
        element("span", {}, name.slice(0, cut)), element("span", {}, name.slice(cut)));
}

/** Read aloud when the reader has finished. */
export const say = (text) => write("anuncio", text);

/** Read aloud at once. */
export const warn = (text) => write("alerta", text);

/** Asks; whether the answer was the verb. */
export function confirmed(question, verb) {
    const dialog = byId("pregunta");
    write("pregunta-texto", question);
    dialog.querySelector("[value=si]").textContent = verb;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
        dialog.addEventListener("close", () => resolve(dialog.returnValue === "si"), { once: true });
    });
}

const number = (n, digits) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(n);

export const count = (n) => number(n, 0);
export const pictures = (n) => t("{0} [0|imagen|imágenes]", count(n));
export const rate = (n) => number(n, 1);

/** Bytes, as people write them. */
export function bytes(n) {
    if (n < 1000) return `${n}\u00a0bytes`;
    return n < 999_500 ? `${rate(n / 1e3)}\u00a0kB` : `${rate(n / 1e6)}\u00a0MB`;
}

/** Seconds, as people write them. */
export const seconds = (s) => (s < 1 ? `${rate(s * 1000)}\u00a0ms` : `${rate(s)}\u00a0s`);

/** Columns and rows. */
export const pixels = (width, height) => `${count(width)}\u00a0×\u00a0${count(height)}\u00a0px`;

/** A part of one, as people write it. */
export const percent = (text, part) => t(text, number(part * 100, 1)).replace(" %", "\u00a0%");
