//! Many pictures: folders, 120 photographs in and out as one ZIP, 500 rows.
use std::fs::File;
use std::io::Read;
use std::process::Command;

use serde_json::{Value, json};

use super::browser::Browser;
use super::common::pictures::{pgm, photo, picture, size_of};
use super::common::{Server, tools};
use super::lasting::several;
use tp2::http::format::Format;

/// Names and bytes of a ZIP, read by Python's own module, which checks the sums; and unzip's verdict.
fn unpacked(browser: &Browser, zip: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let path = browser.download(zip);
    let (unzip, python) = (tools::find("unzip")?, tools::find("python3")?);
    let tested = Command::new(unzip).arg("-tqq").arg(&path).output().unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
    let target = path.with_extension("d");
    let script = "import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.testzip() is None
    archive.extractall(sys.argv[2])
    print(json.dumps(archive.namelist()))";
    let read = Command::new(python).args(["-c", script]).arg(&path).arg(&target).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let names: Vec<String> = serde_json::from_slice(&read.stdout).unwrap();
    let file = |name: String| {
        let mut bytes = Vec::new();
        File::open(target.join(&name)).unwrap().read_to_end(&mut bytes).unwrap();
        (name, bytes)
    };
    Some(names.into_iter().map(file).collect())
}

#[test]
fn a_folder_becomes_gray_pictures_and_one_zip() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let alone = browser.file("chelsea.png", &photo("chelsea.png"));
    let first = browser.file("viaje ñ/a.png", &picture(Format::Png, 40, 30));
    browser.file("viaje ñ/dentro/b.JPG", &picture(Format::Jpeg, 60, 20));
    browser.file("viaje ñ/dentro/más/🙂.tif", &picture(Format::Tiff, 50, 50));
    browser.file("viaje ñ/notas.txt", b"nada");
    browser.file("viaje ñ/.DS_Store", b"nada");
    browser.file("viaje ñ/dentro/Thumbs.db", b"nada");
    let folder = first.parent().unwrap().to_owned();
    browser.drop_files("h1", &[&folder, &alone]);
    browser.wait_text("#resumen", "4 de 4 listas");
    browser.wait_text("#formatos", "Sin enviar, por no ser imágenes: 1.");
    // Choosing has the same result as dropping; nothing is added to the bank.
    browser.choose("#arbol", &[&folder]);
    browser.wait_text("#resumen", "7 de 7 listas");
    browser.screenshot("carpeta");
    let folders = browser.value("fetch('/carpetas').then((answer) => answer.json())");
    assert_eq!(folders["carpetas"], json!([]));
    // A single file is sent whatever its name is.
    let capital = browser.file("otra/Chelsea.PNG", &photo("chelsea.png"));
    browser.choose("#imagen", &[&capital]);
    browser.wait_text("#resumen", "8 de 8 listas");
    // Comparing the last one moves what is below it.
    browser.wait_for("document.querySelector('#lista li').classList.contains('chosen')");
    browser.click("#todo");
    browser.wait_text("#resumen", "ZIP listo: 8 imágenes");
    let Some(files) = unpacked(&browser, "tp2.zip") else { return };
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "Chelsea (2).PNG",
            "chelsea.png",
            "viaje ñ/a (2).png",
            "viaje ñ/a.png",
            "viaje ñ/dentro/b (2).JPG",
            "viaje ñ/dentro/b.JPG",
            "viaje ñ/dentro/más/🙂 (2).tif",
            "viaje ñ/dentro/más/🙂.tif",
        ]
    );
    for (name, bytes) in &files {
        let expected = match name.as_bytes() {
            [b'c' | b'C', ..] => (Format::Png, 225, 150),
            _ if name.contains("a.png") || name.contains("a (2)") => (Format::Png, 20, 15),
            _ if name.contains("b.JPG") || name.contains("b (2)") => (Format::Jpeg, 30, 10),
            _ => (Format::Tiff, 25, 25),
        };
        assert_eq!(size_of(bytes), expected, "{name}");
    }
    browser.assert_content(&[]);
}

