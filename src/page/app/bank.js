// The image bank: its folders, and the faces in the one that is open.
//
// A face is an <img> of /carpetas/<folder>/<name>: to a browser that asks for a picture the server sends the JPEG.
import { button, byId, count, element, named, warn } from "./dom.js";
import { ask, segment } from "./net.js";

/** Faces that are shown at once. */
const PAGE = 60;

let open = null;
let next = null;

/** Shows the folders as they are now, and goes on showing the one that is open. */
export async function refresh() {
    const list = byId("carpetas");
    try {
        const { body } = await ask("/carpetas", "json", { cache: "no-store" });
        byId("banco").hidden = false;
        byId("banco-estado").textContent = body.carpetas.length === 0 ? "Todavía no hay carpetas." : "";
        list.replaceChildren(...body.carpetas.map(chip));
        if (open !== null) await enter(open);
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
    next = null;
    byId("caras").replaceChildren();
    for (const pressed of byId("carpetas").querySelectorAll("button")) {
        pressed.setAttribute("aria-pressed", String(pressed.dataset.folder === folder));
    }
    await more();
}

/** The next faces of the open folder. */
export async function more() {
    const folder = open;
    const from = next === null ? "" : `&desde=${segment(next)}`;
    try {
        const { body } = await ask(`/carpetas/${segment(folder)}?cantidad=${PAGE}${from}`, "json", { cache: "no-store" });
        // Another one may have been opened meanwhile.
        if (folder !== open) return;
        byId("contenido-titulo").replaceChildren(named(folder), `: ${count(body.imagenes)} imágenes`);
        byId("caras").append(...body.nombres.map((name) => face(folder, name)));
        next = body.siguiente;
        byId("mas").hidden = next === null;
        byId("contenido").hidden = false;
    } catch (error) {
        byId("banco-estado").textContent = error.message;
        warn(error.message);
    }
}

function face(folder, name) {
    const src = `/carpetas/${segment(folder)}/${segment(name)}`;
    // The name is beside it; to hear it twice helps nobody.
    return element("li", {}, element("img", { src, alt: "", loading: "lazy", width: 80, height: 90 }), named(name));
}
