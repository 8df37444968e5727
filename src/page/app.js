// The page comes to life: what is dropped, pasted or chosen is sent at once, with the wishes that stand in the form.
//
// The form itself works without any of this. Where to look: what happens to a picture, app/tasks.js; how it is shown,
// app/rows.js and app/compare.js; the bank, app/bank.js and app/folder.js; the figures, app/panel.js.
import { enter, more, refresh } from "./app/bank.js";
import { byId, factor } from "./app/dom.js";
import { sendFolder } from "./app/folder.js";
import { watch } from "./app/panel.js";
import { clear, restore, sendAll } from "./app/rows.js";

const form = byId("formulario");
const picture = byId("imagen");
const scale = byId("escala");
const slider = byId("deslizador");

/** Where the slider stops: equal steps for the hand, not for the factor. */
const STOPS = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

function sendFiles(files) {
    // A number out of range: the browser says which, and nothing is sent.
    if (!form.reportValidity()) return;
    const wishes = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
        if (typeof value === "string" && value !== "") wishes.set(name, value);
    }
    sendAll(files, wishes.toString());
}

function sendChosen() {
    const files = [...picture.files];
    // The same file may be chosen again.
    picture.value = "";
    sendFiles(files);
}

picture.multiple = true;
picture.required = false;
picture.addEventListener("change", sendChosen);
form.addEventListener("submit", (event) => {
    event.preventDefault();
    picture.click();
});
byId("lista").addEventListener("again", (event) => sendFiles([event.detail]));
byId("limpiar").addEventListener("click", clear);

// Dropped anywhere on the page; a browser would leave it for the picture otherwise.
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    document.body.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("over");
});
document.addEventListener("drop", (event) => {
    document.body.classList.remove("over");
    if (!carriesFiles(event)) return;
    event.preventDefault();
    sendFiles([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    sendFiles(files);
});

// The number is what counts; empty, the server's own factor. The slider writes it, and follows it.
function follow() {
    const value = Number(scale.value) || 0.5;
    const distance = (stop) => Math.abs(Math.log(stop / value));
    slider.value = STOPS.reduce((best, stop, at) => (distance(stop) < distance(STOPS[best]) ? at : best), 0);
    slider.setAttribute("aria-valuetext", scale.value === "" ? "el del servidor" : `${factor(value)} veces`);
}
slider.max = STOPS.length - 1;
slider.addEventListener("input", () => {
    scale.value = STOPS[slider.value];
    follow();
});
scale.addEventListener("input", follow);
follow();

const folder = byId("carpeta");
// Telephones can't choose folders.
byId("banco-acciones").querySelector("label").hidden = folder.hidden = !("webkitdirectory" in folder);
folder.addEventListener("change", async () => {
    const files = [...folder.files];
    folder.value = "";
    const name = files[0]?.webkitRelativePath.split("/")[0];
    await sendFolder(files, () => (name ? refresh().then(() => enter(name)) : refresh()));
});
byId("recargar").addEventListener("click", refresh);
byId("mas").addEventListener("click", more);

// An IPv6 address has brackets in an URL, and none for nc.
const { host, hostname, port } = location;
byId("terminal").textContent = byId("terminal").textContent
    .replace("SERVIDOR:PUERTO", host)
    .replace("SERVIDOR PUERTO", `${hostname.replace(/[[\]]/g, "")} ${port || 80}`);

restore();
refresh();
watch();
