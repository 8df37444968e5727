//! The panel of the server's figures: closed at first, then updated every five seconds, with figures that the test
//! makes up.
use serde_json::{Value, json};

use super::browser::{Browser, DESKTOP, TELEPHONE, Window};
use super::common::Server;
use super::common::pictures::picture;
use tp2::http::format::Format;

/// `/panel.json` of a server that has made so many pictures.
fn figures(made: u32) -> String {
    json!({
        "escala": 0.25, "max_cuerpo": 1000, "listo": true, "cola": [3, 32], "hilos": [1, 2], "conexiones": [4, 10_000],
        "memoria": 52_000_000, "etapas": { "decode": [2.5, 100], "encode": [0.25, made], "<b>nueva</b>": [1, 1] },
    })
    .to_string()
}

fn gauge(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('#medidas div')]
            .find((gauge) => gauge.querySelector('dt').textContent === '{name}')?.querySelector('dd').textContent"
    )
}

/// How often the page has asked for its figures.
const ASKED: &str = "performance.getEntriesByName(location.origin + '/panel.json').length";

#[test]
fn figures_are_drawn_as_they_change() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.call("Fetch.enable", json!({ "patterns": [{ "urlPattern": "*/panel.json" }] }));
    browser.start_opening(server.port, "/");
    // The first request is for the defaults in the form.
    browser.answer(200, &figures(0));
    browser.wait_text("#porcentaje", "25\u{a0}%, el del servidor");
    browser.wait_text("#banco-estado", "Todavía no hay carpetas.");
    browser.click("#servidor summary");
    browser.answer(200, &figures(100));
    for (name, text) in [
        ("En cola o en proceso", "3 de 32"),
        ("Hilos ocupados", "1 de 2"),
        ("Conexiones", "4 de 10.000"),
        ("Memoria", "52 MB"),
        ("Estado", "listo"),
    ] {
        browser.wait_for(&format!("{}.replace('\u{a0}', ' ') === '{text}'", gauge(name)));
    }
    let stages = browser.value(
        "[...document.querySelectorAll('#etapas tr')].map((row) => row.innerText.split('\\t').join(' '))",
    );
    assert_eq!(stages[1].as_str().unwrap().trim().replace('\u{a0}', " "), "decodificar 25 ms");
    assert_eq!(stages[2].as_str().unwrap().trim().replace('\u{a0}', " "), "codificar 2,5 ms");
    assert_eq!(stages.as_array().unwrap().len(), 3, "none of a stage that the page does not know");
    let height = "document.querySelector('#servidor').offsetHeight";
    let before = browser.value(height);

    // Five seconds later there are fifty more pictures, and the layout has not moved.
    browser.answer(200, &figures(150));
    let rate = gauge("Imágenes por segundo");
    browser.wait_for(&format!("Math.abs(Number({rate}.replace(',', '.')) - 10) < 3"));
    assert_eq!(browser.value(height), before);
    for (name, window) in [
        ("servidor", DESKTOP),
        ("servidor-noche", Window { dark: true, ..DESKTOP }),
        ("servidor-telefono", TELEPHONE),
    ] {
        browser.resize(window);
        browser.screenshot(name);
    }
    browser.answer(503, "{\"detail\": \"el servidor se está deteniendo\"}");
    browser.wait_for(&format!("{} === 'el servidor se está deteniendo'", gauge("Estado")));
    browser.assert_content(&[]);
}

#[test]
fn the_servers_own_figures_are_understood_and_asked_for_while_they_are_looked_at() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&["-e", "0.4"]);
    browser.open(server.port, "/");
    browser.wait_text("#porcentaje", "40\u{a0}%, el del servidor");
    let file = browser.file("a.png", &picture(Format::Png, 40, 30));
    browser.choose("#imagen", &[&file]);
    browser.wait_text("#lista .state", "Completada: 16\u{a0}×\u{a0}12");
    assert_eq!(browser.value("document.querySelector('#servidor').open"), false);
    assert_eq!(browser.value(ASKED), 1, "closed, it is not asked for");
    // The comparison of the picture moves what is below it.
    browser.wait_for("document.querySelector('#lista li').classList.contains('chosen')");
    browser.click("#servidor summary");
    for stage in ["decodificar", "escalar", "codificar"] {
        browser.wait_text("#etapas tbody", stage);
    }
    browser.wait_for(&format!("/^0 de [0-9]+$/.test({})", gauge("En cola o en proceso")));
    assert_eq!(browser.value(ASKED), 2);
    let told = browser.value("fetch('/panel.json').then((answer) => answer.text())");
    assert!(told.as_str().is_some_and(|text| text.len() < 1000), "{told}");
    browser.assert_content(&[]);
}

#[test]
fn without_figures_the_page_is_a_page() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.call("Fetch.enable", json!({ "patterns": [{ "urlPattern": "*/panel.json" }] }));
    browser.start_opening(server.port, "/");
    browser.answer(404, "{}");
    browser.wait_text("#banco-estado", "Todavía no hay carpetas.");
    browser.wait_text("#porcentaje", "50\u{a0}%, el del servidor");
    assert_eq!(browser.value("document.querySelector('#servidor').open"), Value::from(false));
    browser.assert_content(&[]);
}