#[test]
fn a_hundred_and_twenty_go_in_and_out_in_three_clicks() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let files = several(&browser, 120);
    let names: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    // The first click opens the browser's dialog, the second is in it.
    browser.choose("#imagen", &names);
    browser.wait_for("/^[1-9][0-9]? de 120 listas$/.test(document.querySelector('#resumen').textContent)");
    browser
        .wait_for("!document.querySelector('#avance').hidden && document.querySelector('#avance').value > 0");
    browser.screenshot("ciento-veinte");
    browser.wait_text("#resumen", "120 de 120 listas");
    assert_eq!(browser.value("document.querySelector('#avance').hidden"), true);
    browser.wait_text("#anuncio", "120 de 120 listas");
    // A result that the server has lost meanwhile is reported.
    browser.value(
        "fetch(document.querySelector('#lista a').getAttribute('href').replace('/imagen', ''), { method: 'DELETE' })",
    );
    browser.click("#todo");
    browser.wait_text("#resumen", "ZIP listo: 119 imágenes, ya no están: 1");
    let Some(files) = unpacked(&browser, "tp2.zip") else { return };
    assert_eq!(files.len(), 119);
    for (name, bytes) in files.iter().step_by(17) {
        let number: u32 = name.trim_end_matches(".png").parse().unwrap();
        assert_eq!(size_of(bytes), (Format::Png, (100 + number) / 2, 40), "{name}");
    }
    browser.assert_content(&["status of 404"]);
}

/// A fresh page, with results of this declared size.
fn open_with_sizes(browser: &mut Browser, server: &Server, bytes: u64) {
    let source = format!(
        "const fetched = window.fetch;
        window.fetch = async (...asked) => {{
            const answer = await fetched(...asked);
            if (!String(asked[0]).startsWith('/estado/')) return answer;
            return new Response(JSON.stringify({{ ...(await answer.json()), bytes: {bytes} }}));
        }};"
    );
    let script = browser.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source }));
    browser.open(server.port, &format!("/?{bytes}"));
    browser.wait_text("#resumen", "2 de 2 listas");
    browser.call("Page.removeScriptToEvaluateOnNewDocument", script);
}

#[test]
fn a_large_zip_is_written_as_it_grows() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let file = browser.file("a.png", &picture(Format::Png, 40, 30));
    browser.choose("#imagen", &[&file, &file]);
    browser.wait_text("#resumen", "2 de 2 listas");
    // A server with large results, and a private file of the page instead of one that the user names.
    open_with_sizes(&mut browser, &server, 200_000_000);
    browser.value(
        "window.written = [];
         window.showSaveFilePicker = async () => ({ createWritable: async () => ({
             write: async (piece) => { written.push(new Uint8Array(piece)); }, close: async () => { window.isWritten = true; },
         }) });",
    );
    browser.click("#todo");
    browser.wait_for("window.isWritten === true");
    let bytes = browser.value("written.flatMap((piece) => [...piece])");
    let bytes: Vec<u8> =
        bytes.as_array().unwrap().iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect();
    browser.file("descargas/tp2.zip", &bytes);
    let Some(files) = unpacked(&browser, "tp2.zip") else { return };
    assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a.png", "a (2).png"]);
    // Beyond four gigabytes there is no ZIP.
    open_with_sizes(&mut browser, &server, 3_000_000_000);
    browser.click("#todo");
    browser.wait_text("#alerta", "Son más de 4 GB");
    browser.assert_content(&[]);
}

#[test]
fn five_hundred_rows_are_drawn_as_they_come_into_view() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let face = pgm(8, 8);
    let files: Vec<_> =
        (0..500).map(|number| browser.file(&format!("quinientas/{number:03}.pgm"), &face)).collect();
    browser.choose("#arbol", &[files[0].parent().unwrap()]);
    let rows = |selector: &str| format!("document.querySelectorAll('#lista {selector}').length");
    browser.wait_for(&format!("{} === 500", rows("> li")));
    let drawn = browser.value(&rows(".state")).as_u64().unwrap();
    assert!((5..100).contains(&drawn), "{drawn} rows are drawn");
    // Every one has its name from the start.
    assert_eq!(browser.value(&rows(".name")), 500);
    browser.value("document.querySelector('#lista > li:last-child').scrollIntoView()");
    browser.wait_for("document.querySelector('#lista > li:last-child .state') !== null");
    let drawn = browser.value(&rows(".state")).as_u64().unwrap();
    assert!(drawn < 200, "{drawn} rows are drawn");
    browser.value("document.querySelector('#limpiar').focus()");
    browser.wait_text("#resumen", " de 500 listas");
    // The rest is not part of this test.
    let all = browser.value("[...document.querySelectorAll('#lista .name')].map((name) => name.textContent)");
    let expected: Vec<Value> = (0..500).map(|number| format!("{number:03}.pgm").into()).collect();
    assert_eq!(all, Value::from(expected));
    browser.assert_content(&[]);
}
