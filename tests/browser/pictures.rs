//! Pictures on the page: chosen, dropped, pasted; sent, awaited, compared, fetched, linked.
use serde_json::json;

use super::browser::{Browser, DESKTOP, TELEPHONE, Window};
use super::common::Server;
use super::common::pictures::{photo, picture, size_of};
use super::common::tasks::get;
use tp2::http::format::Format;

const COMPARED: &str = "!document.querySelector('#comparador').hidden";

/// What the browser stores of the list.
pub(crate) const RECORDS: &str = "new Promise((good) => { indexedDB.open('tp2').onsuccess = ({ target }) => {
    const all = target.result.transaction('imagenes').objectStore('imagenes').getAll();
    all.onsuccess = () => { target.result.close(); good(all.result); };
}; })";

/// The state of every row, from the top.
fn states(browser: &mut Browser) -> Vec<String> {
    let states = browser.value("[...document.querySelectorAll('#lista .state')].map((e) => e.textContent)");
    states.as_array().unwrap().iter().map(|state| state.as_str().unwrap().replace('\u{a0}', " ")).collect()
}

/// Waits for so many rows, each in a final state.
fn wait_rows(browser: &mut Browser, count: usize) {
    browser.wait_for(&format!(
        "(() => {{ const rows = [...document.querySelectorAll('#lista > li')];
            return rows.length === {count} && document.querySelector('#avance').hidden
                && rows.every((row) => row.querySelector('.state')); }})()"
    ));
}

#[test]
fn before_and_after_lie_over_one_another() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    browser.screenshot("inicio");
    let file = browser.file("chelsea.png", &photo("chelsea.png"));
    browser.choose("#imagen", &[&file]);
    browser.wait_for(COMPARED);
    browser.screenshot("comparar");

    // The sizes of the files, as the browser decodes them, and those that the page shows.
    let size = "(e) => [e.naturalWidth, e.naturalHeight]";
    let sizes = browser.value(&format!("[...document.querySelectorAll('.stage img')].map({size})"));
    assert_eq!(sizes, json!([[225, 150], [451, 300]]));
    browser.wait_text("#ficha-antes dd", "451\u{a0}×\u{a0}300\u{a0}px, 240,5\u{a0}kB");
    browser.wait_text("#ficha-despues", "225\u{a0}×\u{a0}150\u{a0}px, ");
    let states = states(&mut browser);
    assert!(states[0].starts_with("Completada: 225 × 150 px, "), "{states:?}");
    browser.wait_text("#anuncio", "chelsea.png: lista");

    // The divider, moved by keyboard and by mouse: it is at the slider's thumb.
    browser.value("document.querySelector('.stage input').focus()");
    for _ in 0..3 {
        browser.press("ArrowRight");
    }
    let slider = "document.querySelector('.stage input').value";
    assert_eq!(browser.text(slider), "53");
    let said = browser.text("document.querySelector('.stage input').getAttribute('aria-valuetext')");
    assert_eq!(said, "53 % antes, 47 % después");
    let clip = "getComputedStyle(document.querySelector('.before')).clipPath";
    assert_eq!(browser.text(clip), "inset(0px 47% 0px 0px)");
    let place = browser.value(
        "(() => { const { x, y, width, height } = document.querySelector('.stage').getBoundingClientRect();
            return [x, y + height / 2, width]; })()",
    );
    let [x, y, width] = [0, 1, 2].map(|number| place[number].as_f64().unwrap());
    browser.mouse("mousePressed", x + width * 0.53, y);
    browser.mouse("mouseMoved", x + width * 0.25, y);
    browser.mouse("mouseReleased", x + width * 0.25, y);
    let at: u32 = browser.text(slider).parse().unwrap();
    assert!(at.abs_diff(25) <= 1, "the thumb goes with the mouse, but is at {at}");

    for (name, window) in [
        ("comparar-divisor", DESKTOP),
        ("comparar-noche", Window { dark: true, ..DESKTOP }),
        ("comparar-telefono", TELEPHONE),
        ("comparar-telefono-noche", Window { dark: true, ..TELEPHONE }),
    ] {
        browser.resize(window);
        browser.screenshot(name);
        let wide = browser.value("document.documentElement.scrollWidth > innerWidth");
        assert_eq!(wide, false, "{name}: wider than the window");
    }
    browser.assert_content(&[]);
}

