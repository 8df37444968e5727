//! Slow peers: with the head, with the body, with the answer. `exchange_tests.rs` tests the deadlines themselves with
//! a fake clock; here they are tested on real sockets, all at once.
use std::io::Read;
use std::time::{Duration, Instant};

use tp2::http::format::Format;

use super::common::http::problem_slug;
use super::common::pictures::{pgm, size_of};
use super::common::processes::resident_bytes;
use super::common::{Client, Server, post, request};

/// How long a peer may be slow.
const GRACE: Duration = Duration::from_secs(10);

/// Sends `piece` every `pause` on a thread of its own, until the server closes or no piece is left.
fn drip(client: &Client, piece: Vec<u8>, pause: Duration, count: usize) -> std::thread::JoinHandle<()> {
    let mut writer = client.another_end();
    std::thread::spawn(move || {
        for _ in 0..count {
            if !writer.try_send(&piece) {
                return;
            }
            std::thread::sleep(pause);
        }
    })
}

/// Asserts that the server waited for its deadline, and not twice as long.
fn assert_patient(began_at: Instant) {
    let took = began_at.elapsed();
    assert!((GRACE..GRACE * 2).contains(&took), "{took:?}");
}

#[test]
fn a_slow_head_is_408_after_ten_seconds_whatever_drips_in() {
    let server = Server::start(&[]);
    let began_at = Instant::now();
    let (mut silent, mut fields, mut letters) = (server.client(), server.client(), server.client());
    silent.send(b"GET / HT");
    fields.send(b"GET / HTTP/1.1\r\n");
    letters.send(b"GET /");
    // Like slowloris: a field now and then, each of which looks like progress.
    let half_a_second = Duration::from_millis(500);
    let drips = [
        drip(&fields, b"X-A: b\r\n".to_vec(), half_a_second, 22),
        drip(&letters, b"a".into(), half_a_second, 22),
    ];
    for client in [&mut silent, &mut fields, &mut letters] {
        let answer = client.response().expect(408);
        assert!(!answer.is_kept());
        let problem = answer.problem();
        assert_eq!((&problem["limite"], &problem["valor"]), (&"tiempo".into(), &10.into()));
        assert!(problem["detail"].as_str().unwrap().contains("la cabecera"), "{problem}");
    }
    assert_patient(began_at);
    assert!(server.is_healthy());
    drop((silent, fields, letters));
    drips.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_slow_body_is_408_after_ten_seconds_and_a_steady_one_is_read() {
    let server = Server::start(&[]);
    let began_at = Instant::now();
    let long = |fields: &[&str]| request("POST", "/", fields, b"");
    let mut announced = server.client();
    announced.send(&long(&["Content-Length: 1000000"]));
    let mut chunked = server.client();
    chunked.send(&long(&["Transfer-Encoding: chunked"]));
    let mut unwanted = server.client();
    unwanted.send(&request("POST", "/nada", &["Content-Length: 60000"], b""));
    let mut silent = server.client();
    silent.send(&long(&["Content-Length: 1000000"]));
    let mut netcat = server.client();
    netcat.send(b"\x89PNG\r\n\x1a\n");
    let pause = Duration::from_millis(250);
    let drips = [
        drip(&announced, vec![b'x'; 100], pause, 44),
        drip(&chunked, b"1\r\nx\r\n".to_vec(), pause, 44),
        drip(&unwanted, vec![b'x'; 10], pause, 44),
        drip(&netcat, vec![0], pause, 44),
    ];

    // Twice the required rate, for longer than the grace time.
    let mut steady = server.client();
    let picture = pgm(23 * 256 - 20, 4);
    steady.send(&long(&["Expect: 100-continue", &format!("Content-Length: {}", picture.len())]));
    assert_eq!(steady.response().status, 100);
    let mut writer = steady.another_end();
    let feed = std::thread::spawn(move || {
        for piece in picture.chunks(picture.len() / 46 + 1) {
            writer.send(piece);
            std::thread::sleep(pause);
        }
    });

    for client in [&mut announced, &mut chunked, &mut unwanted, &mut silent] {
        let answer = client.response().expect(408);
        assert!(!answer.is_kept());
        assert_eq!(problem_slug(&answer), "cliente-lento");
        let problem = answer.problem();
        assert_eq!((&problem["limite"], &problem["valor"]), (&"tiempo".into(), &10.into()));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("el cuerpo") && detail.contains("1024 bytes por segundo"), "{detail}");
    }
    assert!(netcat.rest().starts_with(b"ERROR 408 "));
    assert_patient(began_at);
    let answer = steady.response().expect(200);
    assert!(began_at.elapsed() > GRACE);
    assert_eq!(size_of(&answer.body), (Format::Pnm, (23 * 256 - 20) / 2, 2));
    feed.join().unwrap();
    drop((announced, chunked, unwanted, silent, netcat));
    drips.into_iter().for_each(|thread| thread.join().unwrap());
    steady.assert_kept();
}

#[test]
fn who_does_not_read_holds_up_nobody_and_may_still_read() {
    let server = Server::start(&["-t", "2"]);
    // More than the kernel's buffers take.
    let sent = post("/?escala=1&formato=bmp", &pgm(4000, 3000));
    let mut deaf: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for client in &mut deaf {
        client.send(&sent);
        // The answer has begun.
        assert_eq!(client.stream.peek(&mut [0]).unwrap(), 1);
    }
    for side in 1..=20 {
        let answer = server.ask(&post("/?escala=1", &pgm(side, 5))).expect(200);
        assert_eq!(size_of(&answer.body), (Format::Pnm, side, 5));
    }
    for client in &mut deaf {
        let answer = client.response().expect(200);
        assert_eq!(size_of(&answer.body), (Format::Bmp, 4000, 3000));
        client.assert_kept();
    }
}

/// Pipelined requests of a client that reads no answer stay with the client: neither answers nor requests accumulate
/// in the server.
#[test]
fn who_asks_on_and_on_without_reading_is_no_longer_heard() {
    const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let server = Server::start(&[]);
    assert!(server.is_healthy());
    let before = resident_bytes(server.pid());
    let mut client = server.client();
    client.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let block = HEALTH.repeat(1000);
    let mut sent = 0;
    // 64 MiB: far more than all the buffers in between.
    while sent < 64 << 20 {
        match std::io::Write::write(&mut client.stream, &block[sent % HEALTH.len()..]) {
            Ok(n) => sent += n,
            Err(_) => break,
        }
        assert!(server.is_healthy());
    }
    assert!(sent < 64 << 20, "it took all");
    let grown = resident_bytes(server.pid()).saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more for {sent} bytes of requests");

    // Now it reads, and every complete request has its answer.
    client.half_close();
    client.stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let mut all = Vec::new();
    client.stream.read_to_end(&mut all).unwrap();
    let answers = memchr::memmem::find_iter(&all, b"HTTP/1.1 200 OK\r\n").count();
    assert_eq!(answers, sent / HEALTH.len());
    assert_eq!(
        memchr::memmem::find_iter(&all, b"HTTP/1.1 400 ").count(),
        usize::from(sent % HEALTH.len() > 0)
    );
}
