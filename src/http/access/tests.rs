use super::*;
use crate::http::head::tests::head_of;

const KEY: &str = "0123456789abcdef";

fn access(origins: &[&str], names: &[&str], guards_host: bool, key: Option<&str>) -> Access {
    let mut access = Access { guards_host, ..Access::default() };
    assert!(origins.iter().all(|origin| access.origins.add(origin)));
    access.names = names.iter().map(|&name| name.into()).collect();
    access.key = RefCell::new(key.map(|key| AccessKey::of_file(key.as_bytes()).unwrap()));
    access
}

/// 0: allowed.
fn status(access: &Access, method: &str, target: &str, fields: &[&str], links: bool) -> u16 {
    let lines: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    // HTTP/1.1 wants one, and an empty one says nothing.
    let host = if lines.to_ascii_lowercase().contains("host: ") { "" } else { "Host:\r\n" };
    let head = head_of(method, target, &format!("{host}{lines}"));
    let told = Forwarded::of(&head, Some("127.0.0.1".parse().unwrap()), &access.proxies);
    match access.judge(&head, &told, links) {
        Ok(()) => 0,
        Err(AccessError::Misdirected(_)) => 421,
        Err(AccessError::Unauthorized { .. }) => 401,
        Err(AccessError::CrossSite(_)) => 403,
    }
}

#[test]
fn pages_of_other_sites() {
    let own = access(&[], &[], false, None);
    let listed = access(&["https://a.example", "http://b.example:8000/"], &[], false, None);
    let any = access(&["*"], &[], false, None);
    // Method, fields -> without `--origen`, with two of them, with `*`.
    for (method, fields, expected) in [
        ("POST", &[][..], [0, 0, 0]),
        ("POST", &["Sec-Fetch-Site: cross-site"], [403, 403, 0]),
        ("POST", &["Sec-Fetch-Site: same-site"], [403, 403, 0]),
        ("POST", &["Sec-Fetch-Site: same-origin"], [0, 0, 0]),
        ("POST", &["Sec-Fetch-Site: none"], [0, 0, 0]),
        ("PUT", &["Sec-Fetch-Site: cross-site"], [403, 403, 0]),
        ("DELETE", &["Sec-Fetch-Site: cross-site"], [403, 403, 0]),
        ("PATCH", &["Sec-Fetch-Site: cross-site"], [403, 403, 0]),
        ("GET", &["Sec-Fetch-Site: cross-site"], [0, 0, 0]),
        ("HEAD", &["Sec-Fetch-Site: cross-site"], [0, 0, 0]),
        ("OPTIONS", &["Sec-Fetch-Site: cross-site", "Origin: https://c.example"], [0, 0, 0]),
        ("POST", &["Sec-Fetch-Site: cross-site", "Origin: https://a.example"], [403, 0, 0]),
        ("POST", &["Sec-Fetch-Site: cross-site", "Origin: https://A.Example:443"], [403, 0, 0]),
        ("POST", &["Sec-Fetch-Site: cross-site", "Origin: http://b.example:8000"], [403, 0, 0]),
        ("POST", &["Sec-Fetch-Site: cross-site", "Origin: http://a.example"], [403, 403, 0]),
        ("POST", &["Sec-Fetch-Site: cross-site", "Origin: https://a.example.malo"], [403, 403, 0]),
        ("POST", &["Sec-Fetch-Site: cross-site", "Origin: https://a.example:8443"], [403, 403, 0]),
        ("POST", &["Sec-Fetch-Site: cross-site", "Origin: null"], [403, 403, 0]),
        // Of a browser that doesn't tell the site, as on http:// by a name.
        ("POST", &["Host: x:8080", "Origin: http://x:8080"], [0, 0, 0]),
        ("POST", &["Host: x:8080", "Origin: http://X:8080"], [0, 0, 0]),
        ("POST", &["Host: x", "Origin: http://x:80"], [0, 0, 0]),
        ("POST", &["Host: x:80", "Origin: http://x"], [0, 0, 0]),
        ("POST", &["Host: x:443", "Origin: https://x"], [0, 0, 0]),
        ("POST", &["Host: [::1]:8080", "Origin: http://[::1]:8080"], [0, 0, 0]),
        ("POST", &["Host: x:8080", "Origin: http://x"], [403, 403, 0]),
        ("POST", &["Host: x:8080", "Origin: http://x:8081"], [403, 403, 0]),
        ("POST", &["Host: x", "Origin: http://y"], [403, 403, 0]),
        ("POST", &["Host: x", "Origin: null"], [403, 403, 0]),
        ("POST", &["Host: x", "Origin: "], [403, 403, 0]),
        ("POST", &["Origin: http://x"], [403, 403, 0]),
        ("POST", &["Host: x", "Origin: http://x", "Sec-Fetch-Site: otra-cosa"], [0, 0, 0]),
        ("POST", &["Host: x", "Origin: http://y", "Sec-Fetch-Site: otra-cosa"], [403, 403, 0]),
        ("GET", &["Host: x", "Origin: http://y"], [0, 0, 0]),
    ] {
        let told = [&own, &listed, &any].map(|access| status(access, method, "/", fields, false));
        assert_eq!(told, expected, "{method} {fields:?}");
    }
}

