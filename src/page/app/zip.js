// A ZIP of stored files, in pieces (APPNOTE.TXT 6.3.9). Names are UTF-8 (flag 11); sizes and checksums stand
// before the bytes, for all programs to open it; no ZIP64.
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
});

function crc(bytes) {
    let c = ~0;
    for (let at = 0; at < bytes.length; at++) c = (c >>> 8) ^ TABLE[(c ^ bytes[at]) & 255];
    return ~c >>> 0;
}

/** Little-endian numbers: pairs of width in bytes and value. */
function record(...pairs) {
    const out = [];
    for (const [width, value] of pairs) for (let at = 0; at < width; at++) out.push((value / 2 ** (8 * at)) & 255);
    return Uint8Array.from(out);
}

/** The pieces of the archive; `files` yields `{ name, bytes, date }`, one at a time. */
export async function* zip(files) {
    const entries = [];
    let [offset, size] = [0, 0];
    for await (const { name, bytes, date } of files) {
        const text = new TextEncoder().encode(name);
        const [day, time] = [
            ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate(),
            (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1),
        ];
        const common = [[2, 20], [2, 0x800], [2, 0], [2, time], [2, day], [4, crc(bytes)], [4, bytes.length],
            [4, bytes.length], [2, text.length], [2, 0]];
        yield record([4, 0x04034b50], ...common);
        yield text;
        yield bytes;
        // Made by Unix: unzip takes the name as it is.
        entries.push(record([4, 0x02014b50], [2, 0x314], ...common, [2, 0], [2, 0], [2, 0], [4, 0o100644 * 2 ** 16],
            [4, offset]), text);
        offset += 30 + text.length + bytes.length;
        size += 46 + text.length;
    }
    yield* entries;
    const total = entries.length / 2;
    yield record([4, 0x06054b50], [4, 0], [2, total], [2, total], [4, size], [4, offset], [2, 0]);
}
