// The words of the page: Spanish in the document and the scripts, English beside it in the one table below.
//
// A Spanish text is its own key, and its own translation where there is none. {0}, {1} stand for what is put in; of
// [0|one|many] the first stands there where {0} is 1, else the second. The language is the one that was chosen here
// before, else the first of the browser's that is one of both, else Spanish. A switch redraws the page.
const ENGLISH = {
    // The document.
    "Tp2 - procesa imágenes": "Tp2 - processes pictures",
    "Suelte una imagen: vuelve en escala de grises y del tamaño que quiera.":
        "Drop a picture: it comes back in grayscale, at the size you want.",
    "Suelte imágenes o carpetas aquí": "Drop pictures or folders here",
    ", péguelas, o": ", paste them, or",
    "Imagen": "Picture",
    "Elegir imágenes": "Choose pictures",
    "Elegir una carpeta": "Choose a folder",
    "Tomar una foto": "Take a photo",
    "JPEG, PNG, GIF, WebP, BMP, TIFF o PNM. HEIC, no: conviértala antes a JPEG.":
        "JPEG, PNG, GIF, WebP, BMP, TIFF or PNM. Not HEIC: convert it to JPEG first.",
    "Tamaño": "Size",
    "Factor": "Factor",
    "Ancho y alto": "Width and height",
    "Factor de escala": "Scale factor",
    "Factor de escala: deslizador": "Scale factor: slider",
    "del servidor": "the server's",
    "Ancho máximo (px)": "Largest width (px)",
    "Alto máximo (px)": "Largest height (px)",
    "sin límite": "no limit",
    "Formato": "Format",
    "el de la imagen": "the picture's own",
    "Más opciones": "More options",
    "Calidad (1 a 100)": "Quality (1 to 100)",
    "Fondo, si el formato no tiene transparencia": "Background, if the format has no transparency",
    "Procesar": "Process",
    "Sus imágenes": "Your pictures",
    "Después: la imagen en gris y a escala": "After: the picture, gray and scaled",
    "Antes: la imagen enviada": "Before: the picture that was sent",
    "Divisor entre antes y después": "Divider between before and after",
    "Antes": "Before",
    "Después": "After",
    "Hacerla de nuevo con lo elegido": "Make it again with these choices",
    "Descargar todo (ZIP)": "Download all (ZIP)",
    "Quitar las terminadas": "Remove the finished ones",
    "La lista se guarda solo en este navegador.": "The list is kept in this browser alone.",
    "Banco de imágenes": "Image bank",
    "Cada imagen de una carpeta se guarda en gris, de 80 × 90 píxeles. Ninguna reemplaza a otra.":
        "Each picture of a folder is kept gray, at 80 × 90 pixels. None replaces another.",
    "Guardar una carpeta en el banco": "Keep a folder in the bank",
    "Actualizar": "Refresh",
    "Cancelar": "Cancel",
    "Ver más": "Show more",
    "Ver más carpetas": "Show more folders",
    "Borrar la carpeta": "Delete the folder",
    "El servidor, ahora": "The server, now",
    "Tiempo por etapa": "Time by stage",
    "Etapa": "Stage",
    "Tiempo": "Time",
    "Parte": "Share",
    "También desde una terminal:": "From a terminal as well:",
    "Órdenes para la terminal": "Commands for the terminal",
    "Intentar ahora": "Try now",
    "Deshacer": "Undo",
    "Cerrar": "Close",
    "Anterior": "Previous",
    "Siguiente": "Next",
    "Borrar": "Delete",
    // Choices.
    "{0} %, el del servidor": "{0}%, the server's",
    "{0} %": "{0}%",
    // Pictures.
    "imagen pegada": "pasted picture",
    "En cola": "Queued",
    "Enviando": "Uploading",
    "Pendiente": "Waiting",
    "En progreso": "In work",
    "Completada": "Done",
    "Vencida": "Expired",
    "No encontrado": "Not found",
    "Cancelada": "Cancelled",
    "En otra pestaña": "In another tab",
    "Enviando {0}": "Uploading {0}",
    "{0}: lista": "{0}: done",
    "{0} de {1} lista[1||s]": "{0} of {1} done",
    ", {0} con error": ", {0} failed",
    "Sin enviar, por no ser imágenes: {0}.": "Not sent, being no pictures: {0}.",
    "No hay imágenes en esa carpeta.": "There are no pictures in that folder.",
    "Envío de {0}": "Upload of {0}",
    "Descargar": "Download",
    "Más": "More",
    "Comparar": "Compare",
    "Ver": "View",
    "Copiar enlace": "Copy link",
    "al resultado, mientras el servidor lo guarde": "to the result, as long as the server keeps it",
    "Crear enlace fijo": "Make a lasting link",
    "un JPEG que queda en el servidor": "a JPEG that stays on the server",
    "Otra vez": "Again",
    "Quitar": "Remove",
    "borra el resultado del servidor": "deletes the result on the server",
    "Enlace a la imagen": "Link to the picture",
    "Enlace copiado": "Link copied",
    "El enlace está en el campo de texto": "The link is in the text field",
    "No hay enlace: {0}": "No link: {0}",
    "Quitada: {0}. En unos segundos se borra también del servidor.":
        "Removed: {0}. In some seconds it is deleted on the server too.",
    "{0} quitadas. En unos segundos se borran también del servidor.":
        "{0} removed. In some seconds they are deleted on the server too.",
    "No se puede leer el archivo: ya no está, o cambió.": "The file can't be read: it is gone, or has changed.",
    "Es HEIC o AVIF, que el servidor no lee: conviértala a JPEG.":
        "It is HEIC or AVIF, which the server does not read: convert it to JPEG.",
    "Pesa {0}; el servidor acepta hasta {1} (--max-cuerpo).":
        "It has {0}; the server takes up to {1} (--max-cuerpo).",
    "El servidor dio una respuesta que no se entiende.": "The server's answer makes no sense.",
    "{0} Se intenta otra vez en {1} s.": "{0} Next try in {1} s.",
    "Este navegador no puede guardar la lista: se pierde al cerrar la página.":
        "This browser can't keep the list: it is lost when the page is closed.",
    "El navegador no muestra este formato: descargue la imagen.":
        "The browser does not show this format: download the picture.",
    "{0} % antes, {1} % después": "{0}% before, {1}% after",
    "{0} % menos": "{0}% less",
    // The ZIP.
    "ZIP: {0} de {1}": "ZIP: {0} of {1}",
    "ZIP listo: {0}": "ZIP ready: {0}",
    ", ya no están: {0}": ", gone: {0}",
    "Son más de 4 GB: descárguelas por partes.": "It is more than 4 GB: download them in parts.",
    // The bank.
    "Todavía no hay carpetas.": "There are no folders yet.",
    "{0} [0|imagen|imágenes]": "{0} picture[0||s]",
    "¿Borrar «{0}» del banco? No se puede deshacer.": "Delete “{0}” from the bank? This can't be undone.",
    "¿Borrar la carpeta «{0}» con [1|su imagen|sus {1} imágenes]? No se puede deshacer.":
        "Delete the folder “{0}” with its [1|picture|{1} pictures]? This can't be undone.",
    "Borrada: {0}": "Deleted: {0}",
    "No hay archivos en esa carpeta.": "There are no files in that folder.",
    "Preguntando qué falta de {0}…": "Asking what is missing of {0}…",
    "Listo: {0}.": "Done: {0}.",
    "Cancelado": "Cancelled",
    "{0} insertada[0||s], {1} ya existía[1||n], {2} con error": "{0} inserted, {1} w[1|as|ere] there, {2} failed",
    "{0}, de {1}": "{0}, of {1}",
    " {0} en subcarpetas no se envían.": " {0} in sub-folders are not sent.",
    "{0} con error": "{0} failed",
    // The server.
    "No hay respuesta del servidor.": "The server does not answer.",
    "Nada se pierde: lo que falta se envía cuando vuelva.": "Nothing is lost: the rest is sent when it is back.",
    "El servidor respondió con el código {0}.": "The server answered with code {0}.",
    "Estado": "State",
    "listo": "ready",
    "no recibe trabajo": "takes no work",
    "En cola o en proceso": "Queued or in work",
    "Hilos ocupados": "Busy threads",
    "Imágenes por segundo": "Pictures per second",
    "Conexiones": "Connections",
    "Memoria": "Memory",
    "{0} de {1}": "{0} of {1}",
    "lectura": "reading", "archivo": "file", "espera": "waiting", "decodificar": "decoding", "escalar": "scaling",
    "codificar": "encoding", "guardar": "keeping", "entrega": "delivery",
    // The key.
    "Clave": "Key",
    "Entrar": "Enter",
    "Este servidor pide una clave. Se guarda solo en esta pestaña.": "This server asks for a key. It is kept in this tab alone.",
    "Esa no es la clave de este servidor.": "That is not this server's key.",
    // What the server says no with, by status: its own sentence is Spanish.
    401: "The server's key is missing.",
    403: "Pages of other sites may not do that.",
    404: "It is not there (any more).",
    410: "The result is no longer kept.",
    413: "The picture is too large for the server.",
    415: "This is not a picture that the server reads.",
    422: "The picture can't be decoded, is too large, or a choice is out of range.",
    503: "The server is busy, or is stopping.",
    504: "The picture was not ready in time.",
    507: "The server has no space left.",
};

