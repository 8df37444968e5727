//! HTTP/1.1 compliance: the table in `tests/data/http/requests.txt` on real sockets, and the duties of every route.
//!
//! Each case is sent whole, byte by byte, and in a few large pieces. The number of answers must match the table: a
//! kept connection answers one more request and then ends; a closed one has nothing behind its last answer.
use super::common::http::problem_slug;
use super::common::pictures::pgm;
use super::common::table::{Case, cases};
use super::common::{Client, Response, Server, request};

/// A request that no case sends, so that its answer can't be taken for another's.
const PROBE: &[u8] = b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n";

/// An answer that a case must get.
#[derive(Debug)]
struct Wanted<'a> {
    status: u16,
    end: End,
    head_only: bool,
    slug: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Kept,
    Closed,
    Cut,
}

impl<'a> Wanted<'a> {
    fn parse(line: &'a str) -> Self {
        let mut words = line.split(' ');
        let status = words.next().and_then(|word| word.parse().ok()).expect("a status");
        let end = match words.next() {
            Some("kept") => End::Kept,
            Some("closed") => End::Closed,
            Some("cut") => End::Cut,
            other => panic!("{other:?}"),
        };
        let mut words = words.peekable();
        let head_only = words.next_if_eq(&"head").is_some();
        Self { status, end, head_only, slug: words.next() }
    }

    fn check(&self, answer: &Response) {
        assert_eq!(answer.status, self.status, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.is_kept(), self.end == End::Kept);
        if self.status >= 400 && !self.head_only {
            let slug = problem_slug(answer);
            assert!(self.slug.is_none_or(|file_request| file_request == slug), "{slug}");
        }
    }
}

/// Sends a case in pieces of this size, and checks all answers.
fn replay(server: &Server, case: &Case, piece: usize) {
    let mut client = server.client();
    for bytes in case.bytes.chunks(piece) {
        // After an early refusal the server may close while we send.
        if !client.try_send(bytes) {
            break;
        }
    }
    if case.file_request == ["quiet"] {
        return client.half_close().assert_closed();
    }
    let file_request: Vec<Wanted<'_>> = case.file_request.iter().map(|line| Wanted::parse(line)).collect();
    for one in &file_request {
        if one.end == End::Cut {
            client.half_close();
        }
        one.check(&final_answer(&mut client, one.head_only));
    }
    if file_request.last().expect("an answer").end == End::Kept {
        client.send(PROBE);
        assert_eq!(client.response().expect(204).field("allow"), Some("GET, HEAD, POST, PUT, OPTIONS"));
        client.half_close();
    }
    client.assert_closed();
}

/// The next final answer, after interim ones.
fn final_answer(client: &mut Client, head_only: bool) -> Response {
    loop {
        let answer = if head_only { client.response_to_head() } else { client.response() };
        if answer.status >= 200 {
            return answer;
        }
        assert_eq!(answer.status, 100);
    }
}

fn table() -> Vec<Case> {
    let cases = cases(include_str!("../data/http/requests.txt"));
    assert!(cases.len() >= 120, "{}", cases.len());
    cases
}

/// Replays the table, every case in pieces of `piece(length)`; prints all failures.
fn replay_all(piece: impl Fn(usize) -> usize) {
    let server = Server::start(&[]);
    let mut failed = Vec::new();
    for case in table() {
        let size = piece(case.bytes.len()).max(1);
        let replayed = std::panic::AssertUnwindSafe(|| replay(&server, &case, size));
        if std::panic::catch_unwind(replayed).is_err() {
            failed.push(case.name);
        }
    }
    assert_eq!(failed, [""; 0]);
    assert!(server.is_healthy());
}

#[test]
fn the_table_whole() {
    replay_all(|length| length);
}

#[test]
fn the_table_byte_by_byte() {
    // A long case is long because of a limit: not every cut needs testing.
    replay_all(|length| if length < 2000 { 1 } else { 61 });
}

#[test]
fn the_table_in_two_halves() {
    replay_all(|length| length.div_ceil(2));
}

const READ: &str = "GET, HEAD, OPTIONS";

