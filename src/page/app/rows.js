// The list of pictures: one row for each task, newest first, with what can be done about it (app/row.js), and what is
// done with all: how far they are, the ZIP, removal that can be undone.
import { byId, count, element, on, pictures, say, warn, write } from "./dom.js";
import { hide, show } from "./compare.js";
import { Row } from "./row.js";
import { hearTabs, records, tellTabs } from "./store.js";
import { Task, recalled } from "./tasks.js";
import { recall, remember, t } from "./words.js";
import { zip } from "./zip.js";

/** How long a removal can be undone, and how long other tabs have to say what they send, in milliseconds. */
const UNDO = 8000;
const TABS = 200;
/** From here on a ZIP is written to the disk as it grows, where the browser can; and where it ends. */
const LARGE = 300e6;
const ZIP_MAX = 4e9;
/** Under which the keys of those lie that were removed as the page went. */
const REMOVED = "tp2.quitadas";

/** Newest first. */
let tasks = [];
const rowOf = new Map();
/** Gone from the list, not yet from the server. */
let removed = [];
let timer = 0;

/** Sends these `{ file, path }`, all with the same wishes (a query). */
export function sendAll(found, wishes) {
    if (found.length === 0) return;
    // The first one is the newest: it stands on top.
    const fresh = [...found].reverse().map(({ file, path }) => new Task({ path: path || t("imagen pegada"), file, wishes }));
    say(t("Enviando {0}", found.length === 1 ? fresh[0].name : pictures(found.length)));
    add(fresh);
    byId("imagenes").scrollIntoView({ block: "nearest" });
    for (const task of fresh) task.keep();
    // The one that a person looks at first is worked on first.
    const runs = fresh.reverse().map((task, number) => run(task, number === 0, fresh.length === 1));
    if (fresh.length > 1) Promise.all(runs).then(() => say(summary()));
}

/** Takes up those of former visits; what another tab is sending is left to it. */
export async function restore() {
    const elsewhere = new Set();
    hearTabs((message) => {
        const task = tasks.find(({ key }) => [message.accepted, message.gone].includes(key));
        if (message.who) tellTabs({ mine: tasks.filter((one) => one.isOnItsWay).map(({ key }) => key) });
        message.mine?.forEach((key) => elsewhere.add(key));
        if (message.accepted) task?.takeUp(message.id);
        if (message.gone && task) {
            take([task]);
            task.leave();
            // It was sent after all.
            if (task.id !== message.id) task.erase();
        }
        if (message.left) tasks.filter(({ key }) => message.left.includes(key)).forEach((one) => one.takeUp());
    });
    tellTabs({ who: true });
    try {
        const [found] = await Promise.all([records(), new Promise((resolve) => setTimeout(resolve, TABS))]);
        const gone = JSON.parse(recall(REMOVED) ?? "[]");
        remember(REMOVED, "[]");
        const all = found.map(recalled).filter((task) => task && !tasks.some(({ key }) => key === task.key));
        const former = all.filter(({ key }) => !gone.includes(key));
        for (const task of all) if (!former.includes(task)) task.leave();
        for (const task of former) if (!task.id && elsewhere.has(task.key)) task.leaveToOther();
        add(former);
        for (const task of tasks.filter((one) => former.includes(one))) run(task, false, false);
    } catch {
        document.dispatchEvent(new Event("sin-memoria"));
    }
}

function add(fresh) {
    tasks = [...fresh, ...tasks].sort((one, other) => other.at - one.at);
    for (const task of fresh) rowOf.set(task, new Row(task, { choose, remove: (one) => remove([one]) }));
    byId("lista").replaceChildren(...tasks.map((task) => rowOf.get(task).item));
    drawSummary();
}

/** How often a picture was asked for by hand. */
let picks = 0;

async function run(task, chosen, alone) {
    task.removeEventListener("change", drawSoon);
    task.addEventListener("change", drawSoon);
    const before = picks;
    await task.run();
    // What was asked for by hand meanwhile is not taken away.
    if (chosen && task.image && picks === before) choose(task, false);
    if (!task.file || task.state === "Cancelada") return;
    if (!task.isDone) warn(`${task.name}: ${task.detail}`);
    else if (alone) say(t("{0}: lista", task.name));
}

async function choose(task, byHand = true) {
    if (byHand) picks += 1;
    try {
        await show(task, byHand);
        rowOf.forEach((row, other) => row.item.classList.toggle("chosen", other === task));
        document.dispatchEvent(new Event("mostrada"));
    } catch (error) {
        if (error.name !== "AbortError") warn(`${task.name}: ${error.message}`);
    }
}

// How far all are; drawn at most once a frame.
let drawing = 0;

function drawSoon() {
    drawing ||= requestAnimationFrame(() => {
        drawing = 0;
        drawSummary();
    });
}

function summary() {
    const done = tasks.filter((task) => task.isDone).length;
    const failed = tasks.filter((task) => task.isOver).length - done;
    return t("{0} de {1} lista[1||s]", count(done), count(tasks.length)) + (failed ? t(", {0} con error", count(failed)) : "");
}

function drawSummary() {
    const over = tasks.filter((task) => task.isOver).length;
    byId("imagenes").hidden = tasks.length === 0;
    write("resumen", summary());
    byId("avance").hidden = over === tasks.length;
    byId("avance").value = tasks.length ? over / tasks.length : 0;
    byId("todo").hidden = !tasks.some((task) => task.image);
    byId("limpiar").hidden = over === 0;
}
on(document, "idioma", () => {
    rowOf.forEach((row) => row.redraw());
    drawSummary();
});

