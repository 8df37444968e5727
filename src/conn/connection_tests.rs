//! The machine with a fake clock and no socket: every deadline, every order of events, every split of the bytes.
use std::io::IoSlice;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::submitting::SLACK;
use super::*;
use crate::conn::bank::LIST_MAX;
use crate::conn::local_address::tests::local_address;
use crate::http::conditional::Selection;
use crate::http::format::Format;
use crate::http::reply::{CONTINUE, LAST_CHUNK};
use crate::model::admission::Admission;
use crate::model::file::FileRequest;
use crate::model::file::tests::variant;
use crate::model::job::Product;
use crate::model::links::Link;
use crate::model::links::tests::file_part;
use crate::model::log_event::Level;
use crate::model::picture::{Picture, Times};
use crate::model::server_state::{Limits, ServerPart};
use crate::model::store::StoreRead;
use crate::model::store::{BankFound, BankLook};
use crate::model::transform::{Size, Transform};
use crate::model::work_request::WorkSource;

#[path = "connection_access_tests.rs"]
mod access;
#[path = "connection_bank_tests.rs"]
mod banks;
#[path = "connection_task_tests.rs"]
mod tasks;

struct World {
    server: Rc<ServerState>,
    connection: Connection,
    now: Now,
    /// Everything that was sent.
    sent: Vec<u8>,
    orders: Vec<WorkRequest>,
    queries: Vec<(Uuid, Query)>,
    events: Vec<LogEvent>,
    half_closed: bool,
}

/// 2x1 pixels: a picture with an end of its own.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x02\0\0\0\x01\x08\0\0\0\0\xd1\x49\xf1\x5f\
    \0\0\0\0IEND\xae\x42\x60\x82";

fn ids() -> Uuid {
    use std::cell::Cell;
    thread_local!(static NEXT_ID: Cell<u128> = const { Cell::new(1) });
    NEXT_ID.with(|next| Uuid::from_u128(next.replace(next.get() + 1)))
}

impl World {
    fn new() -> Self {
        Self::with(Limits::default(), Admission::new(4, 1 << 20, 1))
    }

    fn with(limits: Limits, admission: Admission) -> Self {
        Self::behind(ListenerRole::Main, limits, admission)
    }

    /// A client that came through a port of this role.
    fn behind(side: ListenerRole, limits: Limits, admission: Admission) -> Self {
        Self::of(side, ServerState::new(limits, admission, ids))
    }

    fn of(side: ListenerRole, server: ServerState) -> Self {
        let server = Rc::new(server);
        let now = Now { at: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let connection = Connection::new(Rc::clone(&server), local_address(side), now);
        let (sent, orders, queries, events) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut world = Self { server, connection, now, sent, orders, queries, events, half_closed: false };
        world.drain_actions();
        world
    }

    fn feed(&mut self, bytes: &[u8]) {
        assert!(self.connection.wants_input() || bytes.is_empty(), "not now: {}", self.text());
        self.connection.handle_input(bytes, self.now);
        self.drain_actions();
    }

    fn drain_actions(&mut self) {
        while let Some(action) = self.connection.poll_action() {
            match action {
                Action::Submit(order) => self.orders.push(*order),
                Action::Ask(request, ask) => self.queries.push((request, Query::Ask(ask))),
                Action::Watch(request, task) => self.queries.push((request, Query::Watch(task))),
                Action::Metrics(request, _) => self.queries.push((request, Query::Metrics)),
                Action::ShutdownWrite => self.half_closed = true,
                Action::Log(event) => self.events.push(event),
            }
        }
    }

    /// Lets the socket take everything, a few bytes at a time.
    fn transmit(&mut self) {
        while let Some(pending) = self.connection.poll_transmit() {
            let mut slices = [IoSlice::new(&[]); 2];
            let count = pending.io_slices(&mut slices);
            assert!(count > 0);
            let n = slices[0].len().min(7);
            self.sent.extend_from_slice(&slices[0][..n]);
            self.connection.sent(n, self.now);
            self.drain_actions();
        }
    }

    fn done(&mut self, outcome: &WorkResult) {
        let order = self.orders.remove(0);
        self.connection.handle_done(order.id, outcome, self.now);
        drop(order);
        self.drain_actions();
        self.transmit();
    }

    /// Picture and plan of the first order.
    fn uploaded(&self) -> (&[u8], &Transform) {
        match &self.orders[0].source {
            WorkSource::Upload { picture, transform, .. } => (picture, transform),
            other => panic!("{other:?}"),
        }
    }

    fn eof(&mut self) {
        self.connection.handle_eof(self.now);
        self.drain_actions();
        self.transmit();
    }

    fn wait(&mut self, time: Duration) {
        self.now.at += time;
        self.connection.handle_timeout(self.now);
        self.drain_actions();
    }

    /// Asks, and gives the one question that this leads to.
    fn query(&mut self, request: &[u8]) -> Query {
        self.feed(request);
        self.question()
    }

    fn question(&mut self) -> Query {
        assert_eq!(self.queries.len(), 1, "{}", self.text());
        self.queries[0].1.take()
    }

    fn told(&mut self, told: Result<StoreReply, WorkError>) {
        let (request, _) = self.queries.remove(0);
        self.connection.handle_told(request, told, self.now);
        self.drain_actions();
        self.transmit();
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.sent).into_owned()
    }

    fn statuses(&self) -> Vec<u16> {
        let text = self.text();
        text.match_indices("HTTP/1.1 ").map(|(at, _)| text[at + 9..at + 12].parse().unwrap()).collect()
    }

    /// The last answer's body, which is JSON.
    fn body(&self) -> serde_json::Value {
        let text = self.text();
        let body = text.rsplit("\r\n\r\n").next().unwrap();
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{text}"))
    }

    fn has(&self, field: &str) -> bool {
        self.text().contains(&format!("\r\n{field}\r\n"))
    }
}

/// What a connection asks of the world.
#[derive(Debug)]
enum Query {
    Ask(Ask),
    Watch(Uuid),
    Metrics,
}

impl Query {
    /// The question, out of the list that remembers whose it was.
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Metrics)
    }

    fn is_status(&self, task: Uuid) -> bool {
        matches!(self, Self::Ask(Ask::Read(StoreRead::Status(id))) if *id == task)
    }

    fn into_read(self) -> StoreRead {
        match self {
            Self::Ask(Ask::Read(read)) => read,
            other => panic!("{other:?}"),
        }
    }

    fn into_write(self) -> StoreWrite {
        match self {
            Self::Ask(Ask::Write(write)) => write,
            other => panic!("{other:?}"),
        }
    }
}

