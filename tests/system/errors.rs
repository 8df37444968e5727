//! Every error status over the wire: the problem document, and whether the connection is kept.
use serde_json::Value;

use super::common::fake_scaler::FakeScaler;
use super::common::http::chunked;
use super::common::pictures::{pgm, photo};
use super::common::{Part, Response, Server, form, post, request};

/// The connection's state after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Kept,
    Closed,
}
use Then::{Closed, Kept};

/// Sends it, checks the answer, and checks that the connection is kept or closed as the answer says.
fn assert_refused(server: &Server, sent: &[u8], status: u16, slug: &str, then: Then) -> Value {
    let shown = String::from_utf8_lossy(&sent[..sent.len().min(120)]).into_owned();
    let mut client = server.client();
    let answer = client.ask(sent);
    assert_eq!(answer.status, status, "{shown:?}: {}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.is_kept(), then == Kept, "{shown:?}");
    assert_eq!(answer.field("content-language"), Some("es"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let problem = answer.problem();
    assert_eq!(problem["type"], format!("urn:tp2:error:{slug}"), "{shown:?}");
    match then {
        Kept => client.assert_kept(),
        Closed => client.assert_closed(),
    }
    problem
}

/// The members of an error from a limit.
fn assert_limit(problem: &Value, limit: &str, value: u64, received: u64, option: &str) {
    assert_eq!(problem["limite"], limit, "{problem}");
    assert_eq!(problem["valor"], value, "{problem}");
    assert_eq!(problem["recibido"], received, "{problem}");
    assert_eq!(problem["opcion"], option, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(option) && detail.contains(&value.to_string()), "{detail}");
    assert!(detail.contains(&received.to_string()), "{detail}");
}

fn lines(lines: &[&str]) -> Vec<u8> {
    (lines.join("\r\n") + "\r\n\r\n").into_bytes()
}

#[test]
fn heads_that_can_not_be_read_are_refused_and_the_connection_closed() {
    let server = Server::start(&[]);
    let get = "GET / HTTP/1.1";
    let post = "POST / HTTP/1.1";
    let host = "Host: x";
    for head in [
        &[get][..],
        &[get, host, host],
        &[get, "Host: a b"],
        &[get, "Host : x"],
        &[get, host, "X-Sin-Dos-Puntos"],
        &[get, host, ": vacío"],
        &[get, host, "X-Campo: uno", " dos"],
        &[get, host, "X-Campo: u\0no"],
        &[get, host, "X-Campo: u\rno"],
        &["GET / HTTP/1.1\nHost: x", "X-Campo: mezcla"],
        &["GET  / HTTP/1.1", host],
        &["GET /a b HTTP/1.1", host],
        &["GET nada HTTP/1.1", host],
        &["GET /", host],
        &[post, host, "Content-Length: 3", "Content-Length: 3"],
        &[post, host, "Content-Length: 3, 3"],
        &[post, host, "Content-Length: +3"],
        &[post, host, "Content-Length: -3"],
        &[post, host, "Content-Length: 0x3"],
        &[post, host, "Content-Length: 99999999999999999999"],
        &[post, host, "Content-Length:"],
        &[post, host, "Content-Length: 3", "Transfer-Encoding: chunked"],
        &[post, host, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        &["POST / HTTP/1.0", host, "Transfer-Encoding: chunked"],
    ] {
        assert_refused(&server, &lines(head), 400, "cabecera", Closed);
    }
    for (head, status) in [
        (&[post, host, "Transfer-Encoding: gzip"][..], 501),
        (&[post, host, "Transfer-Encoding: gzip, chunked"], 501),
        (&["GET / HTTP/2.0", host], 505),
        (&["GET / HTTP/1.2", host], 505),
        (&["PRI * HTTP/2.0"], 505),
    ] {
        assert_refused(&server, &lines(head), status, "cabecera", Closed);
    }
}

#[test]
fn odd_heads_that_are_valid_are_answered() {
    let server = Server::start(&[]);
    for sent in [
        &b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n"[..],
        b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://yo:clave@otro:81/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Nombre: Jos\xe9 \xc3\xb1\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: x\n\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET /healthz?a=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
    ] {
        assert_eq!(server.ask(sent).expect(200).body, b"ok\n", "{:?}", String::from_utf8_lossy(sent));
    }
    for target in ["/no", "/%zz", "/%00", "/..%2f..%2fetc/passwd", "/healthz//", "/estado/"] {
        assert_refused(&server, &request("GET", target, &[], b""), 404, "no-encontrado", Kept);
    }
    server.ask(b"GET /#trozo HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(server.is_healthy());
}

#[test]
fn broken_chunks_close_the_connection() {
    let server = Server::start(&[]);
    for body in [
        "g\r\n",
        "-1\r\n",
        "+1\r\na\r\n",
        "0x1\r\na\r\n",
        "1\na\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "\r\n",
        " 1\r\na\r\n",
        "fffffffffffffffff\r\n",
        "1;nombre=\"sin cerrar\r\na\r\n",
        "0\r\nX-Mal\r\n\r\n",
        "0\r\n\n",
    ] {
        let mut sent = request("POST", "/", &["Transfer-Encoding: chunked"], b"");
        sent.extend_from_slice(body.as_bytes());
        assert_refused(&server, &sent, 400, "cuerpo-mal-enmarcado", Closed);
    }
}

#[test]
fn a_request_that_is_cut_off_is_400() {
    let server = Server::start(&[]);
    let whole = post("/", &pgm(20, 20));
    for cut in [1, 10, 60, whole.len() - 1] {
        let mut client = server.client();
        client.send(&whole[..cut]).half_close();
        let answer = client.response().expect(400);
        assert_eq!(answer.problem()["type"], "urn:tp2:error:peticion-incompleta", "{cut}");
        client.assert_closed();
    }
}

#[test]
fn routes_and_methods() {
    let server = Server::start(&[]);
    for (method, target, allow) in [
        ("DELETE", "/", "GET, HEAD, POST, PUT, OPTIONS"),
        ("PATCH", "/?escala=1", "GET, HEAD, POST, PUT, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("PUT", "/readyz", "GET, HEAD, OPTIONS"),
        ("INVENTADO", "/", "GET, HEAD, POST, PUT, OPTIONS"),
    ] {
        let sent = request(method, target, &[], b"");
        assert_refused(&server, &sent, 405, "metodo-no-permitido", Kept);
        assert_eq!(server.ask(&sent).field("allow"), Some(allow));
        let options = server.ask(&request("OPTIONS", target, &[], b"")).expect(204);
        assert_eq!(options.field("allow"), Some(allow));
        assert_eq!(options.field("content-length"), None);
    }
    assert_refused(&server, &request("POST", "/gato.png", &[], &pgm(2, 2)), 404, "no-encontrado", Kept);
    assert_refused(&server, &request("PUT", "/a/b.png", &[], &pgm(2, 2)), 404, "no-encontrado", Kept);
    let sent = request("POST", "/", &["Expect: 200-maravillas"], &pgm(2, 2));
    assert_refused(&server, &sent, 417, "expectativa", Kept);
}

#[test]
fn bodies_that_are_no_picture() {
    let server = Server::start(&[]);
    for body in [&b""[..], b"hola", b"%PDF-1.7", b"\0\0\0\x20ftypavif", b"<svg xmlns=''/>", b"BM", b"\x89PN"]
    {
        let sent = request("POST", "/", &["Content-Length: 0"], body);
        let sent = if body.is_empty() { sent } else { request("POST", "/", &[], body) };
        assert_refused(&server, &sent, 415, "formato-desconocido", Kept);
        if !body.is_empty() {
            let sent = form("/", &[Part::File("imagen", "a.jpg", body)]);
            assert_refused(&server, &sent, 415, "formato-desconocido", Kept);
            assert_refused(&server, &chunked("/", body, 3), 415, "formato-desconocido", Kept);
        }
    }
    assert_refused(&server, &request("POST", "/", &[], b""), 411, "falta-la-longitud", Kept);
    for (name, length) in
        [("rocket.jpg", 50_000), ("chelsea.png", 1000), ("rocket.jpg", 3), ("chelsea.png", 20)]
    {
        let mut file = photo(name);
        file.truncate(length);
        assert_refused(&server, &post("/", &file), 422, "imagen-ilegible", Kept);
    }
    assert_refused(&server, &post("/", b"P5\n4 4\n255\nabc"), 422, "imagen-ilegible", Kept);
    assert_refused(&server, &post("/", b"P5\n0 4\n255\n"), 422, "imagen-ilegible", Kept);
}

#[test]
fn forms_without_a_picture_and_forms_that_are_none() {
    let server = Server::start(&[]);
    for parts in [
        &[][..],
        &[Part::Field("escala", "2")],
        &[Part::File("imagen", "", b"")],
        &[Part::Field("nota", "hola"), Part::File("imagen", "", b"")],
    ] {
        assert_refused(&server, &form("/", parts), 422, "falta-la-imagen", Kept);
    }
    let broken = |content_type: &str, body: &[u8], then| {
        let sent = request("POST", "/", &[content_type], body);
        assert_refused(&server, &sent, 400, "formulario-mal-formado", then);
    };
    broken("Content-Type: multipart/form-data", b"--x--\r\n", Kept);
    broken("Content-Type: multipart/form-data; boundary=", b"--x--\r\n", Kept);
    let long = format!("Content-Type: multipart/form-data; boundary={}", "b".repeat(71));
    broken(&long, b"--x--\r\n", Kept);
    let typed = "Content-Type: multipart/form-data; boundary=x";
    let part =
        "--x\r\nContent-Disposition: form-data; name=\"imagen\"; filename=\"a\"\r\n\r\nP5\n1 1\n255\n0";
    broken(typed, part.as_bytes(), Kept);
    broken(typed, b"sin separador", Kept);
}

#[test]
fn parameters_out_of_range() {
    let server = Server::start(&[]);
    for (name, value) in [
        ("escala", "0"),
        ("escala", "-1"),
        ("escala", "10.1"),
        ("escala", "0.0009"),
        ("escala", "nan"),
        ("escala", "inf"),
        ("escala", "1e0x"),
        ("escala", "0,5"),
        ("escala", "mitad"),
        ("calidad", "0"),
        ("calidad", "101"),
        ("calidad", "8.5"),
        ("calidad", "-1"),
        ("formato", "avif"),
        ("formato", "../png"),
        ("fondo", "rojo"),
        ("fondo", "12345"),
        ("fondo", "GGGGGG"),
    ] {
        let problems = [
            assert_refused(
                &server,
                &post(&format!("/?{name}={value}"), &pgm(4, 4)),
                422,
                "parametro-fuera-de-rango",
                Kept,
            ),
            assert_refused(
                &server,
                &form("/", &[Part::Field(name, value), Part::File("imagen", "a", &pgm(4, 4))]),
                422,
                "parametro-fuera-de-rango",
                Kept,
            ),
        ];
        for problem in problems {
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains(name) && detail.contains(value), "{detail}");
        }
    }
}

#[test]
fn the_order_of_the_checks() {
    let server = Server::start(&["--max-cuerpo", "1"]);
    let too_long = vec![b'x'; (1 << 20) + 1];
    let status = |sent: &[u8]| {
        let mut client = server.client();
        client.try_send(sent);
        client.response().status
    };
    // 405 before 413, 413 before 415 and before 422, 415 before 422 and 406.
    assert_eq!(status(&request("DELETE", "/", &[], &too_long)), 405);
    assert_eq!(status(&request("POST", "/?escala=nada", &[], &too_long)), 413);
    assert_eq!(status(&request("POST", "/?escala=nada", &["Accept: text/css"], b"hola")), 415);
    assert_eq!(status(&request("POST", "/?escala=99", &[], &pgm(2, 2))), 422);
}

#[test]
fn limits_are_named_with_value_received_and_option() {
    let server = Server::start(&["--max-cuerpo", "1", "--max-pixeles", "1", "--memoria", "16"]);
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n";
    let problem = assert_refused(&server, head, 413, "cuerpo-demasiado-largo", Closed);
    assert_limit(&problem, "cuerpo", 1 << 20, (1 << 20) + 1, "--max-cuerpo");

    let sent = post("/", &pgm(1001, 1000));
    let problem = assert_refused(&server, &sent, 422, "demasiados-pixeles", Kept);
    assert_limit(&problem, "píxeles", 1_000_000, 1_001_000, "--max-pixeles");
    let sent = post("/?escala=10", &pgm(400, 300));
    let problem = assert_refused(&server, &sent, 422, "demasiados-pixeles", Kept);
    assert_limit(&problem, "píxeles", 1_000_000, 12_000_000, "--max-pixeles");
    assert!(problem["detail"].as_str().unwrap().starts_with("el resultado tendría 4000x3000"), "{problem}");

    let sent = post("/", &pgm(1, 65_536));
    let problem = assert_refused(&server, &sent, 422, "demasiados-pixeles", Kept);
    assert_eq!(
        (&problem["limite"], &problem["valor"], &problem["recibido"]),
        (&"lado".into(), &65_535.into(), &65_536.into())
    );
}

#[test]
fn a_picture_that_needs_more_memory_than_there_is() {
    let server = Server::start(&["--memoria", "16"]);
    let mut file = b"P5\n4000 3000\n255\n".to_vec();
    file.resize(file.len() + 12_000_000, 7);
    let problem = assert_refused(&server, &post("/", &file), 422, "memoria-insuficiente", Kept);
    let needed = problem["recibido"].as_u64().unwrap();
    assert!(needed > 16 << 20);
    assert_limit(&problem, "memoria", 16 << 20, needed, "--memoria");
    server.ask(&post("/", &pgm(40, 40))).expect(200);
}

#[test]
fn work_that_takes_too_long_is_504_and_the_next_picture_is_served() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination(), "--plazo", "1"]);
    let mut client = server.client();
    client.send(&post("/", &pgm(8, 8)));
    let held = scaler.question();
    let answer: Response = client.response().expect(504);
    assert!(answer.is_kept());
    let problem = answer.problem();
    assert_eq!((&problem["limite"], &problem["valor"]), (&"plazo".into(), &1.into()));
    assert_eq!(problem["opcion"], "--plazo");
    assert!(problem["recibido"].as_f64().unwrap() >= 1.0, "{problem}");
    // The line of its end has everything: level, descriptor, id, status and reason.
    let id = problem["id_tarea"].as_str().unwrap();
    server.wait_log(" ms - no estuvo lista a tiempo");
    let log = server.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(id)).collect();
    assert!(
        matches!(lines[..], [_, line] if line.contains(" - ERROR - fd=") && line.contains(" 504 ")),
        "{log}"
    );
    drop(held);
    client.send(&post("/", &pgm(8, 8)));
    scaler.question().answer();
    client.response().expect(200);
}
