// The scripts of the page: files that are dropped, pasted or chosen are sent at once, with the parameters in the form.
//
// The form itself works without any of this. Where to look: what happens to a picture, app/tasks.js; how it is shown,
// app/rows.js and app/compare.js; the bank, app/bank.js and app/folder.js; the figures, app/panel.js.
import { enter, startBank, refresh } from "./app/bank.js";
import { offer } from "./app/compare.js";
import { byId, count, on, percent, warn, write } from "./app/dom.js";
import { sendFolder } from "./app/folder.js";
import { look, server, watch } from "./app/panel.js";
import { clear, downloadAll, restore, sendAll } from "./app/rows.js";
import { dropped, picturesOf, single } from "./app/walk.js";
import { language, switchLanguage, t } from "./app/words.js";

const form = byId("formulario");
const picture = byId("imagen");
const scale = byId("escala");
const slider = byId("deslizador");

/** Where the slider stops: equal steps for the hand, not for the factor. */
const STOPS = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
/** What stands in the form without having been chosen. */
const UNCHOSEN = { modo: null, fondo: "#ffffff" };

/** What the form asks for, as a query. */
function wishes() {
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
        if (typeof value !== "string" || value === "" || name === "modo" || value === UNCHOSEN[name]) continue;
        asked.set(name, value.replace("#", ""));
    }
    return asked.toString();
}

function sendFound(found) {
    // A number out of range: the browser says which, and nothing is sent.
    if (!form.reportValidity()) return;
    const { files, others } = picturesOf(found);
    sendAll(files, wishes());
    byId("formatos").classList.toggle("strong", others > 0);
    if (others > 0) warn(write("formatos", t("Sin enviar, por no ser imágenes: {0}.", count(others))));
    else if (files.length === 0 && found.length >= 0) warn(t("No hay imágenes en esa carpeta."));
}

function sendChosen({ currentTarget }) {
    const found = single(currentTarget.files);
    // The same file may be chosen again.
    currentTarget.value = "";
    sendFound(found);
}

picture.multiple = true;
picture.required = false;
for (const id of ["imagen", "arbol", "camara"]) on(id, "change", sendChosen);
on(form, "submit", (event) => {
    event.preventDefault();
    picture.click();
});
const again = ({ file, path }) => form.reportValidity() && sendAll([{ file, path }], wishes());
on("lista", "again", (event) => again(event.detail));
on("limpiar", "click", clear);
on("todo", "click", downloadAll);
on(document, "sin-memoria", () => {
    write("memoria", t("Este navegador no puede guardar la lista: se pierde al cerrar la página."));
});

// Dropped anywhere on the page; a browser would leave it for the picture otherwise.
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
on(document, "dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    document.body.classList.add("over");
});
on(document, "dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("over");
});
on(document, "drop", async (event) => {
    document.body.classList.remove("over");
    if (!carriesFiles(event)) return;
    event.preventDefault();
    try {
        sendFound(await dropped(event.dataTransfer));
    } catch (error) {
        warn(error.message);
    }
});
on(document, "paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    sendFound(single(files));
});

// The factor's number is what counts; empty, the server's own. The slider writes it, and follows it.
function follow() {
    const value = Number(scale.value) || server.escala || 0.5;
    const distance = (stop) => Math.abs(Math.log(stop / value));
    slider.value = STOPS.reduce((best, stop, at) => (distance(stop) < distance(STOPS[best]) ? at : best), 0);
    const words = scale.value === "" ? percent("{0} %, el del servidor", value) : percent("{0} %", value);
    write("porcentaje", words);
    slider.ariaValueText = words;
    if (server.escala) scale.placeholder = server.escala;
}

/** One way to name a size at a time: the fields of the other are not sent. */
function drawMode() {
    const sides = form.elements.modo.value === "lados";
    byId("por-factor").hidden = scale.disabled = sides;
    byId("por-lados").hidden = byId("ancho").disabled = byId("alto").disabled = !sides;
}

function drawOffer() {
    offer(wishes(), again);
}

slider.max = STOPS.length - 1;
on(slider, "input", () => {
    scale.value = STOPS[slider.value];
    follow();
});
on(scale, "input", follow);
on(form, "input change", () => {
    drawMode();
    drawOffer();
});
on(document, "mostrada", drawOffer);
drawMode();

const folder = byId("carpeta");
// Some telephones can't choose folders.
for (const id of ["carpeta", "arbol"]) {
    byId(id).hidden = document.querySelector(`label[for=${id}]`).hidden = !("webkitdirectory" in folder);
}
on(folder, "change", async () => {
    const files = [...folder.files];
    folder.value = "";
    const name = files[0]?.webkitRelativePath.split("/")[0];
    await sendFolder(files, () => (name ? refresh().then(() => enter(name)) : refresh()));
});

// The other language by its own name.
function drawLanguage() {
    byId("idioma").lang = language === "es" ? "en" : "es";
    write("idioma", language === "es" ? "English" : "Español");
    follow();
}
on("idioma", "click", switchLanguage);
on(document, "idioma", drawLanguage);
drawLanguage();

// An IPv6 address has brackets in an URL, and none for nc.
const { host, hostname, port } = location;
write("terminal", byId("terminal").textContent
    .replace("SERVIDOR:PUERTO", host)
    .replace("SERVIDOR PUERTO", `${hostname.replace(/[[\]]/g, "")} ${port || 80}`));

look().then(follow);
restore();
startBank();
watch();
