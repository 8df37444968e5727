//! Many peers at once: idle, slow, coming and going. Every valid request is answered, and no place is lost.
use std::net::TcpStream;

use scaler::sys::{self, Limit};
use tp2::http::format::Format;

use super::common::pictures::{pgm, size_of};
use super::common::processes::{open_descriptors, resident_bytes};
use super::common::wait::until;
use super::common::{Client, Server, post};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// So many connections, or as many as this process may have beside those of other tests.
fn as_many_as(file_request: usize) -> usize {
    let (soft, hard) = sys::limits(Limit::Files).expect("a limit of descriptors");
    if soft < hard {
        // The test's process needs as many as the server.
        sys::set_limits(Limit::Files, hard, hard).expect("what is allowed");
    }
    file_request.min(usize::try_from(hard / 3).unwrap_or(usize::MAX))
}

#[test]
fn five_thousand_idle_connections_cost_little_and_hold_up_nobody() {
    let count = as_many_as(5000);
    let server = Server::start(&["-q", "-t", "2"]);
    server.ask(&post("/", &pgm(20, 20))).expect(200);
    let before = resident_bytes(server.pid());
    let mut idle: Vec<Client> = (0..count).map(|_| server.client()).collect();
    // Half of them were used before: the memory of that use has to be freed.
    for client in idle.iter_mut().step_by(2) {
        client.send(HEALTH);
        client.response().expect(200);
    }
    until("that all are accepted", || (open_descriptors(server.pid()) >= count).then_some(()));
    let each = resident_bytes(server.pid()).saturating_sub(before) / count as u64;
    assert!(each < 6 << 10, "{each} bytes for each connection");

    let mut client = server.client();
    for side in 1..=50 {
        let answer = client.ask(&post("/?escala=1", &pgm(side, 3))).expect(200);
        assert_eq!(size_of(&answer.body), (Format::Pnm, side, 3));
    }
    for client in &mut idle {
        client.send(HEALTH);
    }
    for client in &mut idle {
        client.response().expect(200);
    }
}

#[test]
fn a_thousand_slow_uploads_take_no_place_from_a_fast_one() {
    let count = as_many_as(1000);
    let server = Server::start(&["-q", "--cola", "1", "--plazo", "120"]);
    // Enough to be allowed the next ten seconds.
    let sent = post("/", &pgm(200, 200));
    let (begun, end) = sent.split_at(sent.len() - 9);
    let mut slow: Vec<Client> = (0..count).map(|_| server.client()).collect();
    for client in &mut slow {
        client.send(begun);
    }
    let mut fast = server.client();
    for _ in 0..20 {
        assert_eq!(size_of(&fast.ask(&sent).expect(200).body).1, 100);
    }
    // One place for all of them: each waits its turn.
    for client in &mut slow {
        client.send(end);
    }
    for client in &mut slow {
        assert_eq!(size_of(&client.response().expect(200).body).1, 100);
    }
}

#[test]
fn connections_that_come_and_go_at_once_starve_nobody() {
    let server = Server::start(&["-q", "-t", "2"]);
    server.ask(&post("/", &pgm(20, 20))).expect(200);
    let before = open_descriptors(server.pid());
    let address = server.address();
    let mut patient = server.client();
    std::thread::scope(|scope| {
        let floods: Vec<_> = (0..4)
            .map(|thread| {
                scope.spawn(move || {
                    for round in 0..500 {
                        let Ok(mut stream) = TcpStream::connect(address) else { continue };
                        // They leave silently, in the middle of a head or of a body.
                        let said: &[u8] = match (round + thread) % 3 {
                            0 => b"",
                            1 => b"GET / HT",
                            _ => b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nP5",
                        };
                        let _ = std::io::Write::write(&mut stream, said);
                    }
                })
            })
            .collect();
        let mut side = 0;
        while floods.iter().any(|flood| !flood.is_finished()) || side == 0 {
            side = side % 50 + 1;
            let answer = patient.ask(&post("/?escala=1", &pgm(side, 3))).expect(200);
            assert_eq!(size_of(&answer.body), (Format::Pnm, side, 3));
        }
    });
    until("that all are closed", || (open_descriptors(server.pid()) <= before + 3).then_some(()));
    assert!(server.is_healthy());
}

/// A reset in the middle of an answer frees what the answer held.
#[test]
fn clients_that_reset_while_they_are_answered_leave_nothing_behind() {
    let server = Server::start(&["-q", "-t", "2", "--memoria", "256"]);
    server.ask(&post("/", &pgm(20, 20))).expect(200);
    let before = open_descriptors(server.pid());
    // Far more than fits the socket's buffers; together far more than --memoria.
    let sent = post("/?escala=1&formato=bmp", &pgm(4000, 3000));
    for _ in 0..30 {
        let mut client = server.client();
        client.send(&sent);
        // Closed with unread input: the kernel sends a reset instead of an end (RFC 9293 §3.10.4, RFC 2525 §2.17).
        assert_eq!(client.stream.peek(&mut [0]).unwrap(), 1);
    }
    until("that all are closed", || (open_descriptors(server.pid()) <= before + 3).then_some(()));
    let answer = server.ask(&sent).expect(200);
    assert_eq!(size_of(&answer.body), (Format::Bmp, 4000, 3000));
}
