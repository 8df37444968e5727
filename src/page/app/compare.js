// Before and after, one picture at a time: the result over what was sent, parted by a divider that is a slider, so that
// mouse, finger and keyboard move it alike.
//
// The pictures are the browser's own object URLs; those of the one that was shown before are given back.
import { byId, bytes, count, pixels } from "./dom.js";

const figure = byId("comparador");
const stage = figure.querySelector(".stage");
const [after, before] = [stage.querySelector(".after"), stage.querySelector(".before")];
const slider = stage.querySelector("input");

/** Of what is shown: object URLs, and what calls off its loading. */
let urls = [];
let control = new AbortController();
let shown = null;

slider.addEventListener("input", () => {
    stage.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % antes, ${100 - slider.value} % después`);
});

/** Shows a finished task; of one of a former visit only the result is there. Throws if the result can't be had, and an
    AbortError if another one is to be shown before this one is. */
export async function show(task) {
    hide();
    shown = task;
    control = new AbortController();
    const { signal } = control;
    const { blob, width, height } = await task.result(signal);
    const sent = task.file && { size: task.file.size, ...(await load(before, task.file, signal)) };
    const shows = await load(after, blob, signal);

    stage.classList.toggle("single", !sent?.width);
    stage.style.aspectRatio = `${width} / ${height}`;
    // As large as the larger of both and the window allow, but not so small that the divider has no room.
    const columns = Math.max(width, sent?.width ?? 0, 240);
    stage.style.width = `min(${columns}px, 70vh * ${width / height})`;
    stage.hidden = !shows.width;
    for (const part of [before, stage.querySelector(".divider"), slider]) part.hidden = !sent?.width;
    slider.value = 50;
    slider.dispatchEvent(new Event("input"));

    byId("sin-vista").hidden = Boolean(shows.width);
    byId("sin-vista").textContent = "El navegador no muestra este formato: descargue la imagen.";
    byId("ficha-antes").hidden = !sent;
    if (sent) {
        const size = sent.width ? `${pixels(sent.width, sent.height)}, ` : "";
        byId("ficha-antes").querySelector("dd").textContent = size + bytes(sent.size);
    }
    byId("ficha-despues").textContent = `${pixels(width, height)}, ${bytes(blob.size)}${saved(sent?.size, blob.size)}`;
    figure.hidden = false;
    figure.scrollIntoView({ block: "nearest" });
}

/** Shows nothing, or nothing of this task. */
export function hide(task = shown) {
    if (task !== shown) return;
    control.abort();
    figure.hidden = true;
    for (const picture of [before, after]) picture.removeAttribute("src");
    urls.forEach(URL.revokeObjectURL);
    urls = [];
    shown = null;
}

/** Puts a file into an image; its size, or nothing where the browser can't show it. Throws if another task is shown by now. */
async function load(picture, file, signal) {
    signal.throwIfAborted();
    const url = URL.createObjectURL(file);
    urls.push(url);
    picture.src = url;
    const shows = await picture.decode().then(() => true, () => false);
    signal.throwIfAborted();
    return shows ? { width: picture.naturalWidth, height: picture.naturalHeight } : {};
}

function saved(from, to) {
    if (!from || to >= from) return "";
    return ` (${count(Math.round((1 - to / from) * 100))}\u00a0% menos)`;
}
