//! A server that requires a key: the page asks for it, once per tab.
use super::browser::Browser;
use super::common::Server;
use super::common::pictures::picture;
use super::common::processes::Directory;
use tp2::http::format::Format;

const KEY: &str = "una-clave-de-prueba-larga";

/// Types into the dialog.
fn enter(browser: &mut Browser, key: &str) {
    browser.wait_for("document.querySelector('dialog[open] #clave') !== null");
    browser.value(&format!("document.querySelector('#clave').value = '{key}'"));
    browser.click("dialog[open] button[type=submit]");
}

#[test]
fn the_page_asks_for_the_key_once_and_sends_it() {
    let Some(mut browser) = Browser::start() else { return };
    let place = Directory::new();
    let path = place.0.join("clave");
    std::fs::write(&path, KEY).unwrap();
    let server = Server::start(&["--clave-archivo", path.to_str().unwrap()]);
    browser.open(server.port, "/");
    enter(&mut browser, "otra-clave-que-no-es-esa");
    browser.wait_text("dialog[open]", "Esa no es la clave de este servidor.");
    browser.screenshot("clave");
    enter(&mut browser, KEY);
    browser.wait_for("document.querySelector('dialog[open]') === null");
    browser.wait_text("#banco-estado", "Todavía no hay carpetas.");
    let file = browser.file("a.png", &picture(Format::Png, 40, 30));
    browser.choose("#imagen", &[&file]);
    browser.wait_text("#lista .state", "Completada: 20\u{a0}×\u{a0}15");

    // The same tab again: the page does not ask, and the picture, which the browser fetches itself, is there.
    browser.open(server.port, "/");
    browser.wait_text("#lista .state", "Completada: 20\u{a0}×\u{a0}15");
    browser
        .wait_for("[...document.querySelectorAll('#lista img')].some((image) => image.naturalWidth === 20)");
    assert_eq!(browser.value("document.querySelector('dialog[open]')"), serde_json::Value::Null);
    browser.assert_content(&["status of 401"]);
    assert!(!server.log().contains(KEY));
}