#[test]
fn names_against_rebinding() {
    let open = access(&[], &[], false, None);
    let guarded = access(&[], &["fotos.example", "mi.maquina"], true, None);
    for (host, expected) in [
        ("", 0),
        ("127.0.0.1", 0),
        ("127.0.0.1:8080", 0),
        ("192.0.2.7", 0),
        ("[::1]", 0),
        ("[::1]:8080", 0),
        ("localhost", 0),
        ("LOCALHOST:8080", 0),
        ("maquina", 0),
        ("a.localhost:8080", 0),
        ("fotos.example", 0),
        ("Fotos.Example:8080", 0),
        ("fotos.example.", 0),
        ("mi.maquina", 0),
        ("malo.example", 421),
        ("malo.example:8080", 421),
        ("a.fotos.example", 421),
        ("fotos.example.malo", 421),
        ("localhost.malo", 421),
        ("127.0.0.1.malo", 421),
        ("localhost.malo:8080", 421),
    ] {
        for (method, target) in
            [("GET", "/"), ("GET", "/healthz"), ("POST", "/"), ("OPTIONS", "/"), ("GET", "/nada")]
        {
            let field = format!("Host: {host}");
            assert_eq!(
                status(&guarded, method, target, &[&field], false),
                expected,
                "{method} {target} {host}"
            );
            assert_eq!(status(&open, method, target, &[&field], false), 0, "{host}");
        }
    }
    // An absolute target is what a browser sends to a proxy, and no page to a server.
    assert_eq!(status(&guarded, "GET", "http://a.b/", &["Host: a.b"], false), 0);
    assert_eq!(status(&guarded, "GET", "http://a.b/", &["Host: x"], false), 0);
}

#[test]
fn the_host_that_a_proxy_tells_is_judged_as_well() {
    let mut guarded = access(&[], &["fotos.example"], true, None);
    guarded.proxies = vec!["127.0.0.1".parse().unwrap()];
    let other = ["Host: x", "X-Forwarded-Host: otras.example"];
    assert_eq!(status(&guarded, "POST", "/", &other, false), 0, "without --nombre the proxy decides");
    guarded.guards_forwarded_host = true;
    for (fields, expected) in [
        (&["Host: x", "X-Forwarded-Host: fotos.example", "Origin: https://fotos.example"][..], 0),
        (&["Host: x", "X-Forwarded-Host: fotos.example", "Origin: https://x"], 403),
        (&["Host: x", "X-Forwarded-Host: malo.example"], 421),
        (&["Host: malo.example", "X-Forwarded-Host: fotos.example"], 421),
    ] {
        assert_eq!(status(&guarded, "POST", "/", fields, false), expected, "{fields:?}");
    }
    guarded.proxies.clear();
    let told = ["Host: x", "X-Forwarded-Host: malo.example", "Origin: http://x"];
    assert_eq!(status(&guarded, "POST", "/", &told, false), 0, "from anybody else it means nothing");
}

#[test]
fn the_key() {
    let keyed = access(&["https://a.example"], &[], false, Some(KEY));
    let right = format!("Authorization: Bearer {KEY}");
    let wrong = "Authorization: Bearer 0123456789abcdeX";
    for (method, target, without) in [
        ("GET", "/", 0),
        ("HEAD", "/", 0),
        ("GET", "/app.js", 0),
        ("GET", "/estilo.css", 0),
        ("GET", "/healthz", 0),
        ("HEAD", "/readyz", 0),
        ("POST", "/healthz", 401),
        ("GET", "/metrics", 401),
        ("POST", "/", 401),
        ("PUT", "/a.jpg", 401),
        ("GET", "/nada", 401),
        ("GET", "/carpetas", 401),
        ("GET", "/scaled_images/a.jpg", 401),
        ("DELETE", "/tareas/x", 401),
        ("OPTIONS", "/", 401),
        ("BREW", "/", 401),
    ] {
        assert_eq!(status(&keyed, method, target, &[], false), without, "{method} {target}");
        assert_eq!(status(&keyed, method, target, &[wrong], false), without, "{method} {target}");
        assert_eq!(status(&keyed, method, target, &[&right], false), 0, "{method} {target}");
        assert_eq!(status(&keyed, method, target, &[], true), 401, "{method} {target}: of the links");
    }
    for (sent, expected) in [
        (format!("bearer   {KEY}"), 0),
        (format!("Basic {KEY}"), 401),
        (format!("Bearer{KEY}"), 401),
        (KEY.to_owned(), 401),
        ("Bearer".to_owned(), 401),
        ("Bearer ".to_owned(), 401),
        (format!("Bearer {KEY}{KEY}"), 401),
        (format!("Bearer {}", &KEY[..15]), 401),
        (String::new(), 401),
    ] {
        let field = format!("Authorization: {sent}");
        assert_eq!(status(&keyed, "GET", "/metrics", &[&field], false), expected, "{sent}");
    }
    // A browser sends no key with a preflight; with the key another site's page is another site's page.
    let preflight = |origin| [origin, "Access-Control-Request-Method: POST"];
    assert_eq!(status(&keyed, "OPTIONS", "/", &preflight("Origin: https://a.example"), false), 0);
    assert_eq!(status(&keyed, "OPTIONS", "/", &preflight("Origin: https://b.example"), false), 401);
    assert_eq!(status(&keyed, "OPTIONS", "/", &["Origin: https://a.example"], false), 401);
    assert_eq!(status(&keyed, "POST", "/", &[&right, "Sec-Fetch-Site: cross-site"], false), 403);
    assert_eq!(status(&keyed, "POST", "/", &["Sec-Fetch-Site: cross-site"], false), 401);
}

