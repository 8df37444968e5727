//! Choices: sizes and colours, before sending and again after; messages and their language; invalid files.
use serde_json::json;

use super::browser::{Browser, DESKTOP, TELEPHONE};
use super::common::pictures::{decoded, picture, size_of};
use super::common::tasks::get;
use super::common::{Server, request};
use tp2::http::format::Format;

const COMPARED: &str = "!document.querySelector('#comparador').hidden";

/// Types into a field.
fn write(browser: &mut Browser, id: &str, text: &str) {
    browser.value(&format!(
        "(() => {{ const field = document.querySelector('#{id}'); field.value = '{text}';
            field.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
    ));
}

fn first_result(browser: &mut Browser, server: &Server) -> Vec<u8> {
    let target = browser.text("document.querySelector('#lista a').getAttribute('href')");
    server.ask(&get(&target, &[])).expect(200).body
}

#[test]
fn the_shown_picture_can_be_made_again_with_other_choices() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&["-e", "0.25"]);
    browser.open(server.port, "/");
    browser.wait_text("#porcentaje", "25\u{a0}%, el del servidor");
    let file = browser.file("a.gif", &gif());
    browser.choose("#imagen", &[&file]);
    browser.wait_for(COMPARED);
    assert_eq!(size_of(&first_result(&mut browser, &server)), (Format::Gif, 100, 50));
    assert_eq!(browser.value("document.querySelector('#rehacer').hidden"), true, "nothing was changed");

    browser.click("[name=modo][value=lados]");
    assert_eq!(browser.value("document.querySelector('#escala').checkVisibility()"), false);
    write(&mut browser, "ancho", "80");
    write(&mut browser, "alto", "30");
    browser.screenshot("rehacer");
    browser.click("#rehacer");
    browser.wait_text("#resumen", "2 de 2 listas");
    assert_eq!(size_of(&first_result(&mut browser, &server)), (Format::Gif, 60, 30));
    // That one is shown now, with the choices that were made.
    browser.wait_for("document.querySelector('#rehacer').hidden");

    // A colour replaces transparency, where the format has none.
    browser.click("form summary");
    write(&mut browser, "fondo", "#ff0000");
    browser.value("document.querySelector('#formato').value = 'jpeg'");
    browser.value("document.querySelector('#formato').dispatchEvent(new Event('change', { bubbles: true }))");
    browser.click("#rehacer");
    browser.wait_text("#resumen", "3 de 3 listas");
    let (format, raster) = decoded(&first_result(&mut browser, &server));
    assert_eq!((format, raster.width, raster.height), (Format::Jpeg, 60, 30));
    // Red's luma.
    assert!(raster.samples.iter().all(|sample| sample.abs_diff(76) < 4), "{:?}", &raster.samples[..8]);

    // Back to the factor: the sides are not sent with it.
    browser.click("[name=modo][value=factor]");
    write(&mut browser, "escala", "0.5");
    browser.wait_text("#porcentaje", "50\u{a0}%");
    browser.click("#rehacer");
    browser.wait_text("#resumen", "4 de 4 listas");
    assert_eq!(size_of(&first_result(&mut browser, &server)), (Format::Jpeg, 200, 100));
    browser.assert_content(&[]);
}

/// 400 × 200, fully transparent.
fn gif() -> Vec<u8> {
    let mut file = b"GIF89a\x90\x01\xc8\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff".to_vec();
    file.extend(b"\x21\xf9\x04\x01\x00\x00\x00\x00");
    file.extend(b"\x2c\x00\x00\x00\x00\x90\x01\xc8\x00\x00\x02");
    // LZW of 80,000 zeros, never with a code longer than 3 bits: a clear code before each pair of them.
    let mut bits: Vec<bool> = Vec::new();
    let mut put = |code: u8| bits.extend((0..3).map(|bit| code >> bit & 1 == 1));
    for _ in 0..40_000 {
        put(4);
        put(0);
        put(0);
    }
    put(5);
    let bytes: Vec<u8> = bits
        .chunks(8)
        .map(|byte| byte.iter().enumerate().fold(0, |sum, (at, &bit)| sum | u8::from(bit) << at))
        .collect();
    for block in bytes.chunks(255) {
        file.push(u8::try_from(block.len()).unwrap());
        file.extend(block);
    }
    file.extend(b"\x00\x3b");
    file
}

