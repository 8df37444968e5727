//! Access control on a connection: before routes and body, with the fields of every answer.
use super::*;
use crate::http::access::AccessKey;

const KEY: &str = "0123456789abcdef";

/// A world with these options; its clients come from 198.51.100.9.
fn world(change: impl FnOnce(&mut crate::http::access::Access)) -> World {
    let mut server = ServerState::new(Limits::default(), Admission::new(4, 1 << 20, 1), ids);
    change(&mut server.access);
    World::of(ListenerRole::Main, server)
}

fn keyed() -> World {
    world(|access| access.key = Some(AccessKey::of_file(KEY.as_bytes()).unwrap()).into())
}

#[test]
fn a_request_without_the_key_learns_nothing_and_is_not_read() {
    for (request, closes) in [
        ("GET /nada HTTP/1.1\r\nHost: x\r\n\r\n", false),
        ("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", false),
        ("GET /metrics HTTP/1.1\r\nHost: x\r\nExpect: otra\r\n\r\n", false),
        ("POST /?escala=99 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", true),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", true),
    ] {
        let mut world = keyed();
        world.feed(request.as_bytes());
        world.transmit();
        assert_eq!(world.statuses(), [401], "{request}");
        let text = world.text();
        assert!(text.contains("WWW-Authenticate: Bearer realm=\"tp2\"\r\n"), "{text}");
        assert_eq!(text.contains("Connection: close"), closes, "{text}");
        assert!(world.orders.is_empty() && world.queries.is_empty());
    }
    let mut world = keyed();
    world.feed(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer 0123456789abcdeX\r\n\r\n");
    world.feed(format!("POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n").as_bytes());
    world.transmit();
    assert_eq!(world.statuses(), [401, 411]);
    assert!(world.text().contains("error=\"invalid_token\""), "{}", world.text());
    assert!(!format!("{:?}", world.events).contains(&KEY[..15]), "no key in the log");
}

#[test]
fn without_http_there_is_no_place_for_a_key() {
    let mut world = keyed();
    world.feed(&PNG[..20]);
    world.transmit();
    let text = world.text();
    assert!(text.starts_with("ERROR 401 este servidor pide una clave") && text.ends_with("\n"), "{text}");
    assert_eq!(text.lines().count(), 1);
    assert!(world.orders.is_empty() && world.half_closed);
}

#[test]
fn a_page_that_was_let_in_can_read_errors_and_ask_first() {
    let mut world = world(|access| assert!(access.origins.add("https://a.example")));
    let fields = "Host: x\r\nSec-Fetch-Site: cross-site\r\nOrigin: https://a.example\r\n";
    world.feed(
        format!("OPTIONS /nada HTTP/1.1\r\n{fields}Access-Control-Request-Method: PUT\r\n\r\n").as_bytes(),
    );
    world.feed(format!("POST /nada HTTP/1.1\r\n{fields}Content-Length: 0\r\n\r\n").as_bytes());
    let other = fields.replace("a.example", "b.example");
    world.feed(format!("POST /nada HTTP/1.1\r\n{other}Content-Length: 0\r\n\r\n").as_bytes());
    world.transmit();
    assert_eq!(world.statuses(), [204, 404, 403]);
    let text = world.text();
    assert_eq!(text.matches("Access-Control-Allow-Origin: https://a.example\r\n").count(), 2, "{text}");
    // A preflight says what there is, as any OPTIONS does (RFC 9110 §9.3.7); here there is nothing.
    assert!(!text.contains("\r\nAllow: "), "{text}");
    let mut known = self::world(|access| assert!(access.origins.add("*")));
    known.feed(
        format!("OPTIONS /tareas HTTP/1.1\r\n{fields}Access-Control-Request-Method: POST\r\n\r\n").as_bytes(),
    );
    known.transmit();
    assert!(known.text().contains("\r\nAllow: POST, OPTIONS\r\n"), "{}", known.text());
    assert_eq!(text.matches("Access-Control-Allow-Origin").count(), 2, "{text}");
    assert_eq!(text.matches("Vary: Origin\r\n").count(), 3, "{text}");
    assert!(
        text.contains("urn:tp2:error:otro-sitio") && text.contains("--origen https://b.example"),
        "{text}"
    );
}

#[test]
fn a_name_that_is_not_ours_is_told_what_to_do() {
    let mut world = world(|access| access.guards_host = true);
    world.feed(b"GET /healthz HTTP/1.1\r\nHost: malo.example:8080\r\n\r\n");
    world.feed(b"GET /healthz HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
    world.transmit();
    assert_eq!(world.statuses(), [421, 200]);
    assert!(world.text().contains("tp2 con --nombre malo.example\""), "{}", world.text());
}

#[test]
fn a_believed_proxy_names_the_client_the_link_and_the_request() {
    let ask = |proxies: &[&str]| {
        let mut world =
            world(|access| access.proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect());
        world.feed(
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-1\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n",
        );
        world.transmit();
        let Some(event) = world.events.last().cloned() else { panic!() };
        (event.caller, world.text().contains("\r\nX-Request-Id: r-1\r\n"))
    };
    let address = |text: &str| text.parse().ok();
    let told = Caller { address: address("203.0.113.5"), request_id: Some("r-1".into()) };
    assert_eq!(ask(&["198.51.100.0/24"]), (told, true));
    assert_eq!(ask(&["10.0.0.0/8"]), (Caller { address: address("198.51.100.9"), request_id: None }, false));
    // The id is sent back with the refusal of a head, among the lines that came whole.
    for (head, told) in [
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\nX-Request-Id: r-1\r\n\r\n", true),
        ("POST / HTTP/1.1\r\nX-Request-Id: r-1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", true),
        ("GET / HTTP/1.1\nX-Request-Id: r-1\n\n", true),
        ("GET / HTTP/9.9\r\nX-Request-Id: r-1\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: x\r\nmal campo\r\nx-request-id:r-1 \r\n\r\n", true),
        (&format!("GET / HTTP/1.1\r\nX-Request-Id: r-1\r\n{}\r\n", "A: b\r\n".repeat(1000)), true),
        (&format!("GET / HTTP/1.1\r\nX-Request-Id: r-1\r\nA: {}", "b".repeat(100_000)), true),
        (&format!("GET / HTTP/1.1\r\nA: {}\r\nX-Request-Id: r-1\r\n\r\n", "b".repeat(100_000)), false),
        ("GET / HTTP/1.1\r\nHost: x\r\nmal campo\r\n\r\nX-Request-Id: r-1\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\nX-Request-Id: r 1\r\n\r\n", false),
    ] {
        for proxy in ["198.51.100.0/24", "10.0.0.0/8"] {
            let mut world = world(|access| access.proxies = vec![proxy.parse().unwrap()]);
            world.feed(head.as_bytes());
            world.transmit();
            let is_told = told && proxy.starts_with("198");
            assert_eq!(
                world.text().contains("\r\nX-Request-Id: r-1\r\n"),
                is_told,
                "{head} {}",
                world.text()
            );
            let logged = world.events.last().and_then(|event| event.caller.request_id.clone());
            assert_eq!(logged.as_deref(), is_told.then_some("r-1"), "{head}");
        }
    }
    // Also of what could not be read, or came without HTTP.
    for bytes in [&b"GET\r\n\r\n"[..], PNG] {
        let mut world = world(|_| {});
        world.feed(bytes);
        world.transmit();
        assert!(!world.events.is_empty());
        assert!(world.events.iter().all(|event| event.caller.address == address("198.51.100.9")));
    }
}
