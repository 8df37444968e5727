// A folder of pictures into the bank: which of them does it lack, and those, a few at once.
//
// As tp2-cliente does it: the folder's own files, not those of folders within; whatever is wrong with one does not stop
// the others; one that is repeated sends nothing; what may pass by itself is tried again.
import { byId, count, element, named, pictures, say, warn, write } from "./dom.js";
import { ask, lanes, patiently, segment, send } from "./net.js";
import { t } from "./words.js";

const failures = byId("envio-fallas");

/** Pictures on their way at once, and names in one question. */
const HANDS = 3;
const NAMES = 1000;

/** Sends what an <input webkitdirectory> chose; `done` is called at the end, however it ends. */
export async function sendFolder(chosen, done) {
    // «folder/name»: whatever lies deeper has more parts. Files that hide are the system's.
    const all = Array.from(chosen, (file) => ({ file, parts: file.webkitRelativePath.split("/") }))
        .filter(({ parts }) => !parts.at(-1).startsWith("."));
    const files = all.filter(({ parts }) => parts.length === 2)
        .map(({ file, parts: [folder, name] }) => ({ file, folder, name }));
    if (files.length === 0) return tell(t("No hay archivos en esa carpeta."), 1);
    const control = new AbortController();
    const { signal } = control;
    const cancel = byId("envio-cancelar");
    const tally = { inserted: 0, existed: 0, failed: 0, total: files.length };
    failures.hidden = true;
    failures.querySelector("ul").replaceChildren();
    cancel.onclick = () => control.abort();
    cancel.hidden = false;
    try {
        const folder = `/carpetas/${segment(files[0].folder)}`;
        tell(t("Preguntando qué falta de {0}…", pictures(files.length)), 0);
        const missing = await missingOf(folder, files, signal);
        tally.existed = files.length - missing.length;
        const inLane = lanes(HANDS);
        await Promise.all(missing.map((entry) => inLane(() => deliver(folder, entry, tally, signal))));
        const deeper = all.length - files.length;
        const left = deeper ? t(" {0} en subcarpetas no se envían.", count(deeper)) : "";
        say(tell(t("Listo: {0}.", words(tally)) + left, 1));
    } catch (error) {
        const why = signal.aborted ? t("Cancelado") : error.message;
        warn(tell(`${why} (${words(tally)})`, 1));
    }
    cancel.hidden = true;
    done();
}

async function missingOf(folder, files, signal) {
    const missing = new Set();
    for (let at = 0; at < files.length; at += NAMES) {
        const nombres = files.slice(at, at + NAMES).map(({ name }) => name);
        const options = { method: "POST", body: JSON.stringify({ nombres }), signal };
        const question = () => ask(`${folder}/faltantes`, "json", options);
        const { body } = await patiently(question, { signal, waiting: stalled });
        body.faltantes.forEach((name) => missing.add(name));
    }
    return files.filter(({ name }) => missing.has(name));
}

async function deliver(folder, { file, name }, tally, signal) {
    try {
        signal.throwIfAborted();
        const put = () => send("PUT", `${folder}/${segment(name)}`, file, { signal });
        const { status } = await patiently(put, { signal, waiting: stalled });
        tally[status === 201 ? "inserted" : "existed"] += 1;
    } catch (error) {
        // The server did not answer after all those attempts: the other pictures would fail too.
        if (signal.aborted || !error.status) throw error;
        tally.failed += 1;
        failures.querySelector("ul").append(element("li", {}, named(name), `: ${error.message}`));
        failures.querySelector("summary").textContent = t("{0} con error", count(tally.failed));
        failures.hidden = false;
    }
    const { inserted, existed, failed, total } = tally;
    tell(t("{0}, de {1}", words(tally), count(total)), (inserted + existed + failed) / total);
}

function stalled(error, pause) {
    write("envio-texto", t("{0} Se intenta otra vez en {1} s.", error.message, pause));
}

const words = ({ inserted, existed, failed }) =>
    t("{0} insertada[0||s], {1} ya existía[1||n], {2} con error", count(inserted), count(existed), count(failed));

function tell(text, part) {
    byId("envio").hidden = false;
    byId("envio-avance").value = part;
    return write("envio-texto", text);
}
