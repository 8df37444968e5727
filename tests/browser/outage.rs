//! The server goes away and comes back: the page reports it, and continues by itself.
use super::browser::Browser;
use super::common::Server;
use super::common::fake_scaler::FakeScaler;
use super::common::pictures::picture;
use super::common::processes::kill_9;
use super::common::server::tp2;
use super::common::tasks::Store;
use tp2::http::format::Format;

/// The server at the same address again, with the same store.
fn again(port: u16, store: &Store) -> Server {
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-a", &store.uri()]);
    Server::launch(command)
}

const AWAY: &str = "No hay respuesta del servidor.";

/// Errors that a browser may report of a killed server: its own requests, as for the icon, may be pending then.
const GONE: &[&str] = &["ERR_CONNECTION_", "ERR_EMPTY_RESPONSE", "ERR_SOCKET_NOT_CONNECTED"];

#[test]
fn what_could_not_be_sent_is_sent_when_the_server_is_back() {
    let Some(mut browser) = Browser::start() else { return };
    let store = Store::new();
    let mut server = store.serve(&[]);
    let port = server.port;
    browser.open(port, "/");
    // The whole page is loaded, including its last request.
    browser.wait_text("#banco-estado", "Todavía no hay carpetas.");
    let file = browser.file("a.png", &picture(Format::Png, 40, 30));
    server.kill();
    browser.choose("#imagen", &[&file]);
    browser.wait_text("#aviso", AWAY);
    // Reported once, not in every row.
    assert_eq!(browser.text("document.querySelector('#lista .state').textContent"), "Enviando");
    browser.click("#recargar");
    browser.wait_text("#banco-estado", AWAY);
    browser.screenshot("sin-servidor");
    let _server = again(port, &store);
    // It may have polled already.
    browser.value("document.querySelector('#aviso-ahora').click()");
    browser.wait_text("#lista .state", "Completada: 20\u{a0}×\u{a0}15");
    browser.wait_for("document.querySelector('#aviso').hidden");
    browser.wait_for("!document.querySelector('#comparador').hidden");
    browser.click("#recargar");
    browser.wait_text("#banco-estado", "Todavía no hay carpetas.");
    browser.assert_content(GONE);
}

#[test]
fn a_task_that_was_accepted_is_waited_for() {
    let Some(mut browser) = Browser::start() else { return };
    let (store, scaler) = (Store::new(), FakeScaler::start());
    let server = store.serve(&["-s", &scaler.destination()]);
    let port = server.port;
    browser.open(port, "/");
    let file = browser.file("a.png", &picture(Format::Png, 40, 30));
    browser.choose("#imagen", &[&file]);
    let question = scaler.question();
    browser.wait_text("#lista .state", "En progreso");
    kill_9(server.pid());
    browser.wait_text("#aviso", AWAY);
    drop((server, question));
    let _server = again(port, &store);
    browser.wait_text("#lista .state", "Completada: 20\u{a0}×\u{a0}15");
    browser.wait_for("!document.querySelector('#comparador').hidden");
    browser.assert_content(GONE);
}

#[test]
fn an_upload_can_be_called_off() {
    let Some(mut browser) = Browser::start() else { return };
    let mut server = Server::start(&[]);
    browser.open(server.port, "/");
    let file = browser.file("a.png", &picture(Format::Png, 40, 30));
    server.kill();
    browser.choose("#imagen", &[&file]);
    browser.wait_text("#aviso", AWAY);
    browser.click("#lista button");
    browser.wait_for("document.querySelector('#imagenes').hidden");
    assert_eq!(browser.text("document.activeElement.id"), "imagen", "the focus is somewhere");
    browser.assert_content(&["ERR_CONNECTION_REFUSED"]);
}