const KEPT = "tp2.idioma";
const KNOWN = ["es", "en"];
const ATTRIBUTES = ["aria-label", "placeholder", "alt"];

export let language = "es";

/** A text in the language of the page. */
export function t(text, ...parts) {
    const words = (language === "en" && ENGLISH[text]) || text;
    return words.replace(/\[(\d)\|(.*?)\|(.*?)\]/g, (_, at, one, many) => (parts[at] === "1" ? one : many))
        .replace(/\{(\d)\}/g, (_, at) => parts[at]);
}

/** The server's sentence, or what stands for it in English. */
export const told = (status, text) => (language === "en" && ENGLISH[status]) || text;

/** What stands in the document, as Spanish as it came: how to put a text there, and the text. */
const standing = [];
const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
for (let node; (node = walker.nextNode());) {
    if (node.data?.trim()) {
        const [, before, text, after] = /^(\s*)(.*?)(\s*)$/s.exec(node.data);
        const target = node;
        if (ENGLISH[text]) standing.push([text, (words) => { target.data = before + words + after; }]);
    }
    for (const name of node.attributes ? ATTRIBUTES : []) {
        const [target, text] = [node, node.getAttribute(name)];
        if (ENGLISH[text]) standing.push([text, (words) => target.setAttribute(name, words)]);
    }
}

/** Speaks this language from now on; whatever draws texts of its own hears «idioma» on the document. */
export function speak(chosen) {
    language = KNOWN.includes(chosen) ? chosen : "es";
    document.documentElement.lang = language;
    for (const [text, put] of standing) put(t(text));
    document.dispatchEvent(new Event("idioma"));
}

/** The other language, remembered. */
export function switchLanguage() {
    speak(language === "es" ? "en" : "es");
    remember(KEPT, language);
}

/** A few words in the browser's store; where that is forbidden, nothing. */
export function remember(key, text) {
    try {
        localStorage.setItem(key, text);
    } catch {
        // It lasts as long as the page.
    }
}

export function recall(key) {
    try {
        return localStorage.getItem(key);
    } catch {
        return null;
    }
}

const own = navigator.languages.map((name) => name.slice(0, 2));
speak([recall(KEPT), ...own].find((name) => KNOWN.includes(name)));