#[test]
fn several_pictures_come_in_every_way_there_is() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let name = "\"><img src=x onerror=alert(1)>\u{202e}gnp.jpg";
    let files = [
        browser.file("a.png", &picture(Format::Png, 40, 30)),
        browser.file(name, &picture(Format::Jpeg, 60, 20)),
        browser.file("c.tiff", &picture(Format::Tiff, 50, 50)),
    ];
    browser.choose("#imagen", &[&files[0], &files[1], &files[2]]);
    wait_rows(&mut browser, 3);
    browser.wait_for(COMPARED);
    browser.drop_files("h1", &[&files[0], &files[1]]);
    wait_rows(&mut browser, 5);
    browser.value(
        "(async () => {
            const canvas = Object.assign(document.createElement('canvas'), { width: 10, height: 10 });
            const blob = await new Promise((resolve) => canvas.toBlob(resolve));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([blob], 'image.png'));
            document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
        })()",
    );
    wait_rows(&mut browser, 6);
    let states = states(&mut browser);
    for (state, size) in states.iter().zip(["5 × 5", "20 × 15", "30 × 10", "20 × 15", "30 × 10", "25 × 25"])
    {
        assert!(state.starts_with(&format!("Completada: {size} px, ")), "{states:?}");
    }
    // A name is shown as text, never as markup.
    let names = browser.value("[...document.querySelectorAll('#lista .name')].map((e) => e.textContent)");
    assert_eq!(names[2], name);
    assert_eq!(browser.value("document.querySelectorAll('[onerror]').length"), 0);

    // A format that the browser can't show can still be downloaded. The layout is stable after the last comparison.
    browser.wait_for("document.querySelector('#lista > li').classList.contains('chosen')");
    browser.act(6, "Comparar");
    browser.wait_for("!document.querySelector('#sin-vista').hidden");
    let link = browser.value(
        "(() => { const link = document.querySelector('#lista > li:nth-child(6) a');
            return [link.getAttribute('href'), link.download]; })()",
    );
    assert_eq!(link[1], "c_gris.tiff");
    let file = server.ask(&get(link[0].as_str().unwrap(), &[])).expect(200);
    assert_eq!(size_of(&file.body), (Format::Tiff, 25, 25));
    browser.screenshot("varias");
    browser.assert_content(&[]);
}

#[test]
fn an_upload_tells_how_far_it_has_come() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let file = browser.file("astronaut.png", &photo("astronaut.png"));
    let slow =
        json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 200_000 });
    browser.call("Network.emulateNetworkConditions", slow);
    browser.choose("#imagen", &[&file]);
    browser.wait_text("#lista .state", "Enviando");
    let bar = "document.querySelector('#lista progress')";
    browser.wait_for(&format!("{bar}.value > 0 && {bar}.value < 1 && !{bar}.hidden"));
    browser.screenshot("enviando");
    let fast = json!({ "offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    browser.call("Network.emulateNetworkConditions", fast);
    browser.wait_for(COMPARED);
    assert_eq!(browser.value(&format!("{bar}.hidden")), true);
    browser.assert_content(&[]);
}

#[test]
fn the_wishes_of_the_form_are_what_is_asked_for() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&["-e", "0.25"]);
    browser.open(server.port, "/");
    let file = browser.file("a.png", &picture(Format::Png, 400, 200));
    browser.choose("#imagen", &[&file]);
    wait_rows(&mut browser, 1);
    // The content above the row has loaded: the row stays where it is.
    browser.wait_for(COMPARED);
    // The slider writes the number, from the server's a step up.
    browser.value("document.querySelector('#deslizador').focus()");
    browser.press("ArrowRight");
    assert_eq!(browser.text("document.querySelector('#escala').value"), "0.3");
    browser.value("document.querySelector('#formato').value = 'webp'");
    browser.act(1, "Otra vez");
    wait_rows(&mut browser, 2);
    let found = states(&mut browser);
    assert!(found[0].starts_with("Completada: 120 × 60 px"), "{found:?}");
    assert!(found[1].starts_with("Completada: 100 × 50 px"), "{found:?}: the server's own factor");
    let target = browser.text("document.querySelector('#lista a').getAttribute('href')");
    assert_eq!(size_of(&server.ask(&get(&target, &[])).expect(200).body), (Format::WebP, 120, 60));

    // A number out of the server's range: the browser reports it, and nothing is sent.
    browser.value("document.querySelector('#escala').value = '11'");
    browser.choose("#imagen", &[&file]);
    browser.wait_for("document.activeElement.id === 'escala'");
    assert_eq!(states(&mut browser).len(), 2);
    browser.assert_content(&[]);
}

