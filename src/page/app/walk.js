// Files out of folders: what was dropped or chosen, with all sub-folders, as `{ file, path }`.

/** What was dropped, folders walked. Must be called while the event lasts: afterwards the list is empty. */
export async function dropped({ items, files }) {
    const entries = Array.from(items, (item) => item.kind === "file" && item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) return single(files);
    const found = [];
    for (const entry of entries) await walk(entry, "", found);
    return found;
}

async function walk(entry, before, found) {
    const path = before + entry.name;
    if (entry.isFile) return found.push({ path, file: await new Promise((good, bad) => entry.file(good, bad)) });
    const reader = entry.createReader();
    // A hundred at a time; an empty list is the end.
    for (let some = [0]; some.length > 0;) {
        some = await new Promise((good, bad) => reader.readEntries(good, bad));
        for (const inner of some) await walk(inner, `${path}/`, found);
    }
}

/** Files as they were chosen, each by itself. */
export const single = (files) => Array.from(files, (file) => ({ file, path: file.webkitRelativePath || file.name }));

const PICTURE = /\.(jpe?g|jfif|png|gif|webp|bmp|tiff?|p[abgnp]m|hei[cf]|avif)$/i;
const HIDDEN = /(^|\/)(\.[^/]*|Thumbs\.db|desktop\.ini)(\/|$)/i;

/** What of a folder is to be sent: pictures, and how many other files there are. Files that hide are the system's. A file
    that came by itself is always sent: the server says what it is. */
export function picturesOf(found) {
    const seen = found.filter(({ path }) => !path.includes("/") || !HIDDEN.test(path));
    const files = seen.filter(({ file, path }) =>
        !path.includes("/") || PICTURE.test(path) || file.type.startsWith("image/"));
    // Folders come in no order.
    if (files.some(({ path }) => path.includes("/"))) {
        const { compare } = new Intl.Collator(undefined, { numeric: true });
        files.sort((one, other) => compare(one.path, other.path));
    }
    return { files, others: seen.length - files.length };
}
