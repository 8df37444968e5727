// The server at a glance, out of /metrics: Prometheus's text format, read defensively. What is not told is not shown.
import { byId, count, element, rate, seconds } from "./dom.js";
import { Refusal, ask, sleep } from "./net.js";

/** Between two looks, in seconds. */
const EVERY = 2;

const STAGES = {
    read: "lectura", open: "archivo", queue: "espera", decode: "decodificar", scale: "escalar", encode: "codificar",
    keep: "guardar", write: "entrega",
};

/** Looks as long as the page is looked at; a server without figures has no panel. */
export async function watch() {
    let earlier = null;
    for (;;) {
        if (!document.hidden) {
            try {
                const { body } = await ask("/metrics", "text", { cache: "no-store" });
                const now = { at: performance.now(), ...parse(body) };
                draw(now, earlier);
                earlier = now;
            } catch (error) {
                if (error instanceof Refusal && error.status === 404) return;
                draw(null, null, error.message);
            }
        }
        await sleep(EVERY);
    }
}

/** Samples by name, those of the stages by stage: `queue="…"` and the like of other programs don't matter here. */
export function parse(text) {
    const [plain, sums, counts] = [{}, {}, {}];
    for (const line of text.split("\n")) {
        const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? ([-+.\deE]+)$/.exec(line) ?? [];
        const stage = /stage="(\w+)"/.exec(labels ?? "")?.[1];
        if (name === "tp2_stage_seconds_sum") sums[stage] = Number(value);
        else if (name === "tp2_stage_seconds_count") counts[stage] = Number(value);
        else if (name && labels === undefined) plain[name] = Number(value);
    }
    return { plain, sums, counts };
}

function draw(now, earlier, trouble) {
    const gauges = [];
    const gauge = (name, text) => gauges.push(element("div", {}, element("dt", {}, name), element("dd", {}, text)));
    const of = (name) => {
        const [used, max] = [now.plain[name], now.plain[`${name}_max`]];
        return max === undefined ? count(used) : `${count(used)} de ${count(max)}`;
    };
    if (!now) {
        gauge("Estado", trouble);
    } else {
        const { plain } = now;
        if ("tp2_queue_places" in plain) gauge("En cola o en proceso", of("tp2_queue_places"));
        if ("tp2_workers_busy" in plain) {
            gauge("Hilos ocupados", `${count(plain.tp2_workers_busy)} de ${count(plain.tp2_workers)}`);
        }
        if (earlier && now.counts.encode !== undefined) {
            const made = now.counts.encode - (earlier.counts.encode ?? 0);
            // A server that was started anew counts from nothing.
            gauge("Imágenes por segundo", rate(Math.max(0, made) / ((now.at - earlier.at) / 1000)));
        }
        if ("tp2_connections" in plain) gauge("Conexiones", count(plain.tp2_connections));
        if ("process_resident_memory_bytes" in plain) {
            gauge("Memoria", `${count(plain.process_resident_memory_bytes / 2 ** 20)} MiB`);
        }
    }
    byId("medidas").replaceChildren(...gauges);
    byId("servidor").hidden = gauges.length === 0 || (!now && byId("servidor").hidden);
    drawStages(now);
}

/** Seconds a picture spends in each stage, on the average since the server began. */
function drawStages(now) {
    const means = Object.keys(STAGES)
        .filter((stage) => now?.counts[stage] > 0)
        .map((stage) => [STAGES[stage], now.sums[stage] / now.counts[stage]]);
    const longest = Math.max(...means.map(([, mean]) => mean));
    const rows = means.map(([name, mean]) => {
        const bar = element("meter", { value: longest > 0 ? mean / longest : 0 });
        bar.setAttribute("aria-label", name);
        return element(
            "tr", {},
            element("th", { scope: "row" }, name),
            element("td", {}, seconds(mean)),
            element("td", { className: "bar" }, bar),
        );
    });
    byId("etapas").querySelector("tbody").replaceChildren(...rows);
    byId("etapas").hidden = rows.length === 0;
}
