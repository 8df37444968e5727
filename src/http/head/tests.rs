use super::*;
use crate::http::limit::Limit;

/// A head for the tests of those that read one; `fields` with their line ends.
pub(crate) fn head_of(method: &str, target: &str, fields: &str) -> RequestHead {
    let mut recv = RecvBuf::new(usize::MAX);
    recv.extend(format!("{method} {target} HTTP/1.1\r\n{fields}\r\n").as_bytes());
    poll_head(&mut recv, &HeadLimits::default()).unwrap().unwrap()
}

/// What came of a stream of bytes that begins with a head.
#[derive(Debug)]
enum Outcome {
    Head(Box<RequestHead>, Vec<u8>),
    Wait,
    Refused(HeadError),
}

impl Outcome {
    fn summary(&self) -> String {
        match self {
            Self::Wait => "wait".to_owned(),
            Self::Refused(error) => format!("{error:?}"),
            Self::Head(head, _) => {
                let fields = |name| head.fields(name).collect::<Vec<_>>();
                format!(
                    "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {:?} {:?}",
                    head.method(),
                    head.target(),
                    head.path(),
                    head.query(),
                    head.version(),
                    head.host(),
                    head.framing(),
                    head.keep_alive(),
                    head.expectation(),
                    fields("x"),
                )
            }
        }
    }
}

/// Feeds `input` in pieces of `step` bytes, asking for a head after each.
fn feed(input: &[u8], step: usize, limits: &HeadLimits) -> Outcome {
    let mut recv = RecvBuf::new(usize::MAX);
    let mut pieces = input.chunks(step);
    while let Some(piece) = pieces.next() {
        recv.extend(piece);
        match poll_head(&mut recv, limits) {
            Ok(None) => {}
            Err(error) => return Outcome::Refused(error),
            Ok(Some(head)) => {
                let rest = pieces.fold(recv.data().to_vec(), |rest, piece| [rest, piece.to_vec()].concat());
                return Outcome::Head(Box::new(head), rest);
            }
        }
    }
    Outcome::Wait
}

/// Parses whole, byte by byte, in threes, and with trailing data; asserts that all agree, and returns the first.
fn parse(input: &[u8]) -> Outcome {
    let limits = HeadLimits::default();
    let whole = feed(input, input.len().max(1), &limits);
    for step in [1, 3] {
        assert_eq!(feed(input, step, &limits).summary(), whole.summary(), "{step} a time: {input:?}");
    }
    if let Outcome::Head(_, rest) = &whole {
        assert_eq!(rest, b"", "{input:?}");
        let more = [input, b"GET / \x00\r\n\n"].concat();
        for step in [1, more.len()] {
            let Outcome::Head(_, rest) = feed(&more, step, &limits) else { panic!("{input:?} and more") };
            assert_eq!(rest, b"GET / \x00\r\n\n");
        }
    }
    whole
}

#[track_caller]
fn accepted(input: &[u8]) -> RequestHead {
    match parse(input) {
        Outcome::Head(head, _) => *head,
        other => panic!("{} for {}", other.summary(), input.escape_ascii()),
    }
}

#[track_caller]
fn refused(input: &[u8], error: HeadError) {
    assert_eq!(parse(input).summary(), format!("{error:?}"), "{}", input.escape_ascii());
}

/// A request of HTTP/1.1 with these lines after Host.
fn with(lines: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").into_bytes()
}

