//! The limits over the wire: excess is refused early, cheaply, and so that the client can read the reason.
use std::time::{Duration, Instant};

use super::common::fake_scaler::FakeScaler;
use super::common::http::chunked;
use super::common::pictures::pgm;
use super::common::wait::until;
use super::common::{Client, Server, post, request};

const MIB: usize = 1 << 20;

#[test]
fn a_gibibyte_announced_is_refused_before_a_byte_of_it_is_read() {
    let server = Server::start(&[]);
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut client = server.client();
        client.send(
            format!("POST / HTTP/1.1\r\nHost: x\r\n{expect}Content-Length: {}\r\n\r\n", 1 << 30).as_bytes(),
        );
        let answer = client.response().expect(413);
        assert_eq!(answer.problem()["recibido"], 1 << 30);
        assert!(!answer.is_kept());
    }
}

#[test]
fn a_client_that_sends_on_without_looking_can_still_read_its_413() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 64 * MIB).as_bytes());
    let block = vec![0x5a; MIB];
    for _ in 0..64 {
        if !client.try_send(&block) {
            break;
        }
    }
    assert_eq!(client.response().status, 413);
}

#[test]
fn chunks_are_refused_at_the_byte_that_passes() {
    let server = Server::start(&["--max-cuerpo", "1"]);
    let mut fitting = b"P5\n1024 1023\n255\n".to_vec();
    fitting.resize(MIB, 9);
    let mut client = server.client();
    client.send(&chunked("/", &fitting, 1000));
    client.response().expect(200);
    fitting.push(9);
    client.try_send(&chunked("/", &fitting, 1000));
    let answer = client.response().expect(413);
    assert_eq!(answer.problem()["recibido"], MIB + 1);
    assert!(!answer.is_kept());
}

#[test]
fn chunks_without_end_are_refused_at_the_default_of_32_mib() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.send(&request("POST", "/", &["Transfer-Encoding: chunked"], b""));
    let block = [b"100000\r\n", &vec![b'P'; MIB][..], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 40 && client.try_send(&block) {
        sent += 1;
    }
    let answer = client.response().expect(413);
    assert_eq!(answer.problem()["valor"], 32 * MIB);
    let received = answer.problem()["recibido"].as_u64().unwrap();
    assert!((1..=64 << 10).contains(&(received - 32 * MIB as u64)), "{received}");
}

#[test]
fn heads_have_a_size() {
    let server = Server::start(&[]);
    let ask = |sent: String| {
        let mut client = server.client();
        client.try_send(sent.as_bytes());
        let answer = client.response();
        assert!(answer.status == 200 || !answer.is_kept());
        answer.status
    };
    let with_fields = |fields: String| format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    let many = |count: usize| (0..count).map(|n| format!("X-{n}: v\r\n")).collect::<String>();
    assert_eq!(ask(with_fields(many(63))), 200);
    assert_eq!(ask(with_fields(many(64))), 431);
    assert_eq!(ask(with_fields(format!("X-Largo: {}\r\n", "v".repeat(16_000)))), 200);
    assert_eq!(ask(with_fields(format!("X-Largo: {}\r\n", "v".repeat(17_000)))), 431);
    assert_eq!(ask(with_fields(format!("X-Largo: {}", "v".repeat(2 * MIB)))), 431);
    let with_target = |length| format!("GET /healthz?{} HTTP/1.1\r\nHost: x\r\n\r\n", "q".repeat(length));
    assert_eq!(ask(with_target(8000)), 200);
    assert_eq!(ask(with_target(8193)), 414);
    assert_eq!(ask("G".repeat(2 * MIB)), 501);
}

#[test]
fn pixel_bombs_are_refused_by_their_header() {
    let server = Server::start(&[]);
    let png_head = |width: u32, height: u32| {
        let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        file.extend(width.to_be_bytes().into_iter().chain(height.to_be_bytes()));
        file.extend(b"\x08\x06\0\0\0");
        let sum = crc32(&file[12..]);
        file.extend(sum.to_be_bytes());
        file.extend(b"\0\0\0\x0aIDAT\x78\x9c\x63");
        file
    };
    let gif = b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;";
    let bombs = [png_head(50_000, 50_000), png_head(100_000, 1), gif.to_vec()];
    let began_at = Instant::now();
    let mut client = server.client();
    for bomb in &bombs {
        let answer = client.ask(&post("/", bomb)).expect(422);
        assert_eq!(answer.problem()["type"], "urn:tp2:error:demasiados-pixeles");
    }
    assert!(began_at.elapsed() < Duration::from_secs(2), "{:?}", began_at.elapsed());
}