fn get(target: &str, fields: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

fn picture(server: &ServerState) -> WorkResult {
    let mut reservation = server.admission.reservation();
    reservation.charge(4).unwrap();
    let file = Bytes::from_static(b"GRAY");
    let times = Times { read: Some(Duration::ZERO), ..Times::default() };
    let picture = Picture { file, format: Format::Png, width: 1, height: 1, variant: None, reservation };
    Ok(WorkOutput::Picture(Arc::new(picture), times))
}

fn post(body: &[u8]) -> Vec<u8> {
    let mut request =
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    request
}

#[test]
fn an_upload_becomes_an_order_and_its_result_an_answer() {
    let mut world = World::new();
    world.feed(&post(PNG));
    assert_eq!(world.orders.len(), 1);
    assert_eq!(world.uploaded().0, PNG);
    assert_eq!(world.orders[0].reservation.bytes(), PNG.len() as u64);
    let outcome = picture(&world.server);
    world.done(&outcome);
    let text = world.text();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\nGRAY"));
    for field in
        ["Content-Type: image/png", "X-Ancho: 1", "X-Alto: 1", "Vary: Accept", "Server-Timing: read;dur="]
    {
        assert!(text.contains(field), "{field}");
    }
    assert!(text.contains("Connection: keep-alive"));
    let id = format!("X-Tarea: {}", world.events.last().unwrap().id.unwrap());
    assert!(text.contains(&id));
    drop(outcome);
    assert_eq!(world.server.admission.bytes(), 0, "the answer is sent, its reservation returned");
}

#[test]
fn one_byte_at_a_time_is_the_same() {
    let mut world = World::new();
    for byte in post(PNG) {
        world.feed(&[byte]);
    }
    assert_eq!(world.uploaded().0, PNG);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut world = World::new();
    let mut bytes = post(PNG);
    bytes.extend(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /nada HTTP/1.1\r\nHost: a\r\n\r\n");
    bytes.extend(post(PNG));
    world.feed(&bytes);
    world.transmit();
    assert!(world.statuses().is_empty(), "the first is still in work");
    let outcome = picture(&world.server);
    world.done(&outcome);
    assert_eq!(world.statuses(), [200, 200, 404]);
    assert_eq!(world.orders.len(), 1, "the last has begun");
    world.done(&outcome);
    assert_eq!(world.statuses(), [200, 200, 404, 200]);
    assert!(!world.connection.is_closed());
}

#[test]
fn requests_before_a_half_close_are_all_answered() {
    let mut world = World::new();
    let mut bytes = post(PNG);
    bytes.extend(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    world.feed(&bytes);
    world.eof();
    assert!(!world.connection.is_closed());
    let outcome = picture(&world.server);
    world.done(&outcome);
    assert_eq!(world.statuses(), [200, 200]);
    assert!(world.text().trim_end().ends_with("ok"));
    assert_eq!(world.text().matches("Connection: close").count(), 1);
    assert!(world.connection.is_closed());
}

#[test]
fn input_waits_while_an_answer_is_on_its_way() {
    let mut world = World::new();
    world.feed(&post(PNG));
    let piece = [b'\n'; 1000];
    let mut fed = 0;
    while world.connection.wants_input() {
        world.feed(&piece);
        fed += piece.len();
    }
    assert!((PIPELINED_MAX..PIPELINED_MAX + 2000).contains(&fed), "{fed}");
}

#[test]
fn a_picture_without_http_is_answered_with_bytes_alone() {
    for split in 0..PNG.len() {
        let mut world = World::new();
        world.feed(&PNG[..split]);
        world.feed(&PNG[split..]);
        assert_eq!(world.orders.len(), 1, "split at {split}: no half-close is needed");
        // What a phone appends is thrown away.
        world.feed(&[0xff; 5000]);
        let outcome = picture(&world.server);
        world.done(&outcome);
        assert_eq!(world.sent, b"GRAY");
        assert!(world.half_closed);
        world.eof();
        assert!(world.connection.is_closed());
    }
}

#[test]
fn what_comes_behind_a_bare_picture_is_read_up_to_two_seconds_after_the_answer() {
    let limits = Limits::default();
    for outcome in [None, Some(Err(WorkError::ScalerLost))] {
        let mut world = World::new();
        world.feed(PNG);
        // As long as the work may take.
        world.wait(limits.deadline);
        world.feed(&[0xff; 100_000]);
        let outcome = outcome.unwrap_or_else(|| picture(&world.server));
        world.done(&outcome);
        assert!(world.half_closed);
        world.wait(limits.linger_time - Duration::from_millis(1));
        world.feed(&[0xff; 100_000]);
        assert!(!world.connection.is_closed());
        world.wait(Duration::from_millis(1));
        assert!(world.connection.is_closed());
    }
}

#[test]
fn netcat_errors_are_one_line() {
    for (failure, line) in [
        (
            WorkError::Undecodable("faltan datos".into()),
            "ERROR 422 la imagen no se puede decodificar: faltan datos\n",
        ),
        (WorkError::Lost, "ERROR 500 error interno\n"),
        (WorkError::ScalerLost, "ERROR 502 el escalador cortó la conexión varias veces\n"),
    ] {
        let mut world = World::new();
        world.feed(PNG);
        world.done(&Err(failure));
        assert_eq!(world.text(), line);
        assert!(world.half_closed);
    }
}

#[test]
fn a_picture_that_is_cut_off_is_left_to_its_decoder() {
    let mut world = World::new();
    world.feed(&PNG[..20]);
    world.eof();
    assert_eq!(world.uploaded().0, &PNG[..20]);
}

#[test]
fn the_end_of_input_is_judged_by_the_phase() {
    for (sent, status) in [
        (&b""[..], None),
        (b"\r\n", None),
        (b"\r\n\r\n\r\n\r\n\r\n", Some(400)),
        (b"GET / HT", Some(400)),
        (b"P", Some(400)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", Some(400)),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", Some(400)),
    ] {
        let mut world = World::new();
        world.feed(sent);
        world.eof();
        assert_eq!(world.statuses().first().copied(), status, "{}", sent.escape_ascii());
        assert!(world.connection.is_closed());
    }
}

#[test]
fn every_phase_has_its_deadline() {
    let limits = Limits::default();
    // Idle: closed without a word.
    let mut world = World::new();
    world.wait(limits.head_time - Duration::from_millis(1));
    assert!(!world.connection.is_closed() && world.connection.idle_since().is_none());
    world.wait(Duration::from_millis(1));
    assert!(world.connection.is_closed() && world.sent.is_empty(), "who has never spoken");
    let mut world = World::new();
    world.feed(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(world.connection.idle_since().is_none(), "in the middle");
    world.transmit();
    assert_eq!((world.statuses(), world.connection.idle_since()), (vec![200], Some(world.now.at)));
    world.wait(limits.idle_time - Duration::from_millis(1));
    assert!(!world.connection.is_closed());
    world.wait(Duration::from_millis(1));
    assert!(world.connection.is_closed());

    // Head: the deadline is that of its first byte, however many follow.
    let mut world = World::new();
    for byte in b"GET / HTT" {
        world.feed(&[*byte]);
        world.wait(Duration::from_secs(1));
    }
    world.wait(limits.head_time);
    world.transmit();
    assert_eq!(world.statuses(), [408]);
    assert!(world.half_closed);

    // The same for the beginning of what could be a picture as well: until it is one, this is HTTP.
    for beginning in [&b"BM"[..], b"GIF8", b"P5", b"\xff"] {
        let mut world = World::new();
        world.feed(beginning);
        world.wait(limits.head_time - Duration::from_millis(1));
        assert!(world.connection.poll_transmit().is_none());
        world.wait(Duration::from_millis(1));
        world.transmit();
        assert_eq!(world.statuses(), [408], "{}", beginning.escape_ascii());
    }

    // Linger: two seconds, even if the peer still sends.
    world.feed(&[0; 60_000]);
    world.wait(limits.linger_time);
    assert!(world.connection.is_closed());

    // Body: 1 KiB/s in every ten seconds.
    let mut world = World::new();
    world.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n");
    for _ in 0..9 {
        world.feed(&[0; 1 << 10]);
        world.wait(Duration::from_secs(1));
    }
    world.feed(&[0; (1 << 10) - 1]);
    assert!(world.statuses().is_empty());
    world.wait(Duration::from_secs(1));
    world.transmit();
    assert_eq!(world.statuses(), [408]);

    // Waiting: should the run be lost.
    let mut world = World::new();
    world.feed(&post(PNG));
    world.wait(limits.deadline + SLACK);
    world.transmit();
    assert_eq!(world.statuses(), [504]);

    // Reply: thirty seconds without progress.
    let mut world = World::new();
    world.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.wait(limits.reply_time - Duration::from_secs(1));
    world.connection.sent(1024, world.now);
    // A quarter of a second more, and no other thirty.
    world.wait(Duration::from_secs(1));
    assert!(!world.connection.is_closed());
    world.wait(Duration::from_millis(250));
    assert!(world.connection.is_closed());
    assert!(matches!(
        world.events.last().unwrap().what,
        EventKind::Answered { cut: Some(Cut::Slow), sent: 1024, .. }
    ));
}

/// A client that takes 4 KiB a second gets its whole answer, in pieces of any size; a slower one is cut off, and soon
/// if it had taken nothing in advance.
#[test]
fn an_answer_keeps_its_pace_to_the_end() {
    let world = || {
        let mut world = World::with(Limits::default(), Admission::new(4, 64 << 20, 1));
        world.feed(b"GET /carpetas/c?formato=ndjson HTTP/1.1\r\nHost: a\r\n\r\n");
        world.answer_of_length(4 << 20);
        world
    };
    // Bytes, and the seconds between them.
    for (piece, pause, survives) in [
        (4 << 10, 1, true),
        (64 << 10, 16, true),
        (116 << 10, 29, true),
        (3 << 10, 1, false),
        (48 << 10, 16, false),
        (1 << 20, 31, false),
        (1, 29, false),
    ] {
        let mut world = world();
        for _ in 0..20 {
            if world.connection.poll_transmit().is_none_or(|pending| pending.len() <= piece) {
                break;
            }
            world.connection.sent(piece, world.now);
            world.wait(Duration::from_secs(pause));
        }
        for _ in 0..200 {
            if world.connection.is_closed() || survives {
                break;
            }
            world.connection.sent(piece.min(world.connection.poll_transmit().unwrap().len() - 1), world.now);
            world.wait(Duration::from_secs(pause));
        }
        assert_eq!(!world.connection.is_closed(), survives, "{piece} bytes every {pause} s");
    }
}

/// A client that keeps the pace is read without limit; one that stops has ten seconds and the rest of the running ten,
/// whatever came before.
#[test]
fn a_body_keeps_its_pace_to_the_end() {
    let pace = |world: &mut World| {
        world.feed(&[0; 1 << 10]);
        world.wait(Duration::from_secs(1));
    };
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
    let mut steady = World::new();
    steady.feed(head);
    for _ in 0..100 {
        pace(&mut steady);
    }
    assert!(steady.statuses().is_empty());

    let mut quick = World::new();
    quick.feed(head);
    for _ in 0..10 {
        quick.feed(&[0; 50_000]);
    }
    let began_at = quick.now.at;
    quick.wait(Duration::from_secs(10));
    // A byte now and then is no progress.
    for _ in 0..9 {
        quick.feed(&[0]);
        quick.wait(Duration::from_secs(1));
    }
    assert!(quick.statuses().is_empty());
    quick.wait(Duration::from_secs(1));
    quick.transmit();
    assert_eq!(quick.statuses(), [408]);
    assert_eq!(quick.now.at - began_at, Duration::from_secs(20));
    let text = quick.text();
    assert!(text.contains("\"recibido\":9,") && text.contains("9 bytes en los últimos 10 s"), "{text}");
    assert_eq!(quick.server.admission.bytes(), 0, "what it held is free");
}

#[test]
fn the_body_limit_holds_announced_and_counted() {
    let small = || World::with(Limits { body_max: 1000, ..Limits::default() }, Admission::new(4, 1 << 20, 1));
    let mut world = small();
    world.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n");
    world.transmit();
    assert_eq!(world.statuses(), [413]);
    assert!(world.half_closed, "so that the client can read it");
    assert!(world.text().contains("\"recibido\":1073741824") && world.text().contains("--max-cuerpo"));

    let mut world = small();
    world.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n");
    world.feed(&[0; 1000]);
    world.transmit();
    assert!(world.statuses().is_empty());
    world.feed(&[0]);
    world.transmit();
    assert_eq!(world.statuses(), [413]);
    assert_eq!(world.server.admission.bytes(), 0);
    world.feed(&[0; 50_000]);
    assert!(!world.connection.is_closed());
    world.eof();
    assert!(world.connection.is_closed());
    assert_eq!(world.statuses(), [413], "one answer");
}

#[test]
fn continue_is_said_only_to_those_who_may() {
    let ask = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let mut world = World::new();
    world.feed(ask);
    world.transmit();
    assert_eq!(world.text(), "HTTP/1.1 100 Continue\r\n\r\n");
    world.feed(b"xxxxx");
    world.transmit();
    assert_eq!(world.statuses(), [100, 415]);

    // Not asked for a body that is on its way already.
    let mut world = World::new();
    world.feed(&[&ask[..], b"x"].concat());
    world.transmit();
    assert!(world.statuses().is_empty());

    // The queue is full: told before the upload.
    let mut world = World::new();
    let reservations: Vec<_> = (0..4)
        .map(|_| {
            let mut reservation = world.server.admission.reservation();
            reservation.admit(0).unwrap();
            reservation
        })
        .collect();
    world.feed(ask);
    world.transmit();
    assert_eq!(world.statuses(), [503]);
    assert!(world.text().contains("Retry-After: 1\r\n") && world.text().contains("--cola"));
    assert!(world.half_closed);
    drop(reservations);

    let mut world = World::new();
    world.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 200-ok\r\n\r\n12345");
    world.transmit();
    assert_eq!(world.statuses(), [417]);
}

#[test]
fn memory_is_charged_as_bytes_arrive() {
    let mut world = World::with(Limits::default(), Admission::new(4, 1000, 1));
    world.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    assert_eq!(world.server.admission.bytes(), 0, "nothing for what is merely announced");
    world.feed(&[0; 500]);
    assert_eq!(world.server.admission.bytes(), 500);
    let mut other = world.server.admission.reservation();
    other.charge(400).unwrap();
    world.feed(&[0; 200]);
    world.transmit();
    assert_eq!(world.statuses(), [503]);
    assert!(world.text().contains("Retry-After") && world.text().contains("--memoria"));
    assert_eq!(world.server.admission.bytes(), 400);
}

#[test]
fn what_can_never_fit_into_memory_is_not_asked_to_come_again() {
    let small = || World::with(Limits { files: true, ..Limits::default() }, Admission::new(4, 1000, 1));
    let assert_refused = |world: &World, received: &str| {
        assert_eq!(world.statuses(), [422]);
        let text = world.text();
        assert!(!text.contains("Retry-After") && text.contains(received), "{text}");
        assert!(text.contains("urn:tp2:error:memoria-insuficiente") && text.contains("--memoria"), "{text}");
        assert_eq!(world.server.admission.bytes(), 0);
    };
    // Announced: told at the head, without asking for the body.
    let mut world = small();
    world.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
    world.transmit();
    assert_refused(&world, "\"recibido\":1001");

    let mut world = small();
    world.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n44c\r\n");
    world.feed(&[0; 1000]);
    world.transmit();
    assert!(world.statuses().is_empty());
    world.feed(&[0; 100]);
    world.transmit();
    assert_refused(&world, "\"recibido\":1100");

    let mut world = small();
    world.feed(&PNG[..20]);
    world.feed(&[0; 2000]);
    world.transmit();
    assert!(world.text().starts_with("ERROR 422 "), "{}", world.text());

    // A file that was found to be longer.
    let mut world = small();
    world.feed(b"GET /a.png HTTP/1.1\r\nHost: a\r\n\r\n");
    world.done(&Err(WorkError::MemoryFull { length: 1001 }));
    assert_refused(&world, "\"recibido\":1001");
}

#[test]
fn probes_are_told_of_by_their_route_and_not_by_their_looks() {
    for (request, away, level) in [
        ("GET /healthz", false, Level::Debug),
        ("HEAD /healthz?x=1", false, Level::Debug),
        ("GET http://a/readyz", false, Level::Debug),
        ("GET /readyz", true, Level::Debug),
        ("GET /?x=/healthz", false, Level::Info),
        ("GET /nada/readyz", false, Level::Info),
        ("DELETE /healthz", false, Level::Info),
    ] {
        let mut world = World::new();
        world.server.scaler_away.set(away);
        world.feed(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        world.transmit();
        assert_eq!(world.events.last().unwrap().what.level(), level, "{request}");
        assert!(!away || world.statuses() == [503]);
    }
}

#[test]
fn the_line_of_an_answer_tells_what_went_wrong() {
    for (failure, status, level, reason) in [
        (WorkError::Panicked, 422, Level::Error, Some("el decodificador falló con esta imagen")),
        (WorkError::NoPermission, 404, Level::Warning, Some("no hay permiso para leer el archivo")),
        (WorkError::Lost, 500, Level::Error, Some("error interno")),
        (WorkError::ScalerAway, 503, Level::Warning, Some("el escalador no está disponible por el momento")),
        (WorkError::NoFile, 404, Level::Info, None),
    ] {
        let mut world = World::new();
        world.feed(&post(PNG));
        let id = world.orders[0].id;
        world.done(&Err(failure.clone()));
        assert_eq!(world.statuses(), [status]);
        let event = world.events.last().unwrap();
        assert_eq!((event.id, event.what.level()), (Some(id), level), "{failure:?}");
        let line = event.what.to_string();
        let end = reason.map_or_else(|| " ms".to_owned(), |reason| format!(" ms - {reason}"));
        assert!(line.ends_with(&end), "{line}");
    }
}

#[test]
fn who_is_slow_or_late_is_told_how_much_came_and_how_long_it_took() {
    let mut world = World::new();
    world.feed(b"GET / HTTP/1.1\r\n");
    world.wait(Duration::from_secs(10));
    world.transmit();
    assert!(world.text().contains("\"recibido\":16,"), "{}", world.text());
    assert!(world.text().contains("\"segundos\":10.0"), "{}", world.text());
    let EventKind::Answered { took, .. } = &world.events.last().unwrap().what else { panic!() };
    assert_eq!(*took, Duration::from_secs(10), "since its first byte, not since it was refused");

    let mut world = World::new();
    world.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n");
    world.feed(&[0; 3 << 10]);
    world.wait(Duration::from_secs(10));
    world.transmit();
    assert!(world.text().contains("\"recibido\":3072,"), "{}", world.text());
    assert!(world.text().contains("3072 bytes en los últimos 10 s"), "{}", world.text());

    let mut world = World::new();
    world.feed(&post(PNG));
    world.now.at += Duration::from_millis(30_012);
    world.done(&Err(WorkError::Late));
    assert_eq!(world.statuses(), [504]);
    let text = world.text();
    assert!(text.contains("\"recibido\":30.012") && text.contains("\"opcion\":\"--plazo\""), "{text}");
}

#[test]
fn errors_of_the_application_keep_the_connection_and_errors_of_framing_close_it() {
    for (request, status, kept) in [
        (&b"GET /nada HTTP/1.1\r\nHost: a\r\n\r\n"[..], 404, true),
        (b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 405, true),
        (
            b"POST /nada HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            404,
            true,
        ),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 411, true),
        (b"PUT /a.jpg HTTP/1.0\r\n\r\n", 411, false),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 415, true),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd", 415, true),
        (b"POST /nada HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n", 404, false),
        (b"GET / HTTP/1.1\r\n\r\n", 400, false),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, false),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, false),
        (b"GET / HTTP/1.0\r\n\r\n", 200, false),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, true),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, false),
    ] {
        let mut world = World::new();
        world.feed(request);
        world.transmit();
        let shown = request.escape_ascii();
        assert_eq!(world.statuses(), [status], "{shown}");
        assert_eq!(world.half_closed, !kept, "{shown}");
        assert_eq!(world.text().contains("Connection: close"), !kept, "{shown}");
        assert!(!world.text().contains(" Unknown\r\n"), "{shown}: every status has its reason phrase");
    }
}

