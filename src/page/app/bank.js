// The image bank: its folders, and the faces in the one that is open; both page by page. Any face opens large.
//
// A face is an <img> of /carpetas/<folder>/<name>: to a browser that asks for a picture the server sends the JPEG.
import { button, byId, confirmed, count, element, named, say, warn } from "./dom.js";
import { ask, segment } from "./net.js";
import { t } from "./words.js";

/** Folders and faces that are fetched at once. */
const FOLDERS = 100;
const FACES = 60;

/** The open folder, and how many faces it has. */
let open = null;
let total = 0;
/** Where the next pages begin. */
let [nextFolder, nextFace] = [null, null];

const where = (folder, name) => `/carpetas/${segment(folder)}${name === undefined ? "" : `/${segment(name)}`}`;
const page = (size, from) => `?cantidad=${size}${from === null ? "" : `&desde=${segment(from)}`}`;

/** Shows the folders as they are now, and goes on showing the one that is open. */
export async function refresh() {
    byId("carpetas").replaceChildren();
    nextFolder = null;
    await moreFolders();
    if (open !== null) await enter(open);
}

async function moreFolders() {
    try {
        const { body } = await ask(`/carpetas${page(FOLDERS, nextFolder)}`, "json", { cache: "no-store" });
        byId("carpetas").append(...body.carpetas.map(chip));
        nextFolder = body.siguiente ?? null;
        byId("mas-carpetas").hidden = nextFolder === null;
        byId("banco-estado").textContent = byId("carpetas").firstChild ? "" : t("Todavía no hay carpetas.");
    } catch (error) {
        byId("banco-estado").textContent = error.message;
    }
}

function chip({ nombre, imagenes }) {
    const pressed = button("", () => enter(nombre));
    pressed.append(named(nombre), " ", element("small", {}, `(${count(imagenes)})`));
    pressed.setAttribute("aria-pressed", String(nombre === open));
    pressed.dataset.folder = nombre;
    return element("li", {}, pressed);
}

/** Opens a folder. */
export async function enter(folder) {
    open = folder;
    nextFace = null;
    byId("caras").replaceChildren();
    for (const pressed of byId("carpetas").querySelectorAll("button")) {
        pressed.setAttribute("aria-pressed", String(pressed.dataset.folder === folder));
    }
    await moreFaces();
}

async function moreFaces() {
    const folder = open;
    try {
        const { body } = await ask(where(folder) + page(FACES, nextFace), "json", { cache: "no-store" });
        // Another one may have been opened meanwhile.
        if (folder !== open) return;
        total = body.imagenes;
        drawTitle();
        byId("caras").append(...body.nombres.map((name) => face(folder, name)));
        nextFace = body.siguiente;
        byId("mas").hidden = nextFace === null;
        byId("contenido").hidden = false;
    } catch (error) {
        byId("banco-estado").textContent = error.message;
        warn(error.message);
    }
}

function drawTitle() {
    if (open !== null) byId("contenido-titulo").replaceChildren(named(open), `: ${t("{0} imágenes", count(total))}`);
}

function face(folder, name) {
    const pressed = button("", () => show(pressed), "quiet");
    // The name is the button's own; to hear it twice helps none.
    pressed.append(
        element("img", { src: where(folder, name), alt: "", loading: "lazy", width: 80, height: 90 }), named(name));
    pressed.dataset.name = name;
    return element("li", {}, pressed);
}

// One face, large.
const dialog = byId("cara");
let shown = null;
const beside = (step) => shown?.parentElement[step]?.firstChild;

function show(pressed) {
    if (!pressed) return;
    shown = pressed;
    const { name } = pressed.dataset;
    byId("cara-nombre").replaceChildren(named(name));
    dialog.querySelector("img").src = where(open, name);
    byId("cara-antes").disabled = !beside("previousElementSibling");
    byId("cara-despues").disabled = !beside("nextElementSibling");
    if (!dialog.open) dialog.showModal();
}

/** Deletes; whether it is gone now: what is not there any more is. */
async function erase(target, question) {
    if (!(await confirmed(question, t("Borrar")))) return false;
    try {
        await ask(target, "text", { method: "DELETE" });
    } catch (error) {
        if (error.status !== 404) {
            warn(byId("banco-estado").textContent = error.message);
            return false;
        }
    }
    return true;
}

async function eraseFace() {
    const [gone, { name }] = [shown, shown.dataset];
    if (!(await erase(where(open, name), t("¿Borrar «{0}» del banco? No se puede deshacer.", name)))) return;
    const next = beside("nextElementSibling") ?? beside("previousElementSibling");
    gone.parentElement.remove();
    total -= 1;
    drawTitle();
    say(t("Borrada: {0}", name));
    if (next) show(next);
    else {
        dialog.close();
        await refresh();
        byId("recargar").focus();
    }
}

async function eraseFolder() {
    const question = t("¿Borrar la carpeta «{0}» con sus {1} imágenes? No se puede deshacer.", open, count(total));
    const folder = open;
    if (!(await erase(where(folder), question))) return;
    open = null;
    byId("contenido").hidden = true;
    say(t("Borrada: {0}", folder));
    await refresh();
    byId("recargar").focus();
}

export function startBank() {
    byId("recargar").addEventListener("click", refresh);
    byId("mas").addEventListener("click", moreFaces);
    byId("mas-carpetas").addEventListener("click", moreFolders);
    byId("borrar-carpeta").addEventListener("click", eraseFolder);
    byId("cara-antes").addEventListener("click", () => show(beside("previousElementSibling")));
    byId("cara-despues").addEventListener("click", () => show(beside("nextElementSibling")));
    byId("cara-borrar").addEventListener("click", eraseFace);
    byId("cara-cerrar").addEventListener("click", () => dialog.close());
    dialog.addEventListener("keydown", ({ key }) => {
        if (key === "ArrowLeft") show(beside("previousElementSibling"));
        if (key === "ArrowRight") show(beside("nextElementSibling"));
    });
    dialog.addEventListener("close", () => shown?.focus());
    document.addEventListener("idioma", refresh);
    return refresh();
}
