// Elements by hand, and words for people.
//
// Rule: what comes from outside (names of files and folders, what the server says) is text and stays text. There is no
// markup in any string of this page; the Content-Security-Policy makes the browser see to it. A number and its unit
// stay on one line (U+00A0).

export const byId = (id) => document.getElementById(id);

/** A new element with these properties and children; strings become text. */
export function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
}

/** A button that does something. */
export function button(text, action, className = "") {
    const made = element("button", { type: "button", className }, text);
    made.addEventListener("click", action);
    return made;
}

/** A name of somebody else's, which can't turn around the text beside it (Unicode's bidirectional controls). */
export const named = (name) => element("bdi", { title: name }, name);

/** Read aloud when the reader has finished. */
export const say = (text) => { byId("anuncio").textContent = text; };

/** Read aloud at once. */
export const warn = (text) => { byId("alerta").textContent = text; };

const number = (digits) => new Intl.NumberFormat("es", { maximumFractionDigits: digits });
const [whole, tenths, exact] = [number(0), number(1), number(3)];

export const count = (n) => whole.format(n);
export const rate = (n) => tenths.format(n);
export const factor = (n) => exact.format(n);

/** Bytes, as people write them. */
export function bytes(n) {
    if (n < 1000) return `${n}\u00a0bytes`;
    return n < 999_500 ? `${tenths.format(n / 1e3)}\u00a0kB` : `${tenths.format(n / 1e6)}\u00a0MB`;
}

/** Seconds, as people write them. */
export const seconds = (s) => (s < 1 ? `${tenths.format(s * 1000)}\u00a0ms` : `${tenths.format(s)}\u00a0s`);

/** Columns and rows. */
export const pixels = (width, height) => `${count(width)}\u00a0×\u00a0${count(height)}\u00a0px`;