#[test]
fn an_unwanted_body_is_read_only_so_far() {
    let mut world = World::new();
    world.feed(b"POST /nada HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n40000\r\n");
    world.feed(&[0; 60_000]);
    assert!(world.statuses().is_empty());
    world.feed(&[0; 6_000]);
    world.transmit();
    assert_eq!(world.statuses(), [404]);
    assert!(world.half_closed);
}

#[test]
fn what_is_no_picture_is_told_by_how_it_came() {
    let form = |picture: &str| {
        format!(
            "--x\r\nContent-Disposition: form-data; name=\"imagen\"; filename=\"a\"\r\n\r\n{picture}\r\n--x--\r\n"
        )
    };
    let multipart = "Content-Type: multipart/form-data; boundary=x\r\n";
    let fields = "Content-Type: Application/x-www-form-urlencoded; charset=UTF-8\r\n";
    let empty = "la imagen está vacía: no llegó ningún byte; revise el archivo y envíelo de nuevo";
    let none = "lo enviado no es una imagen de un formato conocido: se admiten JPEG, PNG, GIF, WebP, BMP, TIFF y PNM";
    let kinds = "se admiten JPEG, PNG, GIF, WebP, BMP, TIFF y PNM";
    let text = format!(
        "lo enviado no es una imagen de un formato conocido: parece texto; envíe los bytes de una imagen; {kinds}"
    );
    let path = format!(
        "lo enviado no es una imagen de un formato conocido: parece el nombre de un archivo, no su contenido; con curl falta la arroba: curl -F imagen=@foto.jpg; {kinds}"
    );
    let altered = format!(
        "{none}; llegó como application/x-www-form-urlencoded y sin saltos de línea ni bytes nulos, que es lo que quita curl -d: \
         pruebe con curl -F imagen=@foto.jpg o con --data-binary"
    );
    for (target, head, body, detail) in [
        ("/", "", String::new(), empty),
        ("/", fields, String::new(), empty),
        ("/?escala=99", "", String::new(), empty),
        ("/tareas/?escala=99", "Content-Encoding: identity\r\n", String::new(), empty),
        ("/", multipart, form(""), empty),
        ("/", "", "nada".into(), &text),
        ("/", multipart, form("foto.jpg"), &path),
        ("/", fields, "imagen=@foto.jpg".into(), &path),
        ("/tareas", fields, "\u{1}\u{1a}PNG".into(), &altered),
        ("/tareas", fields, "\u{1}\u{1a}PNG\n".into(), none),
        ("/enlaces", "Content-Type: image/jpeg\r\n", "nada".into(), &text),
    ] {
        let mut world = World::new();
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: a\r\n{head}Content-Length: {}\r\n\r\n", body.len());
        world.feed(format!("{head}{body}").as_bytes());
        world.transmit();
        assert_eq!(world.statuses(), [415], "{head}");
        let text = world.text();
        assert!(text.contains(&format!("\"detail\":\"{detail}\"")), "{head}: {text}");
        assert!(text.contains("urn:tp2:error:formato-desconocido"), "{head}: {text}");
    }
}

