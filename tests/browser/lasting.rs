//! No silent loss: a reloaded page, a killed server, a second tab, a picture removed from the list.
use serde_json::{Value, json};

use super::browser::Browser;
use super::common::Server;
use super::common::pictures::{photo, picture};
use super::common::processes::kill_9;
use super::common::server::tp2;
use super::common::tasks::Store;
use super::pictures::RECORDS;
use tp2::http::format::Format;

/// Different pictures to choose.
pub(crate) fn several(browser: &Browser, count: u32) -> Vec<std::path::PathBuf> {
    let one = |number: u32| {
        browser.file(&format!("varias/{number:03}.png"), &picture(Format::Png, 100 + number, 80))
    };
    (0..count).map(one).collect()
}

fn choose(browser: &mut Browser, files: &[std::path::PathBuf]) {
    browser.choose("#imagen", &files.iter().map(std::path::PathBuf::as_path).collect::<Vec<_>>());
}

fn upload_rate(browser: &mut Browser, bytes_per_second: i32) {
    let network = json!({ "offline": false, "latency": 0, "downloadThroughput": -1,
        "uploadThroughput": bytes_per_second });
    browser.call("Network.emulateNetworkConditions", network);
}

/// How many records still have their file: those of pictures that no server has.
fn kept_files(browser: &mut Browser) -> u64 {
    let count = format!("{RECORDS}.then((records) => records.filter(({{ file }}) => file).length)");
    browser.value(&count).as_u64().unwrap()
}

#[test]
fn a_reloaded_page_takes_up_what_was_not_sent() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let files = several(&browser, 30);
    upload_rate(&mut browser, 20_000);
    choose(&mut browser, &files);
    browser.wait_for(&format!("{RECORDS}.then((records) => records.length === 30)"));
    assert!(kept_files(&mut browser) >= 25, "most are not sent yet");
    // The page asks for confirmation, and the user leaves.
    browser.value("void setTimeout(() => location.replace('/?otra'))");
    browser.accept_dialog("beforeunload");
    browser.wait_for("location.search === '?otra' && document.readyState === 'complete'");
    upload_rate(&mut browser, -1);
    browser.wait_text("#resumen", "30 de 30 listas");
    assert_eq!(kept_files(&mut browser), 0, "a file is kept until the server has it");
    // Nothing is pending: the page closes without asking.
    browser.open(server.port, "/");
    browser.wait_text("#resumen", "30 de 30 listas");
    browser.assert_content(&["ERR_ABORTED"]);
}

#[test]
fn a_server_that_is_killed_among_sixty_pictures_gets_them_all() {
    let Some(mut browser) = Browser::start() else { return };
    let store = Store::new();
    let server = store.serve(&[]);
    let port = server.port;
    browser.open(port, "/");
    browser.wait_text("#banco-estado", "Todavía no hay carpetas.");
    let files = several(&browser, 60);
    choose(&mut browser, &files);
    browser.wait_for("Number.parseInt(document.querySelector('#resumen').textContent) >= 5");
    kill_9(server.pid());
    browser.wait_text("#aviso", "No hay respuesta del servidor.");
    browser.screenshot("sin-servidor-sesenta");
    assert_eq!(browser.value("document.querySelectorAll('#lista .bad').length"), 0, "said once, not in rows");
    drop(server);
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-a", &store.uri()]);
    let _server = Server::launch(command);
    // It may have polled already.
    browser.value("document.querySelector('#aviso-ahora').click()");
    browser.wait_text("#resumen", "60 de 60 listas");
    browser.wait_for("document.querySelector('#aviso').hidden");
    // Sixty pictures, sixty tasks: none was sent twice.
    let ids = format!("{RECORDS}.then((records) => new Set(records.map(({{ id }}) => id)).size)");
    assert_eq!(browser.value(&ids), 60);
    browser.assert_content(&["ERR_CONNECTION_", "ERR_EMPTY_RESPONSE", "ERR_SOCKET_NOT_CONNECTED"]);
}

#[test]
fn two_tabs_share_one_list() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let files = several(&browser, 12);
    upload_rate(&mut browser, 3_000);
    choose(&mut browser, &files);
    browser.wait_for(&format!("{RECORDS}.then((records) => records.length === 12)"));
    // The second tab shows them, and leaves them to the first.
    let first = browser.open_tab();
    browser.open(server.port, "/?dos");
    browser.wait_text("#resumen", "0 de 12 listas");
    let elsewhere = "[...document.querySelectorAll('#lista .state')]
        .filter((state) => state.textContent === 'En otra pestaña').length >= 8";
    browser.wait_for(elsewhere);
    browser.screenshot("dos-pestanas");
    // A row removed here is removed there.
    browser.act(1, "Cancelar");
    browser.click("#deshacer-cerrar");
    let second = browser.turn_to(first);
    browser.wait_text("#resumen", " de 11 listas");
    // The first tab is closed: the second takes over.
    browser.close_tab();
    browser.turn_to(second);
    browser.wait_text("#resumen", "11 de 11 listas");
    assert_eq!(kept_files(&mut browser), 0);
    browser.assert_content(&[]);
}

#[test]
fn a_picture_taken_off_comes_back_and_many_are_remembered() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open(server.port, "/");
    let files = several(&browser, 64);
    choose(&mut browser, &files);
    browser.wait_text("#resumen", "64 de 64 listas");
    browser.click("#limpiar");
    browser.wait_text("#deshacer", "64 quitadas. En unos segundos se borran también del servidor.");
    assert_eq!(browser.value("document.querySelector('#imagenes').hidden"), true);
    browser.click("#deshacer-ya");
    browser.wait_text("#resumen", "64 de 64 listas");
    // More than fifty are remembered, in order.
    browser.open(server.port, "/?otra");
    browser.wait_text("#resumen", "64 de 64 listas");
    let names =
        browser.value("[...document.querySelectorAll('#lista .name')].map((name) => name.textContent)");
    assert_eq!((&names[0], &names[63]), (&Value::from("000.png"), &Value::from("063.png")));
    // A pending one is cancelled, and submitted again.
    upload_rate(&mut browser, 5_000);
    let file = browser.file("astronaut.png", &photo("astronaut.png"));
    browser.choose("#imagen", &[&file]);
    browser.wait_text("#lista .state", "Enviando");
    browser.act(1, "Cancelar");
    browser.wait_text("#deshacer", "Quitada: astronaut.png");
    upload_rate(&mut browser, -1);
    browser.click("#deshacer-ya");
    browser.wait_text("#resumen", "65 de 65 listas");
    browser.assert_content(&[]);
}
