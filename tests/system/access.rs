//! Access from outside: host names, the key, proxies, and the log lines about them.
use std::fs;

use serde_json::Value;

use super::common::fake_scaler::FakeScaler;
use super::common::pictures::pgm;
use super::common::processes::{Directory, signal};
use super::common::server::tp2;
use super::common::tasks::get;
use super::common::{Server, post, request};

const KEY: &str = "una-clave-de-prueba-larga";

fn asked_as(server: &Server, host: &str) -> u16 {
    server.ask(format!("GET /carpetas HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).status
}

#[test]
fn on_loopback_alone_a_foreign_name_is_refused() {
    let server = Server::start(&["-i", "127.0.0.1", "-i", "::1"]);
    for host in ["", "127.0.0.1", "[::1]:80", "localhost:8080", "x", "a.localhost"] {
        assert_eq!(asked_as(&server, host), 200, "{host}");
    }
    assert_eq!(asked_as(&server, "rebotado.example"), 421);
    let old = server.ask(b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(old.status, 200);

    let named = Server::start(&["--nombre", "fotos.example"]);
    assert_eq!((asked_as(&named, "fotos.example:80"), asked_as(&named, "otro.example")), (200, 421));
    let everywhere = Server::start(&["-i", "0.0.0.0"]);
    assert_eq!(asked_as(&everywhere, "cualquiera.example"), 200);
    let guarded = Server::start(&["-i", "0.0.0.0", "--nombre", "fotos.example"]);
    assert_eq!((asked_as(&guarded, "fotos.example"), asked_as(&guarded, "otro.example")), (200, 421));
}

#[test]
fn the_key_opens_everything_and_is_read_again_on_sighup() {
    let place = Directory::new();
    let path = place.0.join("clave");
    fs::write(&path, format!("{KEY}\n")).unwrap();
    let server = Server::start(&["--clave-archivo", path.to_str().unwrap(), "-v"]);
    let mut client = server.client();
    let with =
        |key: &str| request("POST", "/?formato=pgm", &[&format!("Authorization: Bearer {key}")], &pgm(8, 6));
    client.ask(&get("/", &[])).expect(200);
    client.ask(&get("/app.js", &[])).expect(200);
    client.ask(&get("/readyz", &[])).expect(200);
    let refused = client.ask(&post("/", &pgm(8, 6))).expect(401);
    assert_eq!(refused.field("www-authenticate"), Some("Bearer realm=\"tp2\""));
    assert_eq!(refused.field("content-type"), Some("application/problem+json"));
    client.ask(&get("/metrics", &[])).expect(401);
    client.ask(&with("una-clave-de-prueba-largo")).expect(401);
    client.ask(&with(KEY)).expect(200);

    let mut netcat = server.client();
    netcat.send(&pgm(8, 6)).half_close();
    let line = String::from_utf8(netcat.rest()).unwrap();
    assert!(line.starts_with("ERROR 401 ") && line.lines().count() == 1, "{line}");

    let (second, third) = ("otra-clave-de-prueba-larga", "corta");
    fs::write(&path, second).unwrap();
    signal(server.pid(), scaler::sys::SIGHUP);
    server.wait_log("La clave se leyó de nuevo.");
    client.ask(&with(KEY)).expect(401);
    client.ask(&with(second)).expect(200);
    fs::write(&path, third).unwrap();
    signal(server.pid(), scaler::sys::SIGHUP);
    server.wait_log("Sigue en vigor la clave anterior: no se puede usar la clave de «");
    client.ask(&with(second)).expect(200);
    client.ask(&with(third)).expect(401);
    let log = server.log();
    assert!(!log.contains(KEY) && !log.contains(second) && !log.contains(third), "{log}");
}

#[test]
fn a_key_that_can_not_be_used_is_told_before_anything_begins() {
    let place = Directory::new();
    let path = place.0.join("clave");
    for (text, why) in
        [(None, "no existe"), (Some("corta"), "al menos 16 caracteres"), (Some("a b\nc"), "una sola línea")]
    {
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        let output = tp2()
            .args(["-i", "127.0.0.1", "-p", "0", "--clave-archivo"])
            .arg(&path)
            .current_dir(&place.0)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.starts_with("tp2: no se puede usar la clave de «") && told.contains(why), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn a_proxy_of_ours_is_believed_and_nobody_else() {
    let told = [
        "X-Forwarded-For: 203.0.113.5",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: fotos.example:8443",
        "X-Request-Id: r-77",
    ];
    let link = |server: &Server| {
        let answer = server.ask(&request("POST", "/enlaces", &told, &pgm(8, 6))).expect(201);
        (answer.field("location").unwrap().to_owned(), answer.field("x-request-id").map(str::to_owned))
    };
    let believing = Server::start(&["--proxy", "127.0.0.0/8", "--nombre", "fotos.example"]);
    let (location, id) = link(&believing);
    assert!(location.starts_with("https://fotos.example:8443/scaled_images/scaled_image_"), "{location}");
    assert_eq!(id.as_deref(), Some("r-77"));
    believing.wait_log("POST /enlaces 201");
    let log = believing.log();
    let line = log.lines().find(|line| line.contains("POST /enlaces 201")).unwrap();
    assert!(line.contains(" de 203.0.113.5 ") && line.contains(" r-77 - POST"), "{line}");

    let other = Server::start(&[]);
    let (location, id) = link(&other);
    assert!(location.starts_with("http://localhost/scaled_images/") && id.is_none(), "{location}");
    other.wait_log("POST /enlaces 201");
    let log = other.log();
    assert!(log.contains(" de 127.0.0.1 ") && !log.contains("203.0.113.5") && !log.contains("r-77"), "{log}");
}

#[test]
fn the_log_in_json_has_one_object_a_line() {
    let server = Server::start(&["-v", "--registro-json"]);
    server.ask(&post("/?a=%1b%0ab\u{9b}", &pgm(30, 20))).expect(200);
    server.wait_log("POST /?a=");
    let log = server.log();
    let whole = log.rsplit_once('\n').unwrap().0;
    let lines: Vec<Value> = whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let answered = lines.iter().find(|line| line["evento"] == "respuesta").unwrap();
    assert_eq!(
        (&answered["estado"], &answered["nivel"], &answered["de"]),
        (&200.into(), &"INFO".into(), &"127.0.0.1".into())
    );
    assert_eq!(answered["ruta"], "process");
    assert!(
        answered["id_tarea"].is_string() && answered["fd"].is_i64() && answered["ms"].is_u64(),
        "{answered}"
    );
    assert!(answered["mensaje"].as_str().unwrap().starts_with("POST /?a="), "{answered}");
    assert!(lines.iter().any(|line| line["evento"] == "conexión"), "{log}");
}

/// A scaler's output can't begin a log line or move the cursor.
#[test]
fn control_characters_of_the_scaler_get_into_no_log() {
    let fake = FakeScaler::start();
    let server = Server::start(&["-s", &fake.destination()]);
    let mut client = server.client();
    client.send(&post("/", &pgm(8, 6)));
    fake.question().answer_with(b"ERROR 500 roto\x1b[2J\x07\xc2\x9b31m\n");
    client.response().expect(502);
    server.wait_log("POST / 502");
    assert!(!server.log().replace('\n', "").contains(char::is_control), "{:?}", server.log());
}