#[test]
fn a_picture_that_lost_its_line_ends_is_told_so_though_it_begins_like_one() {
    for (kind, body, expected) in [
        (
            "application/x-www-form-urlencoded",
            &b"\xff\xd8\xff\xe0\x10JFIF"[..],
            Some("perdió bytes en el camino"),
        ),
        // Too short to tell anything.
        ("image/jpeg", b"\xff\xd8\xff\xe0\x10JFIF", None),
        ("image/jpeg", &[&b"\xff\xd8\xff\xe0\x10JFIF"[..], &[7; 60]].concat(), Some("quita curl -d")),
        ("application/x-www-form-urlencoded", b"\xff\xd8\xff\xe0\0\x10JFIF", None),
        // Netpbm has a form without any of them.
        ("application/x-www-form-urlencoded", b"P2 1 1 255 7", None),
    ] {
        let mut world = World::new();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        world.feed(&[head.as_bytes(), body].concat());
        world.transmit();
        match expected {
            Some(text) => {
                assert_eq!(world.statuses(), [422]);
                assert!(
                    world.text().contains(text) && world.text().contains("imagen-ilegible"),
                    "{}",
                    world.text()
                );
            }
            None => assert_eq!(world.orders.len(), 1),
        }
    }
}

#[test]
fn a_browser_that_navigates_is_told_an_error_as_a_page() {
    let accept = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    for (request, status) in [
        (format!("POST / HTTP/1.1\r\nHost: a\r\n{accept}Content-Length: 4\r\n\r\nhola"), 415),
        (format!("GET /nada HTTP/1.1\r\nHost: a\r\n{accept}\r\n"), 404),
        (format!("DELETE / HTTP/1.1\r\nHost: a\r\n{accept}\r\n"), 405),
    ] {
        let mut world = World::new();
        world.feed(request.as_bytes());
        world.transmit();
        assert_eq!(world.statuses(), [status], "{request}");
        let text = world.text();
        assert!(
            text.contains("\r\nContent-Type: text/html; charset=utf-8\r\n") && text.contains("Volver</a>"),
            "{text}"
        );
        assert!(text.contains("\r\nContent-Security-Policy: default-src 'none'"), "{text}");
        assert_eq!(text.contains("\r\nAllow: "), status == 405);
    }
}

