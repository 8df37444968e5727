//! The panel of the server's figures, with figures that the test makes up.
use serde_json::json;

use super::browser::{Browser, DESKTOP, Window};
use super::common::Server;
use super::common::pictures::picture;
use tp2::http::format::Format;

/// `/metrics` of a server that has made so many pictures.
fn figures(made: u32) -> String {
    format!(
        "# HELP tp2_stage_seconds Where the time of a picture goes.\n\
         # TYPE tp2_stage_seconds histogram\n\
         tp2_stage_seconds_bucket{{stage=\"decode\",le=\"0.0005\"}} 3\n\
         tp2_stage_seconds_sum{{stage=\"decode\"}} 2.5\n\
         tp2_stage_seconds_count{{stage=\"decode\"}} 100\n\
         tp2_stage_seconds_sum{{stage=\"encode\"}} 0.25\n\
         tp2_stage_seconds_count{{stage=\"encode\"}} {made}\n\
         tp2_stage_seconds_sum{{stage=\"keep\"}} 0\n\
         tp2_stage_seconds_count{{stage=\"keep\"}} 0\n\
         tp2_stage_seconds_count{{stage=\"<b>nueva</b>\"}} 4\n\
         tp2_queue_places 3\n\
         tp2_queue_places_max 32\n\
         tp2_workers 2\n\
         tp2_workers_busy 1\n\
         process_resident_memory_bytes 5.24288e+07\n\
         esto no es una muestra\n"
    )
}

#[test]
fn figures_are_drawn_as_they_change() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.call("Fetch.enable", json!({ "patterns": [{ "urlPattern": "*/metrics" }] }));
    browser.start_opening(server.port, "/");
    browser.answer(200, &figures(100));
    let gauge = |name: &str| {
        format!(
            "[...document.querySelectorAll('#medidas div')]
                .find((gauge) => gauge.querySelector('dt').textContent === '{name}')?.querySelector('dd').textContent"
        )
    };
    for (name, text) in
        [("En cola o en proceso", "3 de 32"), ("Hilos ocupados", "1 de 2"), ("Memoria", "50 MiB")]
    {
        browser.wait_for(&format!("{} === '{text}'", gauge(name)));
    }
    let stages = browser.value(
        "[...document.querySelectorAll('#etapas tr')].map((row) => row.innerText.split('\\t').join(' '))",
    );
    assert_eq!(stages[1].as_str().unwrap().trim().replace('\u{a0}', " "), "decodificar 25 ms");
    assert_eq!(stages[2].as_str().unwrap().trim().replace('\u{a0}', " "), "codificar 2,5 ms");
    assert_eq!(stages.as_array().unwrap().len(), 3, "no time, no row; and none of a stage that nobody knows");

    // Some two seconds later thirty pictures more.
    browser.answer(200, &figures(130));
    browser.wait_for(&format!(
        "Math.abs(Number({}?.replace(',', '.')) - 15) < 5",
        gauge("Imágenes por segundo")
    ));
    browser.screenshot("servidor");
    browser.resize(Window { dark: true, ..DESKTOP });
    browser.screenshot("servidor-noche");
    browser.answer(503, "{\"detail\": \"el servidor se está deteniendo\"}");
    browser.wait_for(&format!("{} === 'el servidor se está deteniendo'", gauge("Estado")));
    browser.answer(200, "");
    browser.wait_for("document.querySelector('#servidor').hidden");
    browser.assert_content(&[]);
}

#[test]
fn the_servers_own_figures_are_understood() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let file = browser.file("a.png", &picture(Format::Png, 40, 30));
    browser.choose("#imagen", &[&file]);
    browser.wait_text("#lista .state", "Completada: 20\u{a0}×\u{a0}15");
    // Queue, workers and pictures a second, and where the time of this picture went.
    let names = |selector: &str| {
        format!("[...document.querySelectorAll('{selector}')].map((name) => name.textContent).join()")
    };
    let gauges = "En cola o en proceso,Hilos ocupados,Imágenes por segundo,Conexiones,Memoria";
    browser.wait_for(&format!("{} === '{gauges}'", names("#medidas dt")));
    for stage in ["decodificar", "escalar", "codificar", "entrega"] {
        browser.wait_for(&format!("{}.split(',').includes('{stage}')", names("#etapas tbody th")));
    }
    browser.wait_for("/^0 de [0-9]+$/.test(document.querySelector('#medidas dd').textContent)");
    browser.assert_content(&[]);
}

#[test]
fn without_figures_there_is_no_panel() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.call("Fetch.enable", json!({ "patterns": [{ "urlPattern": "*/metrics" }] }));
    browser.start_opening(server.port, "/");
    browser.answer(404, "{}");
    browser.wait_text("#banco-estado", "Todavía no hay carpetas.");
    assert_eq!(browser.value("document.querySelector('#servidor').hidden"), true);
    browser.assert_content(&[]);
}