// Removal: from the list at once, from the server some seconds later.

/** Removes what has ended. */
export const clear = () => remove(tasks.filter((task) => task.isOver));

/** Out of the list; the focus goes on from where the row was. */
function take(gone) {
    const item = rowOf.get(gone[0])?.item;
    const held = gone.some((task) => rowOf.get(task)?.item.contains(document.activeElement));
    const next = item?.nextElementSibling ?? item?.previousElementSibling;
    tasks = tasks.filter((task) => !gone.includes(task));
    for (const task of gone) {
        hide(task);
        task.cancel();
        rowOf.get(task)?.item.remove();
        rowOf.delete(task);
    }
    drawSummary();
    if (held) (next?.querySelector("button, a") ?? byId("imagen")).focus();
}

function remove(gone) {
    if (gone.length === 0) return;
    take(gone);
    removed = [...removed, ...gone];
    const text = removed.length === 1
        ? t("Quitada: {0}. En unos segundos se borra también del servidor.", removed[0].name)
        : t("{0} quitadas. En unos segundos se borran también del servidor.", count(removed.length));
    byId("deshacer").hidden = false;
    write("deshacer-texto", text);
    start();
}

function start() {
    clearTimeout(timer);
    timer = setTimeout(settle, UNDO);
}

/** The removal is done. */
function settle() {
    clearTimeout(timer);
    const focused = byId("deshacer").contains(document.activeElement);
    byId("deshacer").hidden = true;
    for (const task of removed) {
        task.leave();
        task.forget();
    }
    removed = [];
    if (focused) byId("imagen").focus();
}

function undo() {
    clearTimeout(timer);
    byId("deshacer").hidden = true;
    const back = removed;
    removed = [];
    add(back);
    for (const task of back.filter((one) => one.state === "Cancelada")) {
        task.revive();
        run(task, false, false);
    }
    rowOf.get(back[0])?.item.querySelector("button, a")?.focus();
}

on("deshacer-ya", "click", undo);
on("deshacer-cerrar", "click", settle);
// Time stands still while the offer is looked at.
on("deshacer", "pointerenter focusin", () => clearTimeout(timer));
on("deshacer", "pointerleave focusout", () => !byId("deshacer").hidden && start());

on(window, "beforeunload", (event) => {
    if (tasks.some((task) => task.isOnItsWay)) event.preventDefault();
});
on(window, "pagehide", () => {
    // The records may outlive this page: there is no time left to see them go.
    if (removed.length > 0) remember(REMOVED, JSON.stringify(removed.map(({ key }) => key)));
    settle();
    tellTabs({ left: tasks.filter((task) => task.isOnItsWay).map(({ key }) => key) });
});

// All of them as one file.

/** A name that all systems take, and that none of the others has, whatever they think of capitals. */
function nameIn(task, taken) {
    const clean = task.resultPath.replace(/[<>:"|?*\\\x00-\x1f]/g, "_").replace(/(^|\/)(\.*\/)+/g, "$1");
    const [, stem, ending] = /^(.*?)(\.[^./]*)?$/s.exec(clean);
    for (let number = 1; ; number++) {
        const name = number === 1 ? clean : `${stem} (${number})${ending ?? ""}`;
        const folded = name.normalize().toLowerCase();
        if (!taken.has(folded)) return taken.add(folded) && name;
    }
}

export async function downloadAll() {
    const wanted = tasks.filter((task) => task.image).reverse();
    const size = wanted.reduce((sum, task) => sum + (task.known.bytes ?? 0), 0);
    const pressed = byId("todo");
    if (size > ZIP_MAX || wanted.length > 65_535) return warn(pressed.textContent = t("Son más de 4 GB: descárguelas por partes."));
    let missing = 0;
    async function* files() {
        const taken = new Set();
        for (const [number, task] of wanted.entries()) {
            pressed.textContent = t("ZIP: {0} de {1}", count(number + 1), count(wanted.length));
            const blob = await task.result().then((result) => result.blob, () => null);
            if (!blob) missing += 1;
            else yield { name: nameIn(task, taken), bytes: new Uint8Array(await blob.arrayBuffer()), date: new Date() };
        }
    }
    pressed.disabled = true;
    try {
        if (size > LARGE && window.showSaveFilePicker) {
            const file = await (await showSaveFilePicker({ suggestedName: "tp2.zip" })).createWritable();
            for await (const piece of zip(files())) await file.write(piece);
            await file.close();
        } else {
            // Blobs are the browser's, which moves them to its disk.
            const parts = [];
            for await (const piece of zip(files())) parts.push(new Blob([piece]));
            const whole = new Blob(parts, { type: "application/zip" });
            const link = element("a", { href: URL.createObjectURL(whole), download: "tp2.zip" });
            link.click();
            setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
        }
        say(t("ZIP listo: {0}", pictures(wanted.length - missing)) + (missing ? t(", ya no están: {0}", count(missing)) : ""));
        write("resumen", byId("anuncio").textContent);
    } catch (error) {
        if (error.name !== "AbortError") warn(error.message);
    }
    pressed.disabled = false;
    pressed.textContent = t("Descargar todo (ZIP)");
}
