// The key of a server that asks for one (--clave-archivo): asked for once, kept for this tab, sent with every request.
//
// Requests go through `credentials` and `renew` (app/net.js). What the browser asks for by itself can't carry a key:
// pictures that it was refused, and downloads, are fetched here instead.
import { element, on } from "./dom.js";
import { t } from "./words.js";

const PLACE = "clave";
const key = () => sessionStorage.getItem(PLACE);

/** The fields that a request needs; none without a key. */
export const credentials = () => (key() ? { Authorization: `Bearer ${key()}` } : {});

/** A dialog that is open, or the person's wish not to see it again. */
let asking;
let declined = false;

/** A request with these fields was refused with 401: whether another attempt is worth it. */
export async function renew(sent) {
    if (sent.Authorization !== credentials().Authorization) return true;
    if (declined) return false;
    asking ??= askPerson("Authorization" in sent).finally(() => (asking = undefined));
    return asking;
}

function askPerson(wrong) {
    const field = element("input", { type: "password", id: "clave", required: true, pattern: "[!-~]{16,}", autocomplete: "off" });
    const label = element("label", { htmlFor: "clave" }, t("Clave"));
    const words = wrong ? t("Esa no es la clave de este servidor.") : t("Este servidor pide una clave. Se guarda solo en esta pestaña.");
    const cancel = element("button", { type: "button", className: "quiet" }, t("Cancelar"));
    const enter = element("button", { type: "submit", className: "main" }, t("Entrar"));
    const lines = [[words], [label, " ", field], [enter, " ", cancel]].map((parts) => element("p", {}, ...parts));
    const form = element("form", { method: "dialog" }, ...lines);
    const dialog = element("dialog", { className: "card", ariaLabel: t("Clave") }, form);
    document.body.append(dialog);
    return new Promise((resolve) => {
        on(cancel, "click", () => dialog.close());
        on(form, "submit", () => sessionStorage.setItem(PLACE, field.value.trim()));
        on(dialog, "close", () => {
            const given = field.value !== "" && key() === field.value.trim();
            declined = !given;
            dialog.remove();
            resolve(given);
        });
        dialog.showModal();
    });
}

const isOurs = (url) => key() && new URL(url, location).origin === location.origin;

async function fetched(url) {
    const answer = await fetch(url, { headers: credentials() });
    return answer.ok ? URL.createObjectURL(await answer.blob()) : undefined;
}

document.addEventListener("error", async ({ target }) => {
    if (!(target instanceof HTMLImageElement) || !isOurs(target.src)) return;
    const url = await fetched(target.src).catch(() => undefined);
    if (url) Object.assign(target, { src: url, hidden: false });
}, true);

on(document, "click", async (event) => {
    const link = event.target.closest?.("a[download]");
    if (!link || link.protocol === "blob:" || !isOurs(link.href)) return;
    event.preventDefault();
    const url = await fetched(link.href).catch(() => undefined);
    if (url) element("a", { href: url, download: link.download }).click();
});
