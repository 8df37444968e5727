// What outlives the page: a record for each picture in IndexedDB, with its file until the server has it.
//
// Several tabs share the records. Each tab writes only the records of its own pictures, one at a time, so none
// overwrites another's; a channel tells the other tabs which tab owns a picture, when it is accepted, and when it is
// gone. Another tab takes up what a closed tab had not sent, under the same Idempotency-Key: it becomes one task.

const STORE = "imagenes";

const opened = new Promise((resolve, reject) => {
    const request = indexedDB.open("tp2", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
});
// Callers that use it get the error.
opened.catch(() => {});

async function act(mode, action) {
    const transaction = (await opened).transaction(STORE, mode);
    const request = action(transaction.objectStore(STORE));
    return new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve(request?.result);
        transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
}

/** Changes that wait for their turn: so many at once, in their order, since 500 files at once would be copied at once. */
const BATCH = 20;
const waiting = [];
let busy = false;

function change(work) {
    const done = new Promise((resolve, reject) => waiting.push({ work, resolve, reject }));
    if (!busy) drain();
    return done;
}

async function drain() {
    busy = true;
    while (waiting.length > 0) {
        const some = waiting.splice(0, BATCH);
        await act("readwrite", (store) => some.forEach(({ work }) => work(store))).then(
            () => some.forEach(({ resolve }) => resolve()),
            (error) => some.forEach(({ reject }) => reject(error)),
        );
    }
    busy = false;
}

/** Keeps what `record` makes when its turn has come; nothing if it makes nothing. Throws if there is no room, or no store. */
export const keep = (record) => change((store) => {
    const made = record();
    if (made) store.put(made);
});
export const drop = (key) => change((store) => store.delete(key));
export const records = () => act("readonly", (store) => store.getAll());

/** The other tabs: a message is `{ who }`, `{ mine }`, `{ accepted, id }`, `{ gone, id }` or `{ left }`. */
const channel = new BroadcastChannel("tp2");
export const tellTabs = (message) => channel.postMessage(message);
export const hearTabs = (heard) => channel.addEventListener("message", ({ data }) => heard(data));