#[test]
fn the_page_speaks_the_languages_of_the_browser() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.prefer("en-US,es;q=0.5");
    browser.open(server.port, "/");
    assert_eq!(browser.text("document.documentElement.lang"), "en");
    browser.wait_text("#banco-estado", "There are no folders yet.");
    browser.wait_text("#porcentaje", "50%, the server's");
    let file = browser.file("a.png", &picture(Format::Png, 4000, 30));
    let wrong = browser.file("notes.txt", b"no picture");
    browser.choose("#imagen", &[&file, &wrong]);
    browser.wait_text("#resumen", "1 of 2 done, 1 failed");
    browser.wait_text("#lista > li:nth-child(1) .state", "Done: 2,000\u{a0}×\u{a0}15\u{a0}px");
    browser
        .wait_text("#lista > li:nth-child(2) .state", "Error: This is not a picture that the server reads.");
    browser.screenshot("ingles");
    browser.resize(TELEPHONE);
    browser.screenshot("ingles-telefono");
    browser.resize(DESKTOP);
    let visible = browser.text("document.body.innerText");
    for spanish in ["imagen", "Elegir", "servidor", "Formato", "Banco", "Descargar", "ó", "ñ"] {
        let text = visible.replace("imagen=@", "").replace("Español", "");
        assert!(!text.contains(spanish), "{spanish} in {text}");
    }
    // The other language is chosen, applies at once, and is remembered.
    browser.click("#idioma");
    assert_eq!(browser.text("document.documentElement.lang"), "es");
    browser.wait_text("#resumen", "1 de 2 listas, 1 con error");
    browser.wait_text("#lista > li:nth-child(1) .state", "Completada: 2000\u{a0}×\u{a0}15\u{a0}px");
    browser.wait_text("#banco-estado", "Todavía no hay carpetas.");
    browser.wait_text("#imagenes-titulo", "Sus imágenes");
    browser.open(server.port, "/?otra");
    assert_eq!(browser.text("document.documentElement.lang"), "es");
    // A browser with neither language gets Spanish.
    browser.value("localStorage.clear()");
    browser.prefer("de");
    browser.open(server.port, "/");
    assert_eq!(browser.text("document.documentElement.lang"), "es");
    browser.assert_content(&["status of 415"]);
}

#[test]
fn what_can_not_be_sent_is_told_before_it_is() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&["--max-cuerpo", "1"]);
    browser.open(server.port, "/");
    browser.wait_text("#porcentaje", "el del servidor");
    let heic = browser.file("IMG_1.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
    let long = browser.file("larga.pgm", &vec![b'x'; 2_500_000]);
    browser.choose("#imagen", &[&heic, &long]);
    browser.wait_text("#resumen", "0 de 2 listas, 2 con error");
    browser.wait_text(
        "#lista > li:nth-child(1) .state",
        "HEIC o AVIF, que el servidor no lee: conviértala a JPEG.",
    );
    let told = "Error: Pesa 2,5\u{a0}MB; el servidor acepta hasta 1\u{a0}MB (--max-cuerpo).";
    browser.wait_text("#lista > li:nth-child(2) .state", told);
    // Nothing was sent.
    let page = String::from_utf8(server.ask(&request("GET", "/metrics", &[], b"")).body).unwrap();
    assert!(!page.contains("task_submit"), "{page}");
    browser.assert_content(&[]);
}

#[test]
fn a_telephone_has_a_camera() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    let camera = "document.querySelector('label[for=camara]').checkVisibility()";
    for (window, has_camera) in [(DESKTOP, false), (TELEPHONE, true)] {
        browser.resize(window);
        browser.open(server.port, "/");
        assert_eq!(browser.value(camera), has_camera);
    }
    assert_eq!(browser.text("document.querySelector('#camara').getAttribute('capture')"), "environment");
    let file = browser.file("image.jpg", &picture(Format::Jpeg, 40, 30));
    browser.choose("#camara", &[&file]);
    browser.wait_for("document.querySelector('#resumen').textContent === '1 de 1 lista'");
    let widest = browser.value("document.documentElement.scrollWidth <= innerWidth");
    assert_eq!(widest, json!(true));
    browser.assert_content(&[]);
}