/// ISO 3309, as PNG has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

#[test]
fn a_full_queue_is_503_before_100_continue_and_health_is_answered() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination(), "--cola", "1"]);
    let mut first = server.client();
    first.send(&post("/", &pgm(8, 8)));
    let mut question = scaler.question();

    let file = pgm(6, 6);
    let sent = request("POST", "/", &["Expect: 100-continue"], &file);
    let mut second = server.client();
    second.send(&sent[..sent.len() - file.len()]);
    let answer = second.response().expect(503);
    assert!(answer.field("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    let problem = answer.problem();
    assert_eq!((&problem["limite"], &problem["valor"]), (&"cola".into(), &1.into()));
    assert_eq!(problem["opcion"], "--cola");

    let mut netcat = server.client();
    netcat.try_send(&file);
    assert!(netcat.rest().starts_with(b"ERROR 503 "));
    let mut without_expect = server.client();
    assert!(without_expect.ask(&sent.clone()).expect(503).field("retry-after").is_some());
    assert_eq!(server.ask(&request("GET", "/readyz", &[], b"")).expect(503).problem()["limite"], "cola");
    assert!(server.is_healthy());

    question.answer();
    first.response().expect(200);
    first.send(&post("/", &file));
    scaler.question().answer();
    first.response().expect(200);
}

#[test]
fn an_upload_that_completes_while_the_queue_is_full_waits_its_turn() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination(), "--cola", "1"]);
    let (mut first, mut second) = (server.client(), server.client());
    let sent = post("/", &pgm(8, 8));
    second.assert_kept();
    second.send(&sent[..sent.len() - 1]);
    // Its head has arrived: /healthz on the same loop shows that, without the log line of the first's answer.
    assert!(server.is_healthy());
    first.send(&sent);
    let mut question = scaler.question();
    second.send(&sent[sent.len() - 1..]);
    assert!(server.is_healthy());
    question.answer();
    first.response().expect(200);
    scaler.question().answer();
    second.response().expect(200);
}

#[test]
fn memory_is_charged_as_bytes_arrive() {
    let server = Server::start(&["--memoria", "16"]);
    // Announcing costs nothing.
    let announced: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = server.client();
            client.send(
                format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 8 * MIB).as_bytes(),
            );
            client
        })
        .collect();
    server.ask(&post("/", &pgm(40, 40))).expect(200);
    drop(announced);

    let block = vec![b'P'; 9 * MIB];
    let head = request("POST", "/", &["Content-Type: image/png"], b"");
    let head = [&head[..head.len() - 2], format!("Content-Length: {}\r\n\r\n", 10 * MIB).as_bytes()].concat();
    let mut first = server.client();
    first.send(&head).send(&block);
    // Some of it may still be in transit; the request that reaches the limit is refused.
    until("that the first is charged for all of it", || {
        let page = String::from_utf8(server.ask(&request("GET", "/metrics", &[], b"")).body).unwrap();
        let charged = page.lines().find_map(|line| line.strip_prefix("tp2_memory_bytes "));
        (charged?.parse::<f64>().unwrap() >= block.len() as f64).then_some(())
    });
    let mut second = server.client();
    second.send(&head).try_send(&block);
    let answer = second.response().expect(503);
    assert!(answer.field("retry-after").is_some());
    let problem = answer.problem();
    assert_eq!((&problem["limite"], &problem["opcion"]), (&"memoria".into(), &"--memoria".into()));

    // The memory of the first is freed when it leaves.
    drop((first, second));
    until("that the memory is free", || {
        let mut client = server.client();
        client.send(&head).try_send(&block);
        client.try_send(&block[..MIB]);
        (client.response().status == 415).then_some(())
    });
}