#[test]
fn a_coded_body_is_refused_before_it_is_read() {
    for (coding, refused) in
        [("gzip", true), ("identity", false), ("", false), ("Identity, br", true), ("base64", true)]
    {
        let mut world = World::new();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: {coding}\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
        );
        world.feed(head.as_bytes());
        world.transmit();
        if refused {
            assert_eq!(world.statuses(), [415], "{coding}");
            let text = world.text();
            assert!(
                text.contains("\r\nAccept-Encoding: identity\r\n") && text.contains("cuerpo-codificado"),
                "{text}"
            );
        } else {
            assert_eq!(world.sent, CONTINUE, "{coding}");
        }
    }
}

#[test]
fn a_name_that_is_nearly_a_parameters_is_told() {
    let form = "--x\r\nContent-Disposition: form-data; name=\"Escla\"\r\n\r\n1\r\n--x\r\n\
        Content-Disposition: form-data; name=\"imagen\"; filename=\"a\"\r\n\r\nGIF89a\r\n--x--\r\n";
    let multipart = "Content-Type: multipart/form-data; boundary=x\r\n";
    for (target, head, body) in
        [("/?escla=0.25", "", "GIF89a"), ("/", multipart, form), ("/tareas?fondos=1", "", "GIF89a")]
    {
        let mut world = World::new();
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: a\r\n{head}Content-Length: {}\r\n\r\n", body.len());
        world.feed(format!("{head}{body}").as_bytes());
        world.transmit();
        assert_eq!(world.statuses(), [422], "{target}");
        assert!(world.text().contains("¿quiso decir «"), "{}", world.text());
    }
    let mut world = World::new();
    world.feed(b"POST /?SCALE=0.25&Format=png&otra=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nGIF89a");
    let WorkSource::Upload { transform, .. } = &world.orders[0].source else { panic!() };
    assert_eq!((transform.size, transform.encoding.format), (Size::Factor(0.25), Format::Png));
}

