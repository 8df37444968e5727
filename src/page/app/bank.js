// The image bank: its folders, and the faces in the one that is open; both page by page. Any face opens large.
//
// A face is an <img> of /carpetas/<folder>/<name>: to a browser that asks for a picture the server sends the JPEG.
import { button, byId, confirmed, count, element, named, on, pictures, say, warn, write } from "./dom.js";
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
        const { body } = await ask(`/carpetas${page(FOLDERS, nextFolder)}`, "json");
        byId("carpetas").append(...body.carpetas.map(chip));
        nextFolder = body.siguiente ?? null;
        byId("mas-carpetas").hidden = nextFolder === null;
        write("banco-estado", byId("carpetas").firstChild ? "" : t("Todavía no hay carpetas."));
    } catch (error) {
        write("banco-estado", error.message);
    }
}

function chip({ nombre, imagenes }) {
    const pressed = button("", () => enter(nombre));
    pressed.append(named(nombre), " ", element("small", {}, `(${count(imagenes)})`));
    pressed.ariaPressed = nombre === open;
    pressed.dataset.folder = nombre;
    return element("li", {}, pressed);
}

/** Opens a folder. */
export async function enter(folder) {
    open = folder;
    nextFace = null;
    byId("caras").replaceChildren();
    for (const pressed of byId("carpetas").querySelectorAll("button")) {
        pressed.ariaPressed = pressed.dataset.folder === folder;
    }
    await moreFaces();
}

async function moreFaces() {
    const folder = open;
    try {
        const { body } = await ask(where(folder) + page(FACES, nextFace), "json");
        // Another one may have been opened meanwhile.
        if (folder !== open) return;
        total = body.imagenes;
        drawTitle();
        byId("caras").append(...body.nombres.map((name) => face(folder, name)));
        nextFace = body.siguiente;
        byId("mas").hidden = nextFace === null;
        byId("contenido").hidden = false;
    } catch (error) {
        write("banco-estado", error.message);
        warn(error.message);
    }
}

function drawTitle() {
    if (open !== null) byId("contenido-titulo").replaceChildren(named(open), `: ${pictures(total)}`);
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
const before = () => shown?.parentElement.previousElementSibling?.firstChild;
const after = () => shown?.parentElement.nextElementSibling?.firstChild;

function show(pressed) {
    if (!pressed) return;
    shown = pressed;
    const { name } = pressed.dataset;
    byId("cara-nombre").replaceChildren(named(name));
    dialog.querySelector("img").src = where(open, name);
    byId("cara-antes").disabled = !before();
    byId("cara-despues").disabled = !after();
    if (!dialog.open) dialog.showModal();
}

/** Deletes; whether it is gone now: what is not there any more is. */
async function erase(target, question) {
    if (!(await confirmed(question, t("Borrar")))) return false;
    try {
        await ask(target, "text", { method: "DELETE" });
    } catch (error) {
        if (error.status !== 404) {
            warn(write("banco-estado", error.message));
            return false;
        }
    }
    return true;
}

async function eraseFace() {
    const [gone, { name }] = [shown, shown.dataset];
    if (!(await erase(where(open, name), t("¿Borrar «{0}» del banco? No se puede deshacer.", name)))) return;
    const next = after() ?? before();
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
    const question = t("¿Borrar la carpeta «{0}» con [1|su imagen|sus {1} imágenes]? No se puede deshacer.", open, count(total));
    const folder = open;
    if (!(await erase(where(folder), question))) return;
    open = null;
    byId("contenido").hidden = true;
    say(t("Borrada: {0}", folder));
    await refresh();
    byId("recargar").focus();
}

export function startBank() {
    on("recargar", "click", refresh);
    on("mas", "click", moreFaces);
    on("mas-carpetas", "click", moreFolders);
    on("borrar-carpeta", "click", eraseFolder);
    on("cara-antes", "click", () => show(before()));
    on("cara-despues", "click", () => show(after()));
    on("cara-borrar", "click", eraseFace);
    on("cara-cerrar", "click", () => dialog.close());
    on(dialog, "keydown", ({ key }) => {
        if (key === "ArrowLeft") show(before());
        if (key === "ArrowRight") show(after());
    });
    on(dialog, "close", () => shown?.focus());
    on(document, "idioma", refresh);
    return refresh();
}