#[test]
fn a_request_of_curl() {
    let head = accepted(
        b"POST /tareas?escala=0.5&formato=png HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/8.5.0\r\n\
          Accept: */*\r\nContent-Length: 936034\r\nExpect: 100-continue\r\nX:  one \t\r\nx:two\r\n\r\n",
    );
    assert_eq!((head.method(), head.version()), (&Method::Post, Version::Http11));
    assert_eq!((head.path(), head.query()), (&b"/tareas"[..], Some(&b"escala=0.5&formato=png"[..])));
    assert_eq!(head.target(), b"/tareas?escala=0.5&formato=png");
    assert_eq!(head.host(), Some(&b"127.0.0.1:8080"[..]));
    assert_eq!(head.field("ACCEPT"), Some(&b"*/*"[..]));
    assert_eq!(head.fields("x").collect::<Vec<_>>(), [b"one", b"two"]);
    assert_eq!(head.field("accept-language"), None);
    assert_eq!((head.framing(), head.expectation()), (Framing::Length(936_034), Expectation::Continue));
    assert!(head.keep_alive());
}

#[test]
fn targets() {
    let cases: &[(&str, &str, Option<&str>, Option<&str>)] = &[
        ("/", "/", None, None),
        ("/a%2Fb/../c", "/a%2Fb/../c", None, None),
        ("/a?", "/a", Some(""), None),
        ("/a?b?c=d", "/a", Some("b?c=d"), None),
        ("/a#b?c", "/a", None, None),
        ("/a?b#c?d", "/a", Some("b"), None),
        ("/100%zz%", "/100%zz%", None, None),
        ("//b/c", "//b/c", None, None),
        ("/a:b@c", "/a:b@c", None, None),
        ("/año", "/año", None, None),
        ("/{}|^`\"<>\\", "/{}|^`\"<>\\", None, None),
        ("http://h", "/", None, Some("h")),
        ("http://h/", "/", None, Some("h")),
        ("http://h?q", "/", Some("q"), Some("h")),
        ("http://h#f", "/", None, Some("h")),
        ("HTTP://u:p@h:80/a?b#c", "/a", Some("b"), Some("h:80")),
        ("http://u@x@[::1]:80/a", "/a", None, Some("[::1]:80")),
        ("coap+tcp://h/x://y", "/x://y", None, Some("h")),
    ];
    for (target, path, query, host) in cases {
        let head = accepted(format!("GET {target} HTTP/1.1\r\nHost: own\r\n\r\n").as_bytes());
        assert_eq!(head.target(), target.as_bytes());
        assert_eq!(head.path(), path.as_bytes(), "{target}");
        assert_eq!(head.query(), query.map(str::as_bytes), "{target}");
        assert_eq!(head.host(), Some(host.unwrap_or("own").as_bytes()), "{target}");
    }
    let raw = accepted(b"GET /\xff\xa0?\xfe HTTP/1.0\r\n\r\n");
    assert_eq!((raw.path(), raw.query(), raw.host()), (&b"/\xff\xa0"[..], Some(&b"\xfe"[..]), None));
    assert_eq!(accepted(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").path(), b"a:1");
    assert_eq!(accepted(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path(), b"*");
    for method in ["GET", "CONNECT"] {
        refused(format!("{method} * HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), HeadError::Target);
    }
    for target in [
        "a",
        "a:1",
        "a/b",
        "?a",
        "#",
        "http:/a",
        "http:a",
        "://a",
        "1a://b",
        "http://",
        "http:///a",
        "http://:80/",
        "s://]ufd/:",
        "http://a:b/",
        "x*",
        "http://u@/a",
    ] {
        refused(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), HeadError::Target);
    }
}

#[test]
fn methods_are_tokens_and_case_counts() {
    for name in ["PATCH", "get", "M-SEARCH", "!#$%&'*+-.^_`|~", &"A".repeat(64)] {
        let head = accepted(format!("{name} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!(*head.method(), Method::Other(name.into()));
        assert_eq!(head.method().as_str(), name);
    }
    for name in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
        let head = accepted(format!("{name} / HTTP/1.0\r\n\r\n").as_bytes());
        assert_eq!(head.method().as_str(), name);
        assert!(!matches!(head.method(), Method::Other(_)));
    }
    for name in ["G(T", "G:", "G\u{e9}T", "G\tT"] {
        refused(format!("{name} / HTTP/1.1\r\n\r\n").as_bytes(), HeadError::RequestLine);
    }
    refused(&[b'A'; 65], HeadError::MethodTooLong);
}

#[test]
fn request_lines_and_versions() {
    for line in [
        "GET /",
        "GET",
        "GET / ",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /a b HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/1.10",
        "GET / HTTP/01.1",
        "GET / HTTP /1.1",
        "GET / HTTPS/1.1",
        "GET / HTTP/1,1",
        "GET / HTTP/a.b",
        "GET / RTSP/1.0",
    ] {
        refused(format!("{line}\r\n\r\n").as_bytes(), HeadError::RequestLine);
    }
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/9.9", "HTTP/1.2"] {
        refused(format!("GET / {version}\r\nHost: a\r\n\r\n").as_bytes(), HeadError::Version);
    }
    refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HeadError::Version);
}

/// Noise is refused at the byte or the line that shows what it is, without an empty line.
#[test]
fn hopeless_beginnings_are_refused_early() {
    refused(b"\x16\x03\x01\x02\x00\x01\x00", HeadError::NotHttp);
    refused(b"\x89PNG", HeadError::NotHttp);
    refused(b" GET / HTTP/1.1\r\n", HeadError::NotHttp);
    refused(b"\0", HeadError::Nul);
    refused(b"GET /\r\n", HeadError::RequestLine);
    refused(b"\r\nhola\r\n", HeadError::RequestLine);
    refused(b"GET / HTTP/1.1\r\nHost: a\n", HeadError::MixedLineEnds);
    refused(b"GET / HTTP/1.1\r\nA: b\rc\r\n", HeadError::BareCr);
    refused(b"GET / HTTP/1.1\r\n folded\r\n", HeadError::Folded);
    assert_eq!(parse(b"").summary(), "wait");
    assert_eq!(parse(b"\r").summary(), "wait");
    assert_eq!(parse(b"\r\n").summary(), "wait");
    assert_eq!(parse(b"G").summary(), "wait");
    assert_eq!(parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r").summary(), "wait");
}

/// Of two faults the one whose byte comes first is reported, however they are cut.
#[test]
fn the_first_fault_decides() {
    let long = "t".repeat(9000);
    refused(b"GET /\r\nHost: a\n\0", HeadError::RequestLine);
    refused(b"GET / HTTP/2.0\r\n folded\r\n", HeadError::Version);
    refused(b"\r\r\n\x16\x03", HeadError::BareCr);
    refused(b"\0\r\r\n", HeadError::Nul);
    refused(b"\x16\0\r\r\n", HeadError::NotHttp);
    refused(&[b"\r\n".repeat(10), b"G\r\r\n".to_vec()].concat(), HeadError::EmptyLines);
    refused(format!("GET /\0{long}\r\n").as_bytes(), HeadError::TargetTooLong { max: 8192 });
    refused(format!("G(T {long}\n").as_bytes(), HeadError::TargetTooLong { max: 8192 });
    refused(format!("GET / {long}\0\r\n").as_bytes(), HeadError::RequestLine);
    refused(format!("{}(\0\n", "G".repeat(65)).as_bytes(), HeadError::MethodTooLong);
    let large = format!("GET / HTTP/1.1\r\nX: {long}{long}\r\n folded\r\n\r\n");
    refused(large.as_bytes(), HeadError::TooLarge { max: 16384 });
    refused(b"GET / HTTP/1.1\r\nX : y\r\nZ\n", HeadError::MixedLineEnds);
}

#[test]
fn line_ends() {
    let typed = accepted(b"GET / HTTP/1.1\nHost: a\nX: y\n\n");
    assert_eq!((typed.path(), typed.field("x")), (&b"/"[..], Some(&b"y"[..])));
    for (input, error) in [
        (&b"GET / HTTP/1.1\nHost: a\r\n\r\n"[..], HeadError::MixedLineEnds),
        (b"GET / HTTP/1.1\r\nHost: a\n\r\n", HeadError::MixedLineEnds),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::MixedLineEnds),
        (b"GET / HTTP/1.1\nHost: a\n\r\n", HeadError::MixedLineEnds),
        (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::MixedLineEnds),
        (b"\r\nGET / HTTP/1.1\nHost: a\n\n", HeadError::MixedLineEnds),
        (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", HeadError::BareCr),
        (b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", HeadError::BareCr),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", HeadError::BareCr),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n", HeadError::BareCr),
        (b"\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::BareCr),
        (b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", HeadError::BareCr),
    ] {
        refused(input, error);
    }
    for before in ["\r\n", "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"] {
        accepted(format!("{before}GET / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    }
    accepted(b"\n\nGET / HTTP/1.1\nHost: a\n\n");
    refused(&b"\r\n".repeat(9), HeadError::EmptyLines);
}

#[test]
fn fields() {
    let head = accepted(&with("X: \"caf\u{e9}\"\r\nx:\r\nX:\t \r\n_a.b: c\r\n"));
    assert_eq!(head.fields("X").collect::<Vec<_>>(), ["\"caf\u{e9}\"".as_bytes(), b"", b""]);
    assert_eq!(head.field("_A.B"), Some(&b"c"[..]));
    let raw = accepted(b"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\r\n\r\n");
    assert_eq!(raw.field("x"), Some(&b"\x80\xff"[..]));
    for (lines, error) in [
        ("X : y\r\n", HeadError::FieldName),
        ("X\t: y\r\n", HeadError::FieldName),
        (": y\r\n", HeadError::FieldName),
        ("X\r\n", HeadError::FieldName),
        ("X(: y\r\n", HeadError::FieldName),
        ("\u{e9}: y\r\n", HeadError::FieldName),
        ("X: a\x01\r\n", HeadError::FieldValue),
        ("X: a\x7f\r\n", HeadError::FieldValue),
        ("X: a\x0bb\r\n", HeadError::FieldValue),
        ("X: a\0b\r\n", HeadError::Nul),
        ("X\0: ab\r\n", HeadError::Nul),
        ("X: a\r\n b\r\n", HeadError::Folded),
        ("X: a\r\n\tb\r\n", HeadError::Folded),
        ("X: a\r\n \r\n", HeadError::Folded),
    ] {
        refused(&with(lines), error);
    }
}

#[test]
fn host() {
    for host in [
        "",
        "a",
        "a:",
        "a:80",
        "a.b_c-d~e",
        ".a.",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:8080",
        "[fe80::1%25eth0]:1",
        "%61",
        "a,b;c=d",
    ] {
        let head = accepted(format!("GET / HTTP/1.1\r\nhost:{host}\r\n\r\n").as_bytes());
        assert_eq!(head.host(), Some(host.as_bytes()));
    }
    for host in [
        "a b", "a/b", "u@a", "a?b", "a#b", "a:b", "a:80:80", ":80", ".", "..:80", "::1", "[::1", "[]",
        "[::1]x", "[::1]:x", "[a b]", "\u{e9}", "a\\b",
    ] {
        refused(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), HeadError::HostInvalid);
    }
    refused(b"GET / HTTP/1.1\r\n\r\n", HeadError::HostMissing);
    refused(b"GET http://a/ HTTP/1.1\r\n\r\n", HeadError::HostMissing);
    refused(&with("Host: a\r\n"), HeadError::FieldRepeated { name: "host" });
    refused(b"GET / HTTP/1.0\r\nHost: a\r\nHOST: a\r\n\r\n", HeadError::FieldRepeated { name: "host" });
    assert_eq!(accepted(b"GET / HTTP/1.0\r\n\r\n").host(), None);
}

#[test]
fn fields_of_one_value_agree() {
    for name in ["content-type", "if-modified-since", "if-unmodified-since", "if-range"] {
        let upper = name.to_uppercase();
        accepted(&with(&format!("{name}: x\r\n")));
        accepted(&with(&format!("{name}: x\r\n{upper}: x\r\n")));
        refused(&with(&format!("{name}: x\r\nA: b\r\n{upper}: y\r\n")), HeadError::FieldRepeated { name });
    }
    for name in ["host", "content-length", "transfer-encoding"] {
        let repeated = format!("GET / HTTP/1.1\r\n{name}: 1\r\n{name}: 1\r\n\r\n");
        refused(repeated.as_bytes(), HeadError::FieldRepeated { name });
        assert!(HeadError::FieldRepeated { name }.to_string().contains(name));
    }
    accepted(&with("Accept: a\r\nAccept: b\r\nCookie: a\r\nCookie: b\r\nRange: c\r\nRange: d\r\n"));
}

#[test]
fn framing() {
    for (lines, framing) in [
        ("", Framing::None),
        ("Content-Length: 0\r\n", Framing::Length(0)),
        ("content-length:\t42 \r\n", Framing::Length(42)),
        ("Content-Length: 0000000000000000000000042\r\n", Framing::Length(42)),
        ("Content-Length: 18446744073709551615\r\n", Framing::Length(u64::MAX)),
        ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
        ("transfer-ENCODING:CHUNKED\r\n", Framing::Chunked),
    ] {
        assert_eq!(accepted(&with(lines)).framing(), framing, "{lines}");
    }
    for value in [
        "",
        "+1",
        "-1",
        "1,1",
        "1, 1",
        "0x10",
        "1a",
        "1 1",
        "1.0",
        "\"1\"",
        "18446744073709551616",
        "\u{661}",
    ] {
        refused(&with(&format!("Content-Length: {value}\r\n")), HeadError::LengthInvalid);
    }
    refused(
        &with("Content-Length: 1\r\nContent-Length: 1\r\n"),
        HeadError::FieldRepeated { name: "content-length" },
    );
    refused(&with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), HeadError::LengthAndCoding);
    refused(
        &with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        HeadError::FieldRepeated { name: "transfer-encoding" },
    );
    refused(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HeadError::CodingInHttp10);
    for coding in [
        "",
        "gzip",
        "identity",
        "gzip, chunked",
        "chunked, chunked",
        "chunked;a=b",
        "\"chunked\"",
        "x chunked",
    ] {
        refused(&with(&format!("Transfer-Encoding: {coding}\r\n")), HeadError::CodingUnknown);
    }
}

#[test]
fn connection_and_expectation() {
    for (version, lines, keep) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: x ,\tCLOSE\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let head = accepted(format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n").as_bytes());
        assert_eq!(head.keep_alive(), keep, "{version} {lines}");
    }
    for (version, lines, expectation) in [
        ("1.1", "", Expectation::None),
        ("1.1", "Expect: 100-Continue\r\n", Expectation::Continue),
        ("1.1", "Expect: 200-ok\r\n", Expectation::Unknown),
        ("1.1", "Expect: 100-continue\r\nExpect: x\r\n", Expectation::Unknown),
        ("1.0", "Expect: 100-continue\r\n", Expectation::None),
    ] {
        let head = accepted(format!("PUT / HTTP/{version}\r\nHost: a\r\n{lines}\r\n").as_bytes());
        assert_eq!(head.expectation(), expectation, "{version} {lines}");
    }
}

#[test]
fn limits_hold_at_their_byte() {
    let limits = HeadLimits { bytes_max: 100, fields_max: 3, target_max: 20 };
    let outcome = |input: &[u8]| {
        let whole = feed(input, input.len(), &limits).summary();
        assert_eq!(feed(input, 1, &limits).summary(), whole, "{}", input.escape_ascii());
        whole
    };
    let head = |target: usize, value: usize| {
        let value = "v".repeat(value);
        format!("GET /{} HTTP/1.1\r\nHost: a\r\nX: {value}\r\n\r\n", "t".repeat(target - 1)).into_bytes()
    };
    let fixed = head(1, 0).len();
    assert!(outcome(&head(20, 100 - fixed - 19)).starts_with("Get"));
    assert_eq!(outcome(&head(20, 101 - fixed - 19)), "TooLarge { max: 100 }");
    assert_eq!(outcome(&head(21, 0)), "TargetTooLong { max: 20 }");
    // Refused at the byte that passes, long before any line ends.
    assert_eq!(outcome(&head(20, 0)[..4 + 20]), "wait");
    assert_eq!(outcome(&head(21, 0)[..4 + 21]), "TargetTooLong { max: 20 }");
    assert_eq!(outcome(format!("GET /{}", "t".repeat(1000)).as_bytes()), "TargetTooLong { max: 20 }");
    assert_eq!(outcome(format!("GET / {}", "H".repeat(1000)).as_bytes()), "RequestLine");
    assert_eq!(outcome(&[b"GET / HTTP/1.1\r\nX: ", &[b'v'; 80][..]].concat()), "wait");
    assert_eq!(outcome(&[b"GET / HTTP/1.1\r\nX: ", &[b'v'; 81][..]].concat()), "TooLarge { max: 100 }");
    assert!(outcome(b"GET / HTTP/1.1\r\nHost: a\r\nb:\r\nc:\r\n\r\n").starts_with("Get"));
    assert_eq!(
        outcome(b"GET / HTTP/1.1\r\nHost: a\r\nb:\r\nc:\r\nd:\r\n\r\n"),
        "TooManyFields { max: 3, received: 4 }"
    );
}

/// A head in as many pieces as it has bytes leaves no byte to be searched twice.
#[test]
fn dripping_is_searched_once() {
    let mut recv = RecvBuf::new(16 * 1024);
    for (n, byte) in with(&format!("X: {}\r\n", "v".repeat(4000))).into_iter().enumerate() {
        assert_eq!(recv.searched(), n);
        recv.extend(&[byte]);
        if poll_head(&mut recv, &HeadLimits::default()).unwrap().is_some() {
            assert!(recv.is_empty());
            return;
        }
    }
    panic!("no head");
}

#[test]
fn pipelined_heads_come_one_by_one() {
    let mut recv = RecvBuf::new(1000);
    recv.extend(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\nHost: a\n\nGET /c HT");
    let limits = HeadLimits::default();
    for path in [b"/a", b"/b"] {
        assert_eq!(poll_head(&mut recv, &limits).unwrap().unwrap().path(), path);
    }
    assert!(poll_head(&mut recv, &limits).unwrap().is_none());
    recv.extend(b"TP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(poll_head(&mut recv, &limits).unwrap().unwrap().path(), b"/c");
    assert!(recv.is_empty());
}

#[test]
fn every_fault_has_a_status_and_a_text() {
    for (error, status) in [
        (HeadError::NotHttp, 400),
        (HeadError::TargetTooLong { max: 8192 }, 414),
        (HeadError::TooLarge { max: 16384 }, 431),
        (HeadError::TooManyFields { max: 64, received: 65 }, 431),
        (HeadError::MethodTooLong, 501),
        (HeadError::CodingUnknown, 501),
        (HeadError::Version, 505),
        (HeadError::HostMissing, 400),
    ] {
        assert_eq!(error.status(), status);
        assert!(!error.to_string().is_empty());
    }
    for (error, name, max, received) in [
        (HeadError::TargetTooLong { max: 8192 }, "ruta", 8192, 8193),
        (HeadError::TooLarge { max: 16384 }, "cabecera", 16384, 16385),
        (HeadError::TooManyFields { max: 64, received: 70 }, "campos", 64, 70),
    ] {
        assert_eq!(error.limit(), Some(Limit { name, max, received }));
        let text = error.to_string();
        assert!(text.contains(&max.to_string()) && text.contains(&received.to_string()), "{text}");
    }
    assert_eq!(HeadError::Version.limit(), None);
}
