//! Pages of other sites in a browser that can reach a tp2 server: what they can't do, and what `--origen` allows.
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use super::browser::Browser;
use super::common::Server;
use super::common::pictures::pgm;

/// Serves a foreign site: one page for every path, without restrictions of its own. Returns its port.
fn site() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                // The browser may have closed the connection.
                let _ = stream.read(&mut head);
                let body = "<!DOCTYPE html><link rel=icon href=data:,><title>Otro sitio</title>";
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    port
}

/// The result of a request that the page sends: its status, `opaque`, or `refused` where the browser does not tell.
fn fetched(browser: &mut Browser, server: &Server, path: &str, options: &str) -> String {
    browser.text(&format!(
        "fetch('http://127.0.0.1:{}{path}', {options})
            .then((answer) => answer.type === 'opaque' ? 'opaque' : String(answer.status), () => 'refused')",
        server.port
    ))
}

#[test]
fn a_page_of_another_site_can_do_nothing() {
    let Some(mut browser) = Browser::start() else { return };
    let (server, port) = (Server::start(&[]), site());
    // From another site, and from another port of the same one.
    for host in ["malo.example", "127.0.0.1"] {
        let url = format!("http://{host}:{port}/");
        browser.open_url(&url);
        // A simple request reaches the server, which refuses it.
        let simple =
            fetched(&mut browser, &server, "/?simple", "{ method: 'POST', mode: 'no-cors', body: 'x' }");
        assert_eq!(simple, "opaque", "{host}");
        server.wait_log("POST /?simple 403");
        // Any other request needs a preflight, and never reaches the server.
        for (path, options) in [
            ("/?put", "{ method: 'PUT', body: 'x' }"),
            ("/?campo", "{ method: 'POST', headers: { 'X-Otro': '1' }, body: 'x' }"),
            ("/tareas/x?borrar", "{ method: 'DELETE' }"),
        ] {
            assert_eq!(fetched(&mut browser, &server, path, options), "refused", "{host} {path}");
        }
        // It may send the request, but can't read the answer.
        assert_eq!(fetched(&mut browser, &server, "/carpetas", "{}"), "refused", "{host}");
        // A form, which needs no script.
        browser.value(&format!(
            "(() => {{ const form = document.createElement('form');
                Object.assign(form, {{ method: 'post', enctype: 'multipart/form-data',
                    action: 'http://127.0.0.1:{}/enlaces?formulario' }});
                document.body.append(form); form.submit(); }})()",
            server.port
        ));
        browser.wait_for("location.pathname === '/enlaces' && document.readyState === 'complete'");
        assert_eq!(browser.document().0, 403, "{host}");
        browser.wait_text("p", "La petición viene de la página de otro sitio");
        let log = server.log();
        assert!(log.contains("POST /enlaces?formulario 403"), "{log}");
        assert!(
            !log.contains("PUT /") && !log.contains("POST /?campo") && !log.contains("DELETE /"),
            "{log}"
        );
        assert!(log.contains("OPTIONS /?put 204"), "{log}");
    }
}

#[test]
fn a_name_that_was_rebound_to_this_machine_is_refused() {
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start(&[]);
    browser.open_url(&format!("http://rebotado.example:{}/", server.port));
    assert_eq!(browser.document().0, 421);
    browser.wait_text("p", "Este servidor no atiende al nombre «rebotado.example»");
    // To the browser this is the page's own server now.
    let asked = browser.text("fetch('/carpetas').then((answer) => String(answer.status))");
    assert_eq!(asked, "421");
    let named = Server::start(&["--nombre", "rebotado.example"]);
    browser.open_url(&format!("http://rebotado.example:{}/", named.port));
    assert_eq!(browser.document().0, 200);
}

#[test]
fn a_site_that_was_let_in_reads_answers_and_errors() {
    let Some(mut browser) = Browser::start() else { return };
    let port = site();
    let (friend, stranger) = (format!("http://amigo.example:{port}"), format!("http://malo.example:{port}"));
    let server = Server::start(&["--origen", &friend]);
    let picture = format!("new Uint8Array({:?})", pgm(8, 6));
    browser.open_url(&format!("{friend}/"));
    let told = browser.text(&format!(
        "fetch('http://127.0.0.1:{}/?formato=pgm', {{ method: 'PUT', headers: {{ 'X-Otro': '1' }}, body: {picture} }})
            .then(async (answer) => [answer.status, answer.headers.get('X-Ancho'), answer.headers.get('X-Tarea').length,
                (await answer.blob()).size].join(' '))",
        server.port
    ));
    assert_eq!(told, "200 4 36 23");
    let simple = "{ method: 'POST', body: 'x' }";
    assert_eq!(fetched(&mut browser, &server, "/", simple), "415");
    assert_eq!(fetched(&mut browser, &server, "/carpetas", "{}"), "200");
    browser.open_url(&format!("{stranger}/"));
    assert_eq!(fetched(&mut browser, &server, "/", simple), "refused");
    server.wait_log("POST / 403");

    let open = Server::start(&["--origen", "*"]);
    assert_eq!(fetched(&mut browser, &open, "/", simple), "415");
    assert_eq!(fetched(&mut browser, &open, "/tareas/x", "{ method: 'DELETE' }"), "404");
}