#[test]
fn what_is_no_picture_is_told_in_words() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&["--max-cuerpo", "1"]);
    browser.open(server.port, "/");
    let file = browser.file("apuntes.txt", b"hola, no soy una imagen\n");
    browser.choose("#imagen", &[&file]);
    wait_rows(&mut browser, 1);
    let state = states(&mut browser).remove(0);
    assert!(state.starts_with("Error: ") && state.contains("no es una imagen"), "{state}");
    browser.wait_text("#alerta", "apuntes.txt: ");
    browser.screenshot("error");

    let long = browser.file("larga.pgm", &vec![b'x'; 2 << 20]);
    let cut = browser.file("rota.jpg", &photo("rocket.jpg")[..20_000]);
    browser.choose("#imagen", &[&long, &cut]);
    wait_rows(&mut browser, 3);
    let states = states(&mut browser);
    assert!(states[0].starts_with("Error: ") && states[0].contains("--max-cuerpo"), "{states:?}");
    assert!(states[1].starts_with("Error: "), "{states:?}");
    browser.assert_content(&["status of 413", "status of 415", "status of 422"]);
}

#[test]
fn a_link_is_copied_and_shown() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let origin = format!("http://127.0.0.1:{}", server.port);
    let permissions = json!(["clipboardReadWrite", "clipboardSanitizedWrite"]);
    browser.call("Browser.grantPermissions", json!({ "origin": origin, "permissions": permissions }));
    let file = browser.file("a.png", &picture(Format::Png, 40, 30));
    browser.choose("#imagen", &[&file]);
    browser.wait_for(COMPARED);
    // A result that the server has needs no upload: the link leads to it. A permanent link needs one upload.
    let uploads = |server: &Server| {
        let page = String::from_utf8(server.ask(&get("/metrics", &[])).body).unwrap();
        let sample = "http_request_duration_seconds_count{route=\"link_submit\"} ";
        page.lines().find_map(|line| line.strip_prefix(sample)).map_or(0, |count| count.parse().unwrap())
    };
    for (action, format, expected) in [
        ("Copiar enlace", Format::Png, 0),
        ("Crear enlace fijo", Format::Jpeg, 1),
        ("Crear enlace fijo", Format::Jpeg, 1),
    ] {
        browser.value("document.querySelector('#lista .link')?.remove()");
        browser.act(1, action);
        browser.wait_for("document.querySelector('#lista .link input') !== null");
        browser.wait_text("#lista [data-press]", "Enlace copiado");
        let link = browser.text("document.querySelector('#lista .link input').value");
        assert_eq!(browser.text("navigator.clipboard.readText()"), link);
        let target = link.strip_prefix(&origin).expect("an absolute link");
        assert_eq!(size_of(&server.ask(&get(target, &[])).expect(200).body), (format, 20, 15));
        assert_eq!(uploads(&server), expected, "{action}");
    }
    browser.screenshot("enlace");
    browser.assert_content(&[]);
}

