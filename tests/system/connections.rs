//! Connections: keep-alive, pipelining, half-closes and vanishing peers.
use std::time::Duration;

use tp2::http::format::Format;

use super::common::fake_scaler::{FakeScaler, Question};
use super::common::pictures::{pgm, size_of};
use super::common::wait::until;
use super::common::{Part, Server, form, post, request};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn many_requests_of_all_kinds_on_one_connection() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for round in 1..=5 {
        client.assert_kept();
        client.ask(&post("/", &pgm(10 * round, 10))).expect(200);
        client.ask(&request("GET", "/nada", &[], b"")).expect(404);
        client.ask(&form("/", &[Part::File("imagen", "a", &pgm(10, 10 * round))])).expect(200);
        client.ask(&request("POST", "/nada", &[], b"un cuerpo que nadie quiere")).expect(404);
        client.ask(&request("OPTIONS", "*", &[], b"")).expect(204);
    }
}

#[test]
fn the_page_and_head() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let page = client.ask(&request("GET", "/", &["Accept: text/html"], b"")).expect(200);
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    let html = String::from_utf8(page.body).unwrap();
    assert!(html.contains("multipart/form-data") && html.contains("name=\"imagen\""), "{html}");
    for target in ["/", "/healthz", "/readyz"] {
        let got = client.ask(&request("GET", target, &[], b"")).expect(200);
        client.send(&request("HEAD", target, &[], b""));
        let head = client.response_to_head().expect(200);
        assert_eq!(head.field("content-length"), got.field("content-length"));
        assert_eq!(head.field("content-type"), got.field("content-type"));
    }
    client.send(&request("HEAD", "/nada", &[], b""));
    client.response_to_head().expect(404);
    client.assert_kept();
}

#[test]
fn connection_close_and_http_1_0_are_obeyed() {
    let server = Server::start(&[]);
    for sent in [
        &b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"[..],
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: TE, Close\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
    ] {
        let mut client = server.client();
        assert!(!client.ask(sent).expect(200).is_kept());
        client.assert_closed();
    }
    let mut client = server.client();
    let sent = b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert!(client.ask(sent).expect(200).is_kept());
    client.assert_kept();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let mut sent = Vec::new();
    for side in 1..=20 {
        sent.extend(post("/?escala=1", &pgm(side, 2)));
        sent.extend(HEALTH);
        sent.extend(request("DELETE", "/", &[], b""));
    }
    client.send(&sent).half_close();
    for side in 1..=20 {
        assert_eq!(size_of(&client.response().expect(200).body), (Format::Pnm, side, 2));
        assert_eq!(client.response().expect(200).body, b"ok\n");
        client.response().expect(405);
    }
    client.assert_closed();
}

#[test]
fn much_more_than_fits_the_buffers_may_be_pipelined() {
    let server = Server::start(&[]);
    let count = 3000;
    let mut client = server.client();
    let mut writer = client.another_end();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..count {
                writer.send(HEALTH);
            }
        });
        for _ in 0..count {
            assert_eq!(client.response().expect(200).body, b"ok\n");
        }
    });
}

#[test]
fn a_half_close_after_the_request_waits_for_the_answer() {
    let server = Server::start(&[]);
    for sent in [post("/", &pgm(30, 30)), HEALTH.to_vec(), request("POST", "/", &[], b"nada")] {
        let mut client = server.client();
        client.send(&sent).half_close();
        client.response();
        client.assert_closed();
    }
}

#[test]
fn a_half_close_without_a_request_is_the_end() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.half_close().assert_closed();
    let mut client = server.client();
    client.ask(HEALTH).expect(200);
    client.half_close().assert_closed();
}

#[test]
fn an_unwanted_body_is_read_away_or_the_connection_closed() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask(&request("POST", "/nada", &[], &vec![b'x'; 60_000])).expect(404);
    client.assert_kept();
    let mut client = server.client();
    client.try_send(&request("POST", "/nada", &[], &vec![b'x'; 4 << 20]));
    assert!(!client.response().expect(404).is_kept());
}

/// A client whose picture is at the scaler resets its connection, without a half-close first.
fn leave_during_work(server: &Server, scaler: &FakeScaler, picture: &[u8]) -> Question {
    let noticed = || server.log().matches("El cliente se fue durante el proceso").count();
    let before = noticed();
    let mut client = server.client();
    client.send(HEALTH);
    // Closed with unread input: the kernel sends a reset instead of an end (RFC 9293 §3.10.4, RFC 2525 §2.17).
    assert_eq!(client.stream.peek(&mut [0]).unwrap(), 1);
    client.send(&post("/?escala=1", picture));
    let question = scaler.question();
    drop(client);
    until("that the server notices", || (noticed() > before).then_some(()));
    question
}

#[test]
fn a_late_answer_does_not_reach_the_next_tenant_of_the_slot() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination(), "-t", "1", "-v"]);
    for round in 1..=5 {
        let mut late = leave_during_work(&server, &scaler, &pgm(64, 7));
        let mut tenant = server.client();
        tenant.send(&post("/?escala=1", &pgm(round, 32)));
        let mut question = scaler.question();
        assert_eq!(question.target, (round, 32));
        late.answer();
        assert!(server.is_healthy());
        question.answer();
        let answer = tenant.response().expect(200);
        assert_eq!(size_of(&answer.body), (Format::Pnm, round, 32));
    }
}

#[test]
fn a_scaler_that_hangs_is_let_go_at_the_deadline_although_the_client_left() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination(), "-t", "1", "-v", "--plazo", "1"]);
    // As many as the server has connections to the scaler.
    let _hanging = [0; 2].map(|_| leave_during_work(&server, &scaler, &pgm(9, 9)));
    let mut client = server.client();
    until("a free connection", || {
        // A request that came after its time was over has no client any more.
        while scaler.question_within(Duration::ZERO).is_some() {}
        client.send(&post("/", &pgm(9, 9)));
        if let Some(mut question) = scaler.question_within(Duration::from_secs(1)) {
            question.answer();
        }
        (client.response().status == 200).then_some(())
    });
}

#[test]
fn clients_that_vanish_at_any_moment_leave_a_server_that_answers() {
    let server = Server::start(&["-t", "2"]);
    let sent = form("/", &[Part::File("imagen", "a.pgm", &pgm(300, 200))]);
    for step in 0..60 {
        let mut client = server.client();
        client.try_send(&sent[..sent.len() * step / 59]);
        drop(client);
    }
    for side in 1..=10 {
        let answer = server.ask(&post("/?escala=1", &pgm(side, 5))).expect(200);
        assert_eq!(size_of(&answer.body), (Format::Pnm, side, 5));
    }
}
