//! Invariant: a connection gives the same answers in whatever pieces its bytes come; no more of them than a plain
//! reader of heads and bodies finds requests in the same bytes; every open phase has a deadline; after its end a
//! connection closes, and returns everything that it was lent.
#![no_main]

use std::io::IoSlice;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use libfuzzer_sys::fuzz_target;
use tp2::conn::Connection;
use tp2::conn::local_address::{LocalAddress, ListenerRole};
use tp2::conn::connection::Action;
use tp2::model::admission::Admission;
use tp2::model::error::WorkError;
use tp2::model::now::Now;
use tp2::model::server_state::{Limits, ServerState};
use tp2::http::body::{BodyDecoder, BodyEvent};
use tp2::http::buf::RecvBuf;
use tp2::http::head::{HeadLimits, poll_head};

/// Small enough that the fuzzer reaches them.
const HEAD: HeadLimits = HeadLimits { bytes_max: 600, fields_max: 8, target_max: 80 };
const BODY_MAX: u64 = 300;

const HTTP: &[u8] = b"HTTP/1.1 ";

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fuzz_target!(|data: &[u8]| {
    let Some((seed, stream)) = data.split_first() else { return };
    let [whole, others @ ..] = tp2_fuzz::cuts(*seed, stream).map(|pieces| converse(&pieces, *seed));
    for other in &others {
        assert_eq!(*other, whole, "{}", stream.escape_ascii());
    }
    // A picture without HTTP gets bytes or a line.
    if whole.iter().all(|answer| answer.starts_with("HTTP/1.1 ")) {
        assert!(whole.len() <= requests(stream), "{whole:?} for {}", stream.escape_ascii());
    }
});

/// The first lines of all answers, each with its `Connection` value.
fn converse(pieces: &[&[u8]], seed: u8) -> Vec<String> {
    let mut policy = Limits { head: HEAD, body_max: BODY_MAX, files: seed % 2 == 0, ..Limits::default() };
    policy.links_port = (seed % 3 == 0).then_some(82);
    let admission = Admission::new(2, 1 << 20, 1);
    let service = Rc::new(ServerState::new(policy, admission.clone(), uuid::Uuid::nil));
    let side = if seed % 5 == 0 { ListenerRole::Links } else { ListenerRole::Main };
    let door = LocalAddress { side, host: "192.0.2.7".into(), port: 80, peer: None };
    let now = Now { at: *START, wall: SystemTime::UNIX_EPOCH };
    let mut exchange = Connection::new(service, door, now);
    let mut sent = Vec::new();
    for piece in pieces {
        if exchange.wants_input() {
            exchange.handle_input(piece, now);
        }
        settle(&mut exchange, &mut sent, now);
    }
    if exchange.wants_input() {
        exchange.handle_eof(now);
    }
    settle(&mut exchange, &mut sent, now);
    let much_later = Now { at: now.at + Duration::from_secs(3600), wall: now.wall };
    exchange.handle_timeout(much_later);
    settle(&mut exchange, &mut sent, much_later);
    assert!(exchange.is_closed());
    drop(exchange);
    assert_eq!((admission.places(), admission.bytes()), (0, 0));
    answers(&sent)
}

/// Does everything possible without more input: work fails, and the socket takes everything.
fn settle(exchange: &mut Connection, sent: &mut Vec<u8>, now: Now) {
    loop {
        while let Some(action) = exchange.poll_action() {
            match action {
                Action::Submit(order) => {
                    exchange.handle_done(order.id, &Err(WorkError::Undecodable("roto".into())), now);
                }
                Action::Ask(id, _) => exchange.handle_told(id, Err(WorkError::StoreBroken("roto".into())), now),
                Action::Watch(id, _) => {
                    exchange.handle_told(id, Err(WorkError::StoreBroken("roto".into())), now);
                }
                Action::Metrics(id, _) => exchange.handle_metrics(id, Default::default(), now),
                Action::ShutdownWrite | Action::Log(_) => {}
            }
        }
        assert!(exchange.is_closed() || exchange.poll_timeout().is_some());
        let Some(pending) = exchange.poll_transmit() else { return };
        let mut slices = [IoSlice::new(&[]); 2];
        let count = pending.io_slices(&mut slices);
        assert!(count > 0);
        let taken = slices[0].to_vec();
        sent.extend_from_slice(&taken);
        exchange.sent(taken.len(), now);
    }
}

/// Splits the output by the lengths in the heads, because a body may quote anything that the peer sent.
fn answers(sent: &[u8]) -> Vec<String> {
    let mut answers = Vec::new();
    let mut rest = sent;
    while !rest.is_empty() {
        if !rest.starts_with(HTTP) {
            answers.push(String::from_utf8_lossy(rest).split(' ').take(2).collect());
            break;
        }
        let end = memchr::memmem::find(rest, b"\r\n\r\n").expect("a head has an end");
        let head = String::from_utf8_lossy(&rest[..end]);
        let field = |name| head.lines().find_map(|line| line.strip_prefix(name));
        let status = head.lines().next().unwrap_or_default();
        answers.push(format!("{status}, {}", field("Connection: ").unwrap_or_default()));
        rest = &rest[end + 4..];
        // No body of ours begins like an answer, so these bytes are the next answer: this one was of a HEAD.
        if !rest.starts_with(HTTP) {
            let length = field("Content-Length: ").map_or(0, |length| length.parse().expect("a length"));
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    // Whether 100 Continue is sent depends on whether the body has begun to arrive.
    answers.retain(|answer| !answer.starts_with("HTTP/1.1 100"));
    answers
}

/// The number of requests in the bytes, including a truncated or faulty one.
fn requests(stream: &[u8]) -> usize {
    let mut recv = RecvBuf::new(usize::MAX);
    recv.extend(stream);
    let mut count = 0;
    while !recv.is_empty() {
        count += 1;
        let Ok(Some(head)) = poll_head(&mut recv, &HEAD) else { break };
        let mut body = BodyDecoder::new(head.framing());
        loop {
            match body.decode(recv.data()) {
                Ok((taken, event)) => {
                    let event =
                        matches!(event, BodyEvent::Data(_)).then_some(()).ok_or(event == BodyEvent::Done);
                    recv.consume(taken);
                    match event {
                        Ok(()) => {}
                        Err(true) => break,
                        Err(false) => return count,
                    }
                }
                Err(_) => return count,
            }
        }
    }
    count
}