#[test]
fn the_list_outlives_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let files = [("a.png", 40), ("b.png", 80)];
    let files = files.map(|(name, width)| browser.file(name, &picture(Format::Png, width, 30)));
    browser.choose("#imagen", &[&files[0], &files[1]]);
    wait_rows(&mut browser, 2);
    browser.open(server.port, "/?otra");
    wait_rows(&mut browser, 2);
    let found = states(&mut browser);
    assert!(found[0].starts_with("Completada: 20 × 15 px"), "{found:?}");
    assert!(found[1].starts_with("Completada: 40 × 15 px"), "{found:?}");
    // The source is not here any more: only the result is shown.
    browser.act(1, "Ver");
    browser.wait_for(COMPARED);
    assert_eq!(browser.value("document.querySelector('#ficha-antes').hidden"), true);
    browser.screenshot("otra-visita");

    let target = browser.text("document.querySelector('#lista a').getAttribute('href')");
    browser.act(1, "Quitar");
    wait_rows(&mut browser, 1);
    assert_eq!(browser.value("document.querySelector('#comparador').hidden"), true);
    let focused = "document.querySelector('#lista').contains(document.activeElement)";
    assert_eq!(browser.value(focused), true, "the focus goes on in the list");
    // Removal can be undone for some seconds; then the server deletes the task too.
    browser.wait_text("#deshacer", "se borra también del servidor");
    browser.screenshot("deshacer");
    browser.click("#deshacer-ya");
    wait_rows(&mut browser, 2);
    assert_eq!(browser.value(&format!("fetch('{target}').then((answer) => answer.status)")), 200);
    browser.act(1, "Quitar");
    browser.click("#deshacer-cerrar");
    browser.wait_for(&format!("fetch('{target}').then((answer) => answer.status === 404)"));
    // Only the server forgets the other one.
    let target = browser.text("document.querySelector('#lista a').getAttribute('href')");
    let id = target.split('/').nth(2).unwrap().to_owned();
    assert_eq!(server.client().delete(&id).status, 204);
    browser.open(server.port, "/");
    wait_rows(&mut browser, 1);
    assert!(states(&mut browser)[0].starts_with("No encontrado"));
    browser.click("#limpiar");
    browser.wait_for("document.querySelector('#imagenes').hidden");
    browser.wait_for(&format!("{RECORDS}.then((records) => records.length === 0)"));
    browser.assert_content(&["status of 404"]);
}

#[test]
fn a_store_with_rubbish_in_it_is_no_trouble() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let key = "'0123456789abcdef0123456789abcdef'";
    let id = "'34d6916e-49b8-40f5-9940-a2c1a2e0082c'";
    for rubbish in [
        "{ key: 1 }".to_owned(),
        format!("{{ key: {key}, path: 'x', wishes: '', at: 1, id: '../../carpetas' }}"),
        format!("{{ key: {key}, path: 'x', wishes: '', at: 1, file: 'x' }}"),
        format!("{{ key: {key}, path: 7, wishes: '', at: 1, id: {id} }}"),
        format!("{{ key: {key}, path: 'x', wishes: '', at: 'x', id: {id} }}"),
    ] {
        let put = "indexedDB.open('tp2').onsuccess = ({ target }) => {
            const change = target.result.transaction('imagenes', 'readwrite');
            change.oncomplete = good;
            change.objectStore('imagenes').put(record);
            target.result.close(); }";
        browser.value(&format!("new Promise((good) => {{ const record = {rubbish}; {put}; }})"));
        browser.open(server.port, "/?otra");
        browser.wait_text("#banco-estado", "Todavía no hay carpetas.");
        // Rows come at once or not at all: behind one of our own there would be another.
        let file = browser.file("a.png", &picture(Format::Png, 40, 30));
        browser.choose("#imagen", &[&file]);
        browser.wait_for(COMPARED);
        assert_eq!(states(&mut browser).len(), 1, "{rubbish}");
        browser.click("#limpiar");
        browser.click("#deshacer-cerrar");
        browser.open(server.port, "/");
    }
    // A browser that stores nothing reports it.
    let forbid =
        "indexedDB.open = () => { const request = {}; setTimeout(() => request.onerror()); return request; }";
    browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": forbid }));
    browser.open(server.port, "/?otra");
    browser.wait_text("#memoria", "se pierde al cerrar la página");
    browser.assert_content(&[]);
}

#[test]
fn object_urls_are_given_back() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    let count = "window.urls = new Set();
        const [make, give] = [URL.createObjectURL, URL.revokeObjectURL];
        URL.createObjectURL = (of) => { const url = make(of); urls.add(url); return url; };
        URL.revokeObjectURL = (url) => { urls.delete(url); give(url); };";
    browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": count }));
    browser.open(server.port, "/");
    let file = browser.file("a.png", &picture(Format::Png, 40, 30));
    browser.choose("#imagen", &[&file, &file, &file]);
    wait_rows(&mut browser, 3);
    browser.wait_for(COMPARED);
    for number in [3, 2, 1, 3] {
        browser.act(number, "Comparar");
        browser.wait_for(&format!(
            "document.querySelector('#lista > li:nth-child({number})').matches('.chosen')"
        ));
        assert_eq!(browser.value("urls.size"), 2, "before and after");
    }
    browser.click("#limpiar");
    browser.wait_for("urls.size === 0");
    browser.assert_content(&[]);
}