#[test]
fn a_file_with_a_key() {
    for text in ["0123456789abcdef", "0123456789abcdef\n", "0123456789abcdef\r\n"] {
        assert_eq!(AccessKey::of_file(text.as_bytes()).unwrap().credentials(), "Bearer 0123456789abcdef");
    }
    for (text, complaint) in [
        ("", "debe tener al menos 16 caracteres"),
        ("0123456789abcde\n", "debe tener al menos 16 caracteres"),
        ("0123456789abcdef\n\n", "debe tener una sola línea"),
        ("0123456789abcdef\notra", "debe tener una sola línea"),
        ("0123456789 abcdef", "debe ser ASCII, sin espacios"),
        ("0123456789abcdeñ", "debe ser ASCII, sin espacios"),
    ] {
        assert_eq!(AccessKey::of_file(text.as_bytes()), Err(complaint), "{text:?}");
    }
    assert!(!format!("{:?}", AccessKey::of_file(KEY.as_bytes())).contains(KEY));
}

#[test]
fn origins_are_written_as_a_browser_does() {
    for text in
        ["*", "https://a.example", "http://a.example:8080/", "http://[::1]:8080", "moz-extension://a-b"]
    {
        assert!(Origins::default().add(text), "{text}");
    }
    for text in
        ["", "a.example", "https://", "https://a.example/ruta", "https://a b", "https://u@a", "://a", "null"]
    {
        assert!(!Origins::default().add(text), "{text}");
    }
}

fn fields_of(access: &Access, fields: &str) -> Vec<(&'static str, String)> {
    let head = head_of("POST", "/", &format!("Host: x\r\n{fields}"));
    access.fields(&head).into_iter().map(|(name, value)| (name, value.into_owned())).collect()
}

#[test]
fn the_fields_of_cors() {
    let [own, listed, any] =
        [&[][..], &["https://a.example"], &["*"]].map(|origins| access(origins, &[], false, None));
    let (mine, other) = ("Origin: https://a.example\r\n", "Origin: https://b.example\r\n");
    assert!(fields_of(&own, mine).is_empty());
    let told = fields_of(&listed, mine);
    assert_eq!(
        told[..2],
        [("Vary", "Origin".into()), ("Access-Control-Allow-Origin", "https://a.example".into())]
    );
    assert!(told[2].0 == "Access-Control-Expose-Headers" && told[2].1.contains("X-Tarea"), "{told:?}");
    assert_eq!(fields_of(&listed, other), [("Vary", "Origin".to_owned())]);
    assert_eq!(fields_of(&listed, ""), [("Vary", "Origin".to_owned())]);
    assert_eq!(fields_of(&any, other)[0], ("Access-Control-Allow-Origin", "*".to_owned()));
}

#[test]
fn a_preflight_is_given_what_it_asks_for() {
    let listed = access(&["https://a.example"], &[], false, None);
    let preflight = |fields: &str| {
        let fields = format!("Host: x\r\nOrigin: https://a.example\r\n{fields}");
        listed.preflight(&head_of("OPTIONS", "/nada", &fields))
    };
    let asked = "Access-Control-Request-Method: PUT\r\n";
    let reply =
        preflight(&format!("{asked}Access-Control-Request-Headers: x-propio,content-type\r\n")).unwrap();
    let field = |reply: &Reply, name: &str| {
        reply.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.to_string())
    };
    assert_eq!(reply.status, 204);
    assert_eq!(field(&reply, "Access-Control-Allow-Headers").unwrap(), "x-propio,content-type");
    assert!(field(&reply, "Access-Control-Allow-Methods").unwrap().contains("PUT"));
    assert_eq!(field(&reply, "Access-Control-Allow-Private-Network"), None);
    let reply = preflight(&format!("{asked}Access-Control-Request-Private-Network: true\r\n")).unwrap();
    assert_eq!(field(&reply, "Access-Control-Allow-Private-Network").as_deref(), Some("true"));
    assert_eq!(field(&reply, "Access-Control-Allow-Headers").as_deref(), Some(SENDABLE));
    let reply = preflight(&format!("{asked}Access-Control-Request-Headers: a:b\r\n")).unwrap();
    assert_eq!(field(&reply, "Access-Control-Allow-Headers").as_deref(), Some(SENDABLE));
    assert!(preflight("").is_none());
    assert!(
        listed
            .preflight(&head_of("OPTIONS", "/", &format!("Host: x\r\nOrigin: https://b.example\r\n{asked}")))
            .is_none()
    );
}