#[test]
fn bytes_that_are_neither_http_nor_a_picture_are_told_what_they_seem_to_be() {
    let icon = [&b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0"[..], &[7; 80]].concat();
    let counted = [&b"\0\0\x19\x77\xff\xd8\xff\xe0\0\x10JFIF\0"[..], &[7; 80]].concat();
    for (input, ends, text) in [
        (icon, false, "ERROR 415 lo enviado no es una imagen de un formato conocido: parece un icono"),
        (
            counted,
            false,
            "ERROR 415 lo enviado no es una imagen de un formato conocido: parece una imagen con otros bytes delante",
        ),
        (
            b"%PDF-1.7\n".to_vec(),
            false,
            "ERROR 415 lo enviado no es una imagen de un formato conocido: parece un documento PDF",
        ),
        (
            b"{\"a\": 1}".to_vec(),
            true,
            "ERROR 415 lo enviado no es una imagen de un formato conocido: parece JSON",
        ),
        (b"\x01\x02\x03".to_vec(), true, "ERROR 415 lo enviado no es una imagen de un formato conocido"),
        (b"GE".to_vec(), true, "HTTP/1.1 400 "),
        (b"\x01 / HTTP/1.1\r\n\r\n".to_vec(), false, "HTTP/1.1 400 "),
    ] {
        for piece in [1, input.len()] {
            let mut world = World::new();
            for piece in input.chunks(piece) {
                world.feed(piece);
            }
            if ends {
                world.transmit();
                assert!(world.sent.is_empty());
                world.connection.handle_eof(world.now);
            }
            world.transmit();
            assert!(world.text().starts_with(text), "{text}: {}", world.text());
            assert!(world.half_closed || ends);
        }
    }
    // Without an end, when the time for a head is over.
    let mut world = World::new();
    world.feed(b"\x80\x04\x95");
    world.now.at += world.server.limits.head_time;
    world.connection.handle_timeout(world.now);
    world.transmit();
    assert!(
        world.text().starts_with("ERROR 415 lo enviado no es una imagen de un formato conocido: parece un objeto serializado con pickle"),
        "{}",
        world.text()
    );
}

#[test]
fn the_checks_come_in_their_order() {
    let form = |picture: &[u8], escala: &str| {
        let mut body =
            b"--x\r\nContent-Disposition: form-data; name=\"imagen\"; filename=\"a\"\r\n\r\n".to_vec();
        body.extend(picture);
        body.extend(b"\r\n--x\r\nContent-Disposition: form-data; name=\"escala\"\r\n\r\n");
        body.extend(escala.as_bytes());
        body.extend(b"\r\n--x--\r\n");
        body
    };
    let send = |body: &[u8]| {
        let mut world = World::new();
        let head = format!(
            "POST /?escala=0.25 HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        world.feed(head.as_bytes());
        world.feed(body);
        world.transmit();
        world
    };
    assert_eq!(send(&form(b"garbage", "99")).statuses(), [415]);
    assert_eq!(send(&form(b"", "0.5")).statuses(), [415]);
    assert_eq!(send(&form(PNG, "99")).statuses(), [422]);
    assert_eq!(
        send(b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n").statuses(),
        [422]
    );
    assert_eq!(send(b"--x\r\nno colon\r\n\r\n").statuses(), [400]);
    let world = send(&form(PNG, "2"));
    assert_eq!(world.uploaded().1.size, Size::Factor(2.0), "the form wins over the query");
}

#[test]
fn a_client_that_leaves_is_told_of_once() {
    let mut world = World::new();
    world.feed(&post(PNG));
    world.connection.handle_gone(world.now);
    world.connection.handle_gone(world.now);
    world.drain_actions();
    let left = world.events.iter().filter(|event| matches!(event.what, EventKind::Left { .. })).count();
    assert_eq!(left, 1);
    assert!(world.connection.is_closed());
    let outcome = picture(&world.server);
    world.done(&outcome);
    assert!(world.sent.is_empty());
}

#[test]
fn a_result_of_another_request_is_ignored() {
    let mut world = World::new();
    world.feed(&post(PNG));
    let outcome = picture(&world.server);
    world.connection.handle_done(Uuid::from_u128(u128::MAX), &outcome, world.now);
    assert!(world.connection.poll_transmit().is_none());
    world.done(&outcome);
    assert_eq!(world.statuses(), [200]);
}

#[test]
fn a_stopping_server_answers_and_keeps_nothing() {
    let mut idle = World::new();
    idle.feed(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    idle.transmit();
    idle.server.draining.set(true);
    idle.connection.handle_drain(idle.now);
    idle.wait(PARTING - Duration::from_millis(1));
    assert!(!idle.connection.is_closed(), "a request may be on its way");
    idle.wait(Duration::from_millis(1));
    assert!(idle.connection.is_closed());

    let mut late = World::new();
    late.server.draining.set(true);
    late.connection.handle_drain(late.now);
    late.feed(&post(PNG));
    let outcome = picture(&late.server);
    late.done(&outcome);
    assert_eq!(late.statuses(), [200]);
    assert!(late.text().contains("Connection: close") && late.half_closed);

    let mut busy = World::new();
    busy.feed(&post(PNG));
    busy.server.draining.set(true);
    busy.connection.handle_drain(busy.now);
    let outcome = picture(&busy.server);
    busy.done(&outcome);
    assert_eq!(busy.statuses(), [200]);
    assert!(busy.text().contains("Connection: close") && busy.half_closed);
}

#[test]
fn readiness_has_reasons_and_health_has_none() {
    let get = |path: &str, prepare: fn(&ServerState)| {
        let mut world = World::new();
        prepare(&world.server);
        world.feed(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        world.transmit();
        (world.statuses()[0], world.text())
    };
    assert_eq!(get("/readyz", |_| ()).0, 200);
    let (status, text) = get("/readyz", |server| server.scaler_away.set(true));
    assert!(status == 503 && text.contains("escalador"), "{text}");
    let (status, text) = get("/readyz", |server| server.draining.set(true));
    assert!(status == 503 && text.contains("deteniendo"), "{text}");
    let (status, text) = get("/readyz", |server| server.overdue.set(true));
    assert!(status == 503 && text.contains("plazo de 30 s (opción --plazo)"), "{text}");
    let (status, text) = get("/readyz", |server| {
        server.overdue.set(true);
        server.worn_out.set(true);
    });
    assert!(status == 503 && text.contains("el servidor debe iniciarse de nuevo"), "{text}");
    for (part, words) in
        [(ServerPart::Workers, "los hilos de trabajo no"), (ServerPart::Scaler, "el escalador no responde")]
    {
        let mut world = World::new();
        world.server.stuck.set(Some(part));
        world.feed(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
        world.transmit();
        assert!(world.statuses() == [503] && world.text().contains(words), "{}", world.text());
    }
    assert_eq!(get("/healthz", |server| server.draining.set(true)).0, 200);
}

#[test]
fn an_empty_line_behind_a_body_is_no_request() {
    let mut world = World::new();
    world.feed(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n\r\n");
    world.transmit();
    world.wait(Limits::default().head_time);
    assert_eq!(world.statuses(), [200], "no 408");
    assert!(!world.connection.is_closed());
    world.feed(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    world.transmit();
    assert_eq!(world.statuses(), [200, 200]);
}

#[test]
fn head_and_options() {
    let mut world = World::new();
    world.feed(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    world.transmit();
    assert_eq!(world.statuses(), [200, 204]);
    let length = format!("\r\nContent-Length: {}\r\n", crate::page::PAGE.text.len());
    assert!(world.text().contains(&length) && !world.text().contains("<html"));
    assert!(world.text().contains("Allow: GET, HEAD, POST, PUT, OPTIONS"));
}

/// A world with files.
fn with_files() -> World {
    World::with(Limits { files: true, ..Limits::default() }, Admission::new(4, 1 << 20, 1))
}

fn file_request(world: &World) -> &FileRequest {
    match &world.orders[0].source {
        WorkSource::File(file_request) => file_request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_is_asked_for_and_its_picture_can_be_kept_by_the_client() {
    let mut world = with_files();
    world.feed(
        b"GET /fotos/a%20b.png?escala=0.25 HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\nAccept: image/webp\r\n\r\n",
    );
    let order = file_request(&world);
    assert_eq!(order.path, b"fotos/a b.png");
    assert_eq!(order.conditions.if_none_match.as_deref(), Some(&b"\"x\""[..]));
    let transform = order.requested.transform(Format::Png).unwrap();
    assert_eq!((transform.size, transform.encoding.format), (Size::Factor(0.25), Format::WebP));
    assert_eq!((world.orders[0].reservation.bytes(), world.orders[0].read_time), (0, None));

    let Ok(WorkOutput::Picture(made, _)) = picture(&world.server) else { panic!() };
    let made = Picture { variant: Some(variant()), ..Arc::into_inner(made).unwrap() };
    let times = Times { open: Some(Duration::from_millis(2)), ..Times::default() };
    world.done(&Ok(WorkOutput::Picture(Arc::new(made), times)));
    let text = world.text();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nGRAY"), "{text}");
    for field in [
        &format!("ETag: {}", variant().etag()),
        // The world's clock shows 1970: no date later than that.
        "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT",
        "Cache-Control: public, max-age=60",
        "Vary: Accept",
        "Server-Timing: queue;dur=0.0, open;dur=2.0\r\n",
        "X-Ancho: 1",
        "Connection: keep-alive",
    ] {
        assert!(text.contains(field), "{field}: {text}");
    }
    assert!(!text.contains("no-store"));
}

#[test]
fn a_file_that_the_client_has_is_304_without_a_body() {
    for method in ["GET", "HEAD"] {
        let mut world = with_files();
        world.feed(format!("{method} /a.png HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        world.done(&Ok(WorkOutput::NotModified(variant())));
        let text = world.text();
        assert!(text.starts_with("HTTP/1.1 304 Not Modified\r\n") && text.ends_with("\r\n\r\n"), "{text}");
        for field in ["ETag: \"", "Last-Modified: ", "Cache-Control: public", "Vary: Accept", "X-Tarea: "] {
            assert!(text.contains(field), "{field}");
        }
        for field in ["\r\nContent-Length", "\r\nContent-Type", "\r\nServer-Timing"] {
            assert!(!text.contains(field), "{field}");
        }
        assert!(!world.half_closed);
    }
}

#[test]
fn head_of_a_file_has_the_length_of_its_picture() {
    let mut world = with_files();
    world.feed(b"HEAD /a.png HTTP/1.1\r\nHost: a\r\n\r\n");
    let outcome = picture(&world.server);
    world.done(&outcome);
    assert!(world.text().contains("Content-Length: 4\r\n") && world.text().ends_with("\r\n\r\n"));
}

#[test]
fn what_a_head_tells_of_a_file_is_answered_at_once() {
    for (target, status) in [
        ("/../a.png", 404),
        ("/%2e%2e/a.png", 404),
        ("//etc/passwd", 404),
        ("/..%5ca.png?escala=99", 404),
        ("/a.png?escala=99", 422),
        ("/a.png?formato=heic", 422),
        ("/", 200),
        ("/healthz", 200),
    ] {
        let mut world = with_files();
        world.feed(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        world.transmit();
        assert_eq!((world.statuses(), world.orders.len()), (vec![status], 0), "{target}");
        assert!(!world.half_closed, "the connection is kept");
    }
    let mut world = with_files();
    world.feed(b"DELETE /a.png HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS /a.png HTTP/1.1\r\nHost: a\r\n\r\n");
    world.transmit();
    assert_eq!(world.statuses(), [405, 204]);
    assert_eq!(world.text().matches("Allow: GET, HEAD, OPTIONS").count(), 2);
}

#[test]
fn failures_of_a_file_have_their_codes_and_keep_the_connection() {
    for (failure, status, words) in [
        (WorkError::NoFile, 404, "urn:tp2:error:no-encontrado"),
        (WorkError::NoPermission, 404, "urn:tp2:error:no-encontrado"),
        (WorkError::NotAPicture, 415, "el archivo no es una imagen"),
        (WorkError::NotAcceptable, 406, "Vary: Accept"),
        (
            WorkError::FileTooLong { length: 40_000_000 },
            422,
            "\"recibido\":40000000,\"opcion\":\"--max-cuerpo\"",
        ),
        (WorkError::MemoryFull { length: 77 }, 503, "--memoria"),
        (WorkError::Changing, 503, "Retry-After: 1\r\n"),
        (WorkError::Unreadable("EIO".into()), 500, "el archivo no se puede leer"),
        (WorkError::Undecodable("faltan datos".into()), 422, "faltan datos"),
    ] {
        let mut world = with_files();
        world.feed(b"GET /a.png HTTP/1.1\r\nHost: a\r\n\r\n");
        world.done(&Err(failure.clone()));
        assert_eq!(world.statuses(), [status], "{failure:?}");
        assert!(world.text().contains(words), "{failure:?}: {}", world.text());
        assert!(!world.text().contains("permiso") && !world.text().contains("EIO"));
        assert!(!world.half_closed, "{failure:?}");
    }
}

#[test]
fn a_file_is_asked_for_in_a_full_house_too_and_refused_as_an_upload_if_it_takes_work() {
    let mut world = with_files();
    let entered = |world: &World| {
        let mut reservation = world.server.admission.reservation();
        reservation.admit(0).unwrap();
        reservation
    };
    let _held: Vec<_> = (0..4).map(|_| entered(&world)).collect();
    world.feed(b"GET /a.png HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(world.orders.len(), 1, "it may be kept");
    world.done(&Err(world.server.overload().unwrap()));
    assert_eq!(world.statuses(), [503]);
    assert!(
        world.text().contains("Retry-After: 1\r\n") && world.text().contains("--cola"),
        "{}",
        world.text()
    );
}

#[test]
fn a_body_that_comes_with_a_get_is_read_past_or_ends_the_connection() {
    let outcome = |world: &World| picture(&world.server);

    let mut world = with_files();
    world.feed(b"GET /a.png HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
    assert!(world.orders.is_empty());
    world.feed(b"cGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    let made = outcome(&world);
    world.done(&made);
    assert_eq!(world.statuses(), [200, 200]);

    // Announced too long, asked to be asked for, or passing what is read past: answered, then closed.
    for head in [
        "Content-Length: 70000\r\n\r\n",
        "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n20000\r\n",
    ] {
        let mut world = with_files();
        world.feed(format!("GET /a.png HTTP/1.1\r\nHost: a\r\n{head}").as_bytes());
        if head.contains("chunked") {
            world.feed(&[0; INPUT_MAX]);
            assert!(world.orders.is_empty());
            world.feed(&[0; INPUT_MAX]);
        }
        assert_eq!(world.orders.len(), 1, "{head}");
        let made = outcome(&world);
        world.done(&made);
        assert_eq!(world.statuses(), [200], "{head}");
        assert!(world.half_closed && world.text().contains("Connection: close"), "{head}");
        world.feed(&[0; 50_000]);
        world.eof();
        assert_eq!(world.statuses(), [200], "{head}");
        assert!(world.connection.is_closed());
    }
}

#[test]
fn without_a_directory_there_are_no_files() {
    let mut world = World::new();
    world.feed(b"GET /a.png HTTP/1.1\r\nHost: a\r\n\r\nDELETE /a.png HTTP/1.1\r\nHost: a\r\n\r\n");
    world.transmit();
    assert_eq!((world.statuses(), world.orders.len()), (vec![404, 404], 0));
}

fn link_to(name: &str) -> WorkResult {
    let link = Link { name: name.into(), width: 3, height: 4 };
    Ok(WorkOutput::Link(link, Times { keep: Some(Duration::from_millis(5)), ..Times::default() }))
}

/// A world in which links have a port of their own.
fn with_links_port(side: ListenerRole) -> World {
    World::behind(side, Limits { links_port: Some(8082), ..Limits::default() }, Admission::new(4, 1 << 20, 1))
}

fn post_for_link(query: &str, host: &str) -> Vec<u8> {
    let head = format!(
        "POST /enlaces{query} HTTP/1.1\r\nHost: {host}\r\nAccept: text/plain\r\nContent-Length: {}\r\n\r\n",
        PNG.len()
    );
    [head.as_bytes(), PNG].concat()
}

#[test]
fn a_link_is_answered_with_its_address() {
    for (mut world, host, url) in [
        (World::new(), "foto.example:81", "http://foto.example:81/scaled_images/a.jpg"),
        (World::new(), "foto.example", "http://foto.example/scaled_images/a.jpg"),
        (World::new(), "", "http://192.0.2.7:8080/scaled_images/a.jpg"),
        (with_links_port(ListenerRole::Main), "foto.example:81", "http://foto.example:8082/a.jpg"),
        (with_links_port(ListenerRole::Main), "[::1]:81", "http://[::1]:8082/a.jpg"),
        (with_links_port(ListenerRole::Main), "a,b", "http://192.0.2.7:8082/a.jpg"),
    ] {
        world.feed(&post_for_link("?formato=png&calidad=9", host));
        let WorkSource::Upload { picture, transform, product: Product::Link } = &world.orders[0].source
        else {
            panic!("{host}")
        };
        assert_eq!(
            (&picture[..], transform.encoding.format, transform.encoding.quality),
            (PNG, Format::Jpeg, 9)
        );
        world.done(&link_to("a.jpg"));
        let text = world.text();
        assert!(text.starts_with("HTTP/1.1 201 Created\r\n"), "{text}");
        assert!(text.contains(&format!("\r\nLocation: {url}\r\n")), "{text}");
        assert!(text.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"), "{text}");
        assert!(text.contains("keep;dur=5.0") && text.contains("X-Ancho: 3\r\nX-Alto: 4\r\n"), "{text}");
        assert!(text.ends_with(&format!("\r\n\r\nImagen escalada disponible en: {url}\n")), "{text}");
        let told: Vec<&EventKind> = world.events.iter().map(|event| &event.what).collect();
        let linked = EventKind::Linked { url: url.into() };
        assert!(told.contains(&&linked) && linked.level() == Level::Info);
        assert_eq!(linked.to_string(), format!("Enlace de imagen escalada enviado al cliente: {url}"));
        assert!(!world.connection.is_closed());
    }
}

#[test]
fn a_link_is_refused_as_any_upload_is() {
    let mut world = World::new();
    world.feed(&post_for_link("?escala=99", "a"));
    world.feed(&post_for_link("?formato=heic", "a"));
    world.feed(b"POST /enlaces HTTP/1.1\r\nHost: a\r\n\r\n");
    world.feed(b"GET /enlaces HTTP/1.1\r\nHost: a\r\n\r\n");
    world.feed(b"POST /enlaces HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ntext");
    world.transmit();
    assert_eq!(world.statuses(), [422, 422, 411, 405, 415]);
    for (failure, status, text) in [
        (WorkError::FolderFull("ENOSPC".into()), 507, "disco-lleno"),
        (WorkError::FolderUnusable("no es un directorio".into()), 500, "(no es un directorio)"),
    ] {
        let mut world = World::new();
        world.feed(&post_for_link("", "a"));
        world.done(&Err(failure));
        assert_eq!(world.statuses(), [status]);
        assert!(world.text().contains(text) && world.text().contains("scaled_images"), "{}", world.text());
        let Some(LogEvent { id: Some(_), what, .. }) = world.events.last() else { panic!() };
        assert_eq!(what.level(), Level::Error);
    }
}

#[test]
fn without_http_a_link_is_one_line_where_links_have_a_port() {
    let mut world = with_links_port(ListenerRole::Main);
    world.feed(PNG);
    let WorkSource::Upload { transform, product: Product::Link, .. } = &world.orders[0].source else {
        panic!()
    };
    assert_eq!(transform.encoding.format, Format::Jpeg);
    world.done(&link_to("a.jpg"));
    assert_eq!(world.text(), "Imagen escalada disponible en: http://192.0.2.7:8082/a.jpg\n");
    assert!(world.half_closed);
    let mut world = with_links_port(ListenerRole::Main);
    world.feed(PNG);
    world.done(&Err(WorkError::FolderUnusable("no es un directorio".into())));
    assert!(world.text().starts_with("ERROR 500 "), "{}", world.text());
    assert_eq!(world.text().lines().count(), 1);
}

#[test]
fn stored_pictures_are_served_where_links_lead() {
    for (mut world, prefix) in [(World::new(), "/scaled_images"), (with_links_port(ListenerRole::Links), "")]
    {
        world.feed(&get(&format!("{prefix}/a%2ejpg?x"), "Range: bytes=2-3\r\n"));
        let WorkSource::Linked(link_request) = &world.orders[0].source else { panic!("{prefix}") };
        assert_eq!((&link_request.name[..], link_request.head_only), (&b"a.jpg"[..], false));
        assert_eq!(link_request.conditions.range, Some(b"bytes=2-3".to_vec()));
        world.done(&Ok(WorkOutput::Excerpt(file_part(Selection::Part(2..4), b"23"))));
        assert!(world.text().starts_with("HTTP/1.1 206 Partial Content\r\n"), "{}", world.text());
        assert!(world.text().ends_with("\r\n\r\n23"), "{}", world.text());

        world.feed(format!("HEAD {prefix}/a.jpg HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let WorkSource::Linked(link_request) = &world.orders[0].source else { panic!("{prefix}") };
        assert!(link_request.head_only);
        world.done(&Ok(WorkOutput::Excerpt(file_part(Selection::Whole, b""))));
        assert!(world.text().contains("Content-Length: 10\r\n"), "{}", world.text());
        for (selection, status) in
            [(Selection::NotModified, 304), (Selection::Failed, 412), (Selection::Unsatisfiable, 416)]
        {
            world.feed(&get(&format!("{prefix}/a.jpg"), ""));
            world.done(&Ok(WorkOutput::Excerpt(file_part(selection, b""))));
            assert_eq!(world.statuses().last(), Some(&status));
        }
        world.feed(&get(&format!("{prefix}/a.jpg"), ""));
        world.done(&Err(WorkError::NoFile));
        assert_eq!(world.statuses().last(), Some(&404));
        for path in ["/", "/.tp2-1", "/%2etp2-1", "/a/b", "/..", "/a%2fb", "//a"] {
            world.feed(&get(&format!("{prefix}{path}"), ""));
            world.transmit();
            assert_eq!((world.statuses().last(), world.orders.len()), (Some(&404), 0), "{path}");
        }
        assert!(!world.connection.is_closed());
    }
}

#[test]
fn a_port_for_links_has_nothing_else() {
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], 404),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 405),
        (b"POST /enlaces HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 405),
        (b"PUT /a.jpg HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 405),
        (b"DELETE /a.jpg HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"OPTIONS /a.jpg HTTP/1.1\r\nHost: a\r\n\r\n", 204),
    ] {
        let mut world = with_links_port(ListenerRole::Links);
        world.feed(request);
        world.transmit();
        assert_eq!((world.statuses(), world.orders.len()), (vec![status], 0), "{}", request.escape_ascii());
        if status != 404 {
            assert!(world.text().contains("Allow: GET, HEAD, OPTIONS\r\n"), "{}", world.text());
        }
        assert!(!world.connection.is_closed());
    }
    // What is no request is no picture either.
    for begin in [PNG, b"\xff\xd8\xff\xe0\0\x10JFIF", b"P5\n2 2\n255\nabcd"] {
        let mut world = with_links_port(ListenerRole::Links);
        world.feed(begin);
        world.transmit();
        assert_eq!(world.statuses(), [400], "{}", begin.escape_ascii());
        assert!(world.half_closed && world.orders.is_empty());
    }
}

#[test]
fn with_a_port_of_their_own_links_are_not_served_on_the_main_one() {
    let mut world = with_links_port(ListenerRole::Main);
    world.feed(&get("/scaled_images/a.jpg", ""));
    world.transmit();
    assert_eq!((world.statuses(), world.orders.len()), (vec![404], 0));
    let limits = Limits { links_port: Some(8082), files: true, ..Limits::default() };
    let mut world = World::with(limits, Admission::new(4, 1 << 20, 1));
    world.feed(&get("/scaled_images/a.jpg", ""));
    assert_eq!(file_request(&world).path, b"scaled_images/a.jpg");
    // Without one they win over files of that name.
    let mut world = with_files();
    world.feed(&get("/scaled_images/a.jpg", ""));
    assert!(matches!(world.orders[0].source, WorkSource::Linked(_)));
}

#[test]
fn figures_asked_for_with_a_body_that_is_not_read_end_the_connection() {
    for (length, field) in [(0, "Connection: keep-alive"), (1 << 20, "Connection: close")] {
        let mut world = World::new();
        let head = format!("GET /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        assert!(matches!(world.query(head.as_bytes()), Query::Metrics));
        let (request, _) = world.queries.remove(0);
        world.connection.handle_metrics(request, Bytes::from_static(b"tp2_up 1\n"), world.now);
        assert_eq!(world.server.admission.bytes(), 9, "until they are sent");
        world.transmit();
        assert_eq!((world.statuses(), world.server.admission.bytes()), (vec![200], 0));
        assert!(world.has(field), "{}", world.text());
    }
    let mut full = World::with(Limits::default(), Admission::new(4, 8, 1));
    assert!(matches!(full.query(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"), Query::Metrics));
    let (request, _) = full.queries.remove(0);
    full.connection.handle_metrics(request, Bytes::from_static(b"tp2_up 1\n"), full.now);
    full.transmit();
    assert_eq!(
        (full.statuses(), full.server.admission.bytes()),
        (vec![200], 0),
        "wanted most when the memory is full"
    );
}

#[test]
fn what_was_sent_of_a_large_answer_is_given_back() {
    const LENGTH: usize = 9 << 20;
    let mut world = World::with(Limits::default(), Admission::new(4, 64 << 20, 1));
    world.feed(&post(PNG));
    let order = world.orders.remove(0);
    let mut reservation = world.server.admission.reservation();
    reservation.charge(LENGTH as u64).unwrap();
    let (id, file) = (order.id, Bytes::from(vec![7; LENGTH]));
    drop(order);
    let made = Picture { file, format: Format::Png, width: 1, height: 1, variant: None, reservation };
    let outcome = Ok(WorkOutput::Picture(Arc::new(made), Times::default()));
    world.connection.handle_done(id, &outcome, world.now);
    world.connection.sent(3 << 20, world.now);
    assert_eq!(world.connection.poll_sent(), None, "others may still need it");
    drop(outcome);
    let mut left = LENGTH;
    while world.connection.poll_transmit().is_some() {
        if let Some(sent) = world.connection.poll_sent() {
            assert!(sent.len() >= 2 << 20 && sent.iter().all(|&byte| byte == 7));
            left -= sent.len();
            drop(sent);
            assert_eq!(world.connection.poll_sent(), None);
        }
        assert_eq!(world.server.admission.bytes(), left as u64);
        let more = world.connection.poll_transmit().map_or(0, |send| send.len().min(256 << 10));
        world.connection.sent(more, world.now);
    }
    assert!(left < 3 << 20 && world.server.admission.bytes() == 0, "{left}");
    world.drain_actions();
    assert!(!world.connection.is_closed());
}
