// Before and after, one picture at a time: the result over what was sent, parted by a divider that is a slider, so that
// mouse, finger and keyboard move it alike.
//
// The pictures are the browser's own object URLs; those of the one that was shown before are given back. That one stays
// until the next is there, so that nothing jumps.
import { byId, bytes, on, percent, pixels, write } from "./dom.js";
import { t } from "./words.js";

const figure = byId("comparador");
const stage = figure.querySelector(".stage");
const [after, before] = [stage.querySelector(".after"), stage.querySelector(".before")];
const slider = stage.querySelector("input");

/** What is shown, and its object URLs. */
let shown = null;
let urls = [];
/** What is to be shown next, and what calls off its loading. */
let next = null;
let control = new AbortController();
/** Draws the texts of what is shown. */
let label = () => {};

on(slider, "input", () => {
    stage.style.setProperty("--at", `${slider.value}%`);
    slider.ariaValueText = t("{0} % antes, {1} % después", slider.value, 100 - slider.value);
});
on(document, "idioma", () => label());

/** Shows a finished task; of one of a former visit only the result is there. Throws if the result can't be had, and an
    AbortError if another one is to be shown before this one is. Only one that was asked for by hand moves the page. */
export async function show(task, byHand) {
    control.abort();
    control = new AbortController();
    next = task;
    const { signal } = control;
    const { blob, width, height } = await task.result(signal);
    const sent = task.file && { size: task.file.size, ...(await load(task.file)) };
    const shows = await load(blob);
    const fresh = [sent?.url, shows.url];
    if (signal.aborted) {
        give(fresh);
        signal.throwIfAborted();
    }
    give(urls);
    [shown, next, urls] = [task, null, fresh];
    put(before, sent?.url);
    put(after, shows.url);

    stage.style.aspectRatio = `${width} / ${height}`;
    // As large as the larger of both and the window allow, but not so small that the divider has no room.
    const columns = Math.max(width, sent?.width ?? 0, 240);
    stage.style.width = `min(${columns}px, 70vh * ${width / height})`;
    stage.hidden = !shows.width;
    for (const part of [before, stage.querySelector(".divider"), slider]) part.hidden = !sent?.width;
    slider.value = 50;

    byId("sin-vista").hidden = Boolean(shows.width);
    byId("ficha-antes").hidden = !sent;
    label = () => {
        slider.dispatchEvent(new Event("input"));
        write("sin-vista", t("El navegador no muestra este formato: descargue la imagen."));
        const size = sent?.width ? `${pixels(sent.width, sent.height)}, ` : "";
        byId("ficha-antes").querySelector("dd").textContent = sent ? size + bytes(sent.size) : "";
        const saved = sent?.size > blob.size ? ` (${percent("{0} % menos", 1 - blob.size / sent.size)})` : "";
        write("ficha-despues", `${pixels(width, height)}, ${bytes(blob.size)}${saved}`);
    };
    label();
    if (byHand || figure.hidden) requestAnimationFrame(() => figure.scrollIntoView({ block: "nearest" }));
    figure.hidden = false;
}

/** Offers to make the shown picture again if it was not made with these wishes; `again` is called with its task. */
export function offer(wishes, again) {
    byId("rehacer").hidden = !shown?.file || shown.wishes === wishes;
    byId("rehacer").onclick = () => again(shown);
}

/** Shows nothing of this task. */
export function hide(task) {
    if (task === next) control.abort();
    if (task !== shown) return;
    figure.hidden = true;
    put(before);
    put(after);
    give(urls);
    [shown, urls] = [null, []];
    label = () => {};
}

const give = (gone) => gone.filter(Boolean).forEach((url) => URL.revokeObjectURL(url));

function put(picture, url) {
    if (url) picture.src = url;
    else picture.removeAttribute("src");
}

/** A file's object URL and size; no size where the browser can't show it. */
async function load(file) {
    const [url, picture] = [URL.createObjectURL(file), new Image()];
    picture.src = url;
    const shows = await picture.decode().then(() => true, () => false);
    return shows ? { url, width: picture.naturalWidth, height: picture.naturalHeight } : { url };
}