/// Each route of a server with `-d`, and its allowed methods.
fn routes() -> Vec<(String, &'static str)> {
    let id = uuid::Uuid::new_v4();
    let all = "GET, HEAD, POST, PUT, OPTIONS";
    [
        ("/", all),
        ("/?escala=1", all),
        ("http://example.com/?escala=1", all),
        ("http://example.com", all),
        ("/healthz", READ),
        ("/readyz", READ),
        ("/metrics", READ),
        ("/panel.json", READ),
        ("/tareas", "POST, OPTIONS"),
        (&format!("/estado/{id}"), READ),
        (&format!("/tareas/{id}"), "DELETE, OPTIONS"),
        (&format!("/tareas/{id}/imagen"), READ),
        ("/enlaces", "POST, OPTIONS"),
        ("/scaled_images/scaled_image_1.jpg", READ),
        ("/carpetas", READ),
        ("/carpetas/caras", "GET, HEAD, DELETE, OPTIONS"),
        ("/carpetas/caras?cantidad=1", "GET, HEAD, DELETE, OPTIONS"),
        ("/carpetas/caras/uno.jpg", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("/carpetas/caras/faltantes", "GET, HEAD, PUT, POST, DELETE, OPTIONS"),
        ("/fotos/a.jpg", READ),
        ("/fotos/a%20b.jpg?escala=1", READ),
    ]
    .map(|(path, allow)| (path.to_owned(), allow))
    .into()
}

#[test]
fn every_route_answers_options_and_says_405_to_what_it_does_not_allow() {
    let server = Server::start(&["-d", "."]);
    let mut client = server.client();
    for (target, allow) in routes() {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "options"] {
            let shown = format!("{method} {target}");
            client.send(&request(method, &target, &[], b""));
            let answer = final_answer(&mut client, method == "HEAD");
            assert!(answer.is_kept(), "{shown}");
            if method == "OPTIONS" {
                assert_eq!((answer.status, answer.field("allow")), (204, Some(allow)), "{shown}");
                assert_eq!(answer.field("content-length"), None, "RFC 9110 §8.6: {shown}");
            } else if allow.split(", ").any(|allowed| allowed == method) {
                assert_ne!(answer.status, 405, "{shown}");
            } else {
                assert_eq!((answer.status, answer.field("allow")), (405, Some(allow)), "{shown}");
                if method != "HEAD" {
                    assert_eq!(problem_slug(&answer), "metodo-no-permitido", "{shown}");
                }
            }
        }
    }
}

#[test]
fn head_tells_what_get_would() {
    let server = Server::start(&["-d", "."]);
    std::fs::write(server.home.0.join("a.pgm"), pgm(8, 6)).unwrap();
    let mut client = server.client();
    let task = client.ask(&request("POST", "/tareas", &[], &pgm(8, 6))).expect(202).id().to_owned();
    let linked = client.ask(&request("POST", "/enlaces", &[], &pgm(8, 6))).expect(201);
    let link = linked.field("location").unwrap().replacen("http://localhost", "", 1);
    client.ask(&request("PUT", "/carpetas/caras/uno.pgm", &[], &pgm(8, 6))).expect(201);
    client.ask(&request("GET", &format!("/estado/{task}?espera=60"), &[], b"")).expect(200);
    for (target, status) in [
        ("/", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/a.pgm", 200),
        ("/nada.pgm", 404),
        ("/..", 404),
        (&format!("/estado/{task}"), 200),
        (&format!("/tareas/{task}/imagen"), 200),
        (&format!("/estado/{}", uuid::Uuid::new_v4()), 404),
        (&link, 200),
        ("/scaled_images/otra.jpg", 404),
        ("/carpetas", 200),
        ("/carpetas/caras", 200),
        ("/carpetas/caras/uno.pgm", 200),
        ("/carpetas/caras/dos.pgm", 404),
        ("/carpetas/otras", 404),
        ("/carpetas/caras?cantidad=muchas", 422),
    ] {
        let got = client.ask(&request("GET", target, &[], b""));
        assert_eq!(got.status, status, "{target}: {}", String::from_utf8_lossy(&got.body));
        client.send(&request("HEAD", target, &[], b""));
        let head = client.response_to_head().expect(status);
        for name in ["content-type", "content-length", "etag", "last-modified", "cache-control", "vary"] {
            assert_eq!(head.field(name), got.field(name), "{name} of {target}");
        }
        assert!(head.is_kept());
    }
    client.assert_kept();
}
