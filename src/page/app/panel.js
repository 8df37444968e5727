// The server at a glance, out of /panel.json: looked at once for the defaults that the page names, then every five
// seconds while the panel is open. Its figures have their places from the start, so nothing jumps.
import { byId, count, element, on, rate, seconds } from "./dom.js";
import { ask, sleep } from "./net.js";
import { t } from "./words.js";

/** Between two looks, in seconds. */
const EVERY = 5;

const STAGES = {
    read: "lectura", open: "archivo", queue: "espera", decode: "decodificar", scale: "escalar", encode: "codificar",
    keep: "guardar", write: "entrega",
};

/** What the server said of itself last: `escala`, `max_cuerpo` and its figures; nothing before it has answered. */
export const server = {};

const panel = byId("servidor");
let [earlier, trouble] = [null, ""];

/** Looks once; throws nothing. */
export async function look() {
    try {
        const { body } = await ask("/panel.json", "json");
        earlier = server.at ? { ...server } : null;
        Object.assign(server, body, { at: performance.now() });
        trouble = "";
    } catch (error) {
        trouble = error.message;
    }
    draw();
}

/** Looks for as long as the panel is open and the page is looked at. */
export function watch() {
    let round = 0;
    on(panel, "toggle", async () => {
        const mine = ++round;
        while (panel.open && mine === round) {
            if (!document.hidden) await look();
            await sleep(EVERY);
        }
    });
    on(document, "idioma", draw);
}

const of = ([now, max]) => t("{0} de {1}", count(now), count(max));

function draw() {
    const { cola, hilos, conexiones, memoria, listo, at, etapas = {} } = server;
    const made = (etapas.encode?.[1] ?? 0) - (earlier?.etapas?.encode?.[1] ?? 0);
    const figures = [
        ["Estado", trouble || (listo === undefined ? "…" : t(listo ? "listo" : "no recibe trabajo"))],
        ["En cola o en proceso", cola && of(cola)],
        ["Hilos ocupados", hilos && of(hilos)],
        // A server that was started anew counts from nothing.
        ["Imágenes por segundo", earlier && rate(Math.max(0, made) / ((at - earlier.at) / 1000))],
        ["Conexiones", conexiones && of(conexiones)],
        ["Memoria", memoria && `${count(memoria / 1e6)}\u00a0MB`],
    ];
    byId("medidas").replaceChildren(...figures.map(([name, text]) =>
        element("div", {}, element("dt", {}, t(name)), element("dd", {}, text || "–"))));
    const means = Object.keys(STAGES)
        .filter((stage) => etapas[stage]?.[1] > 0)
        .map((stage) => [t(STAGES[stage]), etapas[stage][0] / etapas[stage][1]]);
    const longest = Math.max(...means.map(([, mean]) => mean));
    byId("etapas").querySelector("tbody").replaceChildren(...means.map(([name, mean]) => {
        const bar = element("meter", { value: longest > 0 ? mean / longest : 0, ariaLabel: name });
        return element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, seconds(mean)),
            element("td", { className: "bar" }, bar));
    }));
    byId("etapas").hidden = means.length === 0;
}
