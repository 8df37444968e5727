//! PostgreSQL's own tests; [`crate::store::contract`] has what every store must do.
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

use super::*;
use crate::http::format::Format;
use crate::model::admission::Admission;
use crate::model::picture::Picture;
use crate::model::task::{Claim, Status, Submission, TaskState};
use crate::store::contract::{KEEP, Place, at, bytes, contract_tests, id, transform};
use crate::store::{Acceptance, CRASHES_MAX, Claimed, End, News, StoreAnswer, StoreWrite, Writer, tools};

#[path = "../../../tests/common/postgres.rs"]
#[expect(dead_code, reason = "the tests of whole servers need more of it")]
mod cluster;

/// The cluster that all tests of this process share, each with a schema of its own.
fn shared() -> Option<&'static cluster::Postgres> {
    // Kept until the process ends, and the cluster with it.
    static SHARED: LazyLock<Option<cluster::Postgres>> = LazyLock::new(cluster::Postgres::start);
    SHARED.as_ref()
}

/// Tables for one test, gone with the cluster. An earlier server is dead at once.
struct Schema {
    uri: String,
    name: String,
}

impl Default for Schema {
    fn default() -> Self {
        let cluster = shared().unwrap();
        let name = format!("prueba_{}", Uuid::new_v4().simple());
        cluster.run(&format!("CREATE SCHEMA {name}"));
        Self { uri: format!("{}?options=-csearch_path%3D{name}", cluster.uri()), name }
    }
}

/// Dead at once, and seen once: every later server is another one.
const AT_ONCE: Lease = Lease { lease: Duration::ZERO, beat: Duration::from_secs(3600) };

impl Place for Schema {
    const STEPS: u32 = 300;
    const MANY: u64 = 1100;

    fn is_there() -> bool {
        shared().is_some()
    }

    fn open(&self, retention: Retention, at: SystemTime) -> Backend {
        open_as(&self.uri, Server::new(true), AT_ONCE, retention, at)
            .map_err(|reason| reason.of(&self.uri))
            .unwrap()
    }
}

contract_tests!(Schema);

/// A server of the fleet, alive until it is dropped.
struct One {
    writer: Box<dyn Writer>,
    reader: Box<dyn Reader>,
    admission: Admission,
}

impl One {
    fn at(schema: &Schema, lease: Duration, is_told_time: bool) -> Self {
        let lease = Lease { lease, beat: Duration::from_millis(50) };
        let (writer, reader) = open_as(&schema.uri, Server::new(is_told_time), lease, KEEP, at(0))
            .map_err(|reason| reason.of(&schema.uri))
            .unwrap();
        Self { writer, reader, admission: Admission::new(8, 256 << 20, 1) }
    }

    fn try_write(&mut self, write: StoreWrite) -> Result<StoreReply, StoreError> {
        self.writer.write(vec![(1, write)]).remove(0).result
    }

    fn write(&mut self, write: StoreWrite) -> StoreReply {
        self.try_write(write).unwrap()
    }

    fn submission(&self, number: u64, picture: Vec<u8>, key: Option<&[u8]>, at: SystemTime) -> StoreWrite {
        let (key, reservation) = (key.map(<[u8]>::to_vec), self.admission.reservation());
        let submission = Submission { id: id(number), picture, transform: transform(), key, at, reservation };
        StoreWrite::Accept(Box::new(submission))
    }

    fn accept(&mut self, number: u64, length: usize) {
        let submission = self.submission(number, bytes(number, length), None, at(1));
        assert!(matches!(self.write(submission), StoreReply::Accepted(Acceptance::New)));
    }

    fn claim(&mut self) -> Option<Claim> {
        let reservation = self.admission.reservation();
        let claim = StoreWrite::Claim { crashes_max: CRASHES_MAX, in_work: 0, at: at(2), reservation };
        match self.write(claim) {
            StoreReply::Claimed(Claimed::Task(claim)) => Some(*claim),
            StoreReply::Claimed(Claimed::Nothing) => None,
            StoreReply::Claimed(Claimed::Held) => self.claim(),
            other => panic!("{other:?}"),
        }
    }

    fn done(&mut self, number: u64, length: usize, at: SystemTime) -> bool {
        let (file, reservation) = (bytes(!number, length).into(), self.admission.reservation());
        let picture = Picture { file, format: Format::Pnm, width: 4, height: 9, variant: None, reservation };
        let end = End::Done(Arc::new(picture));
        self.write(StoreWrite::End { id: id(number), at, end }).known().unwrap()
    }

    fn status(&mut self, number: u64) -> Option<Status> {
        self.reader.read(StoreRead::Status(id(number))).unwrap().status().unwrap()
    }

    fn state(&mut self, number: u64) -> TaskState {
        self.status(number).unwrap().state
    }
}

const LONG: Duration = Duration::from_secs(3600);

/// Waits for this condition, which the other servers' threads cause.
fn until(what: &str, mut ask: impl FnMut() -> bool) {
    let give_up_at = std::time::Instant::now() + Duration::from_secs(30);
    while !ask() {
        assert!(std::time::Instant::now() < give_up_at, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn servers_never_have_the_same_task() {
    const TASKS: u64 = 60;
    if !Schema::is_there() {
        return;
    }
    let schema = Schema::default();
    let mut first = One::at(&schema, LONG, true);
    for number in 0..TASKS {
        first.accept(number, 10);
    }
    let work = |mut server: One| {
        let mut had = Vec::new();
        while let Some(claim) = server.claim() {
            had.push(claim.id);
        }
        (server, had)
    };
    let all: Vec<(One, Vec<Uuid>)> = std::thread::scope(|scope| {
        let servers: Vec<One> = (0..3).map(|_| One::at(&schema, LONG, true)).collect();
        let threads: Vec<_> = servers.into_iter().map(|server| scope.spawn(move || work(server))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut had: Vec<Uuid> = all.iter().flat_map(|(_, had)| had.clone()).collect();
    had.sort_unstable();
    had.dedup();
    assert_eq!(had.len() as u64, TASKS);
    assert_eq!(all.iter().map(|(_, had)| had.len() as u64).sum::<u64>(), TASKS);
}

#[test]
fn files_of_several_pieces_are_whole() {
    if !Schema::is_there() {
        return;
    }
    let mut server = One::at(&Schema::default(), LONG, true);
    for (number, length) in [(1, PIECE_SIZE), (2, PIECE_SIZE + 1), (3, 3 * PIECE_SIZE + 77)] {
        server.accept(number, length);
        let claim = server.claim().unwrap();
        assert!((claim.id, claim.picture) == (id(number), bytes(number, length)));
        assert!(server.done(number, length, at(3)));
        let end = length as u64;
        for range in [0..end, 5..6, PIECE - 1..PIECE.min(end), PIECE.min(end - 1)..end] {
            let reservation = server.admission.reservation();
            let read = StoreRead::File { id: id(number), range: range.clone(), reservation };
            let (file, _) = server.reader.read(read).unwrap().file().unwrap().unwrap();
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            assert!(file[..] == bytes(!number, length)[range]);
        }
    }
    // Under a known key nothing is stored, of however many pieces.
    let (first, again) = (
        server.submission(8, bytes(8, 3 * PIECE_SIZE), Some(b"k"), at(1)),
        server.submission(9, bytes(8, 3 * PIECE_SIZE), Some(b"k"), at(1)),
    );
    assert!(matches!(server.write(first), StoreReply::Accepted(Acceptance::New)));
    assert!(
        matches!(server.write(again), StoreReply::Accepted(Acceptance::Same(status)) if status.id == id(8))
    );
}

#[test]
fn what_a_dead_server_had_in_work_is_taken_over_and_ends_once() {
    if !Schema::is_there() {
        return;
    }
    let schema = Schema::default();
    let lease = Duration::from_millis(700);
    let mut slow = One::at(&schema, lease, true);
    slow.accept(1, 10);
    assert!(!slow.claim().unwrap().suspect);
    let mut quick = One::at(&schema, lease, true);
    // While both show that they live, each keeps its tasks.
    std::thread::sleep(2 * lease);
    assert!(quick.claim().is_none());
    // A server that hangs: it shows no sign of life.
    let id_of_slow =
        shared().unwrap().run(&format!("SET search_path = {}; SELECT server FROM tp2_queue", schema.name));
    let stop = format!(
        "SET search_path = {}; CREATE FUNCTION still() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RETURN CASE WHEN NEW.id = '{id_of_slow}' THEN OLD ELSE NEW END; END $$;
         CREATE TRIGGER still BEFORE UPDATE ON tp2_server FOR EACH ROW EXECUTE FUNCTION still()",
        schema.name
    );
    shared().unwrap().run(&stop);
    until("that it is taken over", || quick.state(1) == TaskState::Pending);
    let claim = quick.claim().unwrap();
    assert_eq!((claim.suspect, claim.tries), (true, 1));
    assert!(!slow.done(1, 10, at(5)), "it comes too late");
    assert!(!slow.write(StoreWrite::Release { id: id(1), tried: true }).known().unwrap());
    assert_eq!(quick.state(1), TaskState::Running);
    assert!(quick.done(1, 10, at(6)));
    assert_eq!(slow.state(1), TaskState::Done);
}

#[test]
fn no_servers_clock_decides_anything() {
    if !Schema::is_there() {
        return;
    }
    let schema = Schema::default();
    let mut server = One::at(&schema, LONG, false);
    let (now, day) = (SystemTime::now(), Duration::from_hours(25));
    for (number, clock) in [(1, now - day), (2, now + day), (3, UNIX_EPOCH)] {
        let submission = server.submission(number, bytes(number, 10), None, clock);
        assert!(matches!(server.write(submission), StoreReply::Accepted(Acceptance::New)));
        assert_eq!(server.claim().unwrap().id, id(number));
        assert!(server.done(number, 10, clock));
    }
    for clock in [now - day, now + day, now + 99 * day] {
        let swept = server.write(StoreWrite::Sweep { at: clock });
        assert!(matches!(swept, StoreReply::Swept { expired: 0, more: false }), "{swept:?}");
    }
    for number in 1..=3 {
        let status = server.status(number).unwrap();
        assert_eq!(status.state, TaskState::Done);
        for time in [Some(status.accepted_at), status.begun_at, status.ended_at] {
            let off = now.duration_since(time.unwrap()).unwrap_or_else(|later| later.duration());
            assert!(off < Duration::from_secs(120), "{off:?}");
        }
    }
}

#[test]
fn one_key_at_two_servers_is_one_task() {
    if !Schema::is_there() {
        return;
    }
    let schema = Schema::default();
    let servers = [One::at(&schema, LONG, true), One::at(&schema, LONG, true)];
    let rounds = |mut server: One, own: u64| {
        let accept = |round: u64, server: &mut One| {
            let key = round.to_string();
            let submission =
                server.submission(2 * round + own, bytes(round, 10), Some(key.as_bytes()), at(1));
            server.write(submission).accepted().unwrap()
        };
        (0..30).map(|round| accept(round, &mut server)).collect::<Vec<Acceptance>>()
    };
    let [one, other] = std::thread::scope(|scope| {
        let [one, other] = servers;
        let threads = [scope.spawn(move || rounds(one, 0)), scope.spawn(move || rounds(other, 1))];
        threads.map(|thread| thread.join().unwrap())
    });
    for (round, pair) in (0..).zip(one.iter().zip(&other)) {
        let is_same = |acceptance: &Acceptance, number| matches!(acceptance, Acceptance::Same(status) if status.id == id(number));
        let (one, other) = pair;
        assert!(
            *one == Acceptance::New && is_same(other, 2 * round)
                || *other == Acceptance::New && is_same(one, 2 * round + 1),
            "{one:?} {other:?}"
        );
    }
}

#[test]
fn news_come_to_who_waits_for_them() {
    if !Schema::is_there() {
        return;
    }
    let schema = Schema::default();
    let (mut here, mut there) = (One::at(&schema, LONG, true), One::at(&schema, LONG, true));
    let (sender, inbox) = crossbeam_channel::unbounded();
    there.writer.listen(Arc::new(move |answer: StoreAnswer| drop(sender.send(answer.result))));
    let next = || match inbox.recv_timeout(Duration::from_secs(30)) {
        Ok(Ok(StoreReply::News(news))) => news,
        other => panic!("{other:?}"),
    };
    // The other one may need a moment until it listens.
    let mut number = 100;
    until("that it is woken", || {
        while there.claim().is_some() {}
        here.accept(number, 10);
        number += 1;
        inbox.recv_timeout(Duration::from_millis(100)).is_ok()
    });
    while there.claim().is_some() {}
    // A server that found no task is woken when one is accepted, once.
    here.accept(1, 10);
    assert_eq!(next(), News::Waiting);
    here.accept(2, 10);
    // A server that waits for a task's end is notified.
    let watched = there.reader.read(StoreRead::Watch(id(1))).unwrap().status().unwrap();
    assert_eq!(watched.unwrap().state, TaskState::Pending);
    for number in [1, 2] {
        assert_eq!(here.claim().unwrap().id, id(number));
        assert!(here.done(number, 10, at(3)));
    }
    assert_eq!(next(), News::Ended(id(1)));
    assert!(inbox.is_empty(), "for the second nobody waits");
}

#[test]
fn waiting_tasks_that_others_have_locked_are_told_apart_from_none() {
    if !Schema::is_there() {
        return;
    }
    let schema = Schema::default();
    let mut server = One::at(&schema, LONG, true);
    let is_idle = || shared().unwrap().run(&format!("SELECT idle FROM {}.tp2_server", schema.name)) == "t";
    let claim = |server: &mut One| {
        let reservation = server.admission.reservation();
        let claim = StoreWrite::Claim { crashes_max: CRASHES_MAX, in_work: 0, at: at(2), reservation };
        server.write(claim).claimed().unwrap()
    };
    assert!(matches!(claim(&mut server), Claimed::Nothing) && is_idle());
    server.accept(1, 10);
    // A client's wait for it is being noted, by a server that is slow at it.
    let mut other = Session::new(Arc::new(PgLink::open(&schema.uri).unwrap_or_else(|_| panic!())));
    let lock = "BEGIN; UPDATE tp2_queue SET watched = true";
    other.attempt(async |conn| Ok(conn.client.batch_execute(lock).await?)).unwrap();
    assert!(matches!(claim(&mut server), Claimed::Held) && !is_idle());
    other.attempt(async |conn| Ok(conn.client.batch_execute("COMMIT").await?)).unwrap();
    assert!(matches!(claim(&mut server), Claimed::Task(claim) if claim.id == id(1)));
    // To a server that the others take for dead nothing waits. Its heartbeat may bring it back before it claims.
    let is_passed_over = (2..22).any(|number| {
        server.accept(number, 10);
        shared().unwrap().run(&format!("DELETE FROM {}.tp2_server", schema.name));
        matches!(claim(&mut server), Claimed::Nothing)
    });
    assert!(is_passed_over);
}

#[test]
fn a_claim_looks_at_no_more_of_the_queue_than_it_takes() {
    const CLAIMS: usize = 51;
    if !Schema::is_there() {
        return;
    }
    let schema = Schema::default();
    let mut server = One::at(&schema, LONG, false);
    let fill = format!(
        "SET search_path = {};
         INSERT INTO tp2_task (id, seq, state, received, transform, accepted_at, ended_at, format, width, height, length)
         SELECT gen_random_uuid(), nextval('tp2_order'), 2, 10, '{transform}', now(), now(), 'pgm', 1, 1, 10
         FROM generate_series(1, 300000);
         UPDATE tp2_ledger SET done = 300000, bytes = 3000000 WHERE slot = 0;
         INSERT INTO tp2_task (id, seq, state, received, transform, accepted_at)
         SELECT gen_random_uuid(), nextval('tp2_order'), 0, 3, '{transform}', now() FROM generate_series(1, 20000);
         INSERT INTO tp2_queue (id, seq, length) SELECT id, seq, 3 FROM tp2_task WHERE state = 0;
         INSERT INTO tp2_upload (task, number, bytes) SELECT id, 0, 'abc' FROM tp2_task WHERE state = 0;
         UPDATE tp2_ledger SET live = 20000 WHERE slot = 0; ANALYZE",
        schema.name,
        transform = transform()
    );
    shared().unwrap().run(&fill);
    for _ in 0..8 {
        assert_eq!(server.claim().unwrap().picture, b"abc");
    }
    // As in the long run, whatever the first values were. A search without an index would be a Seq Scan.
    let own = format!("SET search_path = {}; SELECT id FROM tp2_server", schema.name);
    let own = shared().unwrap().run(&own);
    let explain =
        format!("EXPLAIN (ANALYZE, BUFFERS) EXECUTE claim ('{own}', 3, 1, 1000000, 1000000, true, NULL);");
    let prepare = format!(
        "SET search_path = {}; SET plan_cache_mode = force_generic_plan; {} PREPARE claim AS {};",
        schema.name,
        link::SETTINGS,
        super::tasks::CLAIM
    );
    // Each takes a task, in a transaction of its own.
    let claims = format!("BEGIN; {explain} COMMIT; ").repeat(CLAIMS);
    let plan = shared().unwrap().run(&format!("{prepare} {claims}"));
    let times = plan.lines().filter_map(|line| line.strip_prefix("Execution Time: ")?.strip_suffix(" ms"));
    let mut times: Vec<f64> = times.map(|time| time.parse().unwrap()).collect();
    times.sort_by(f64::total_cmp);
    assert_eq!(times.len(), CLAIMS);
    eprintln!(
        "a claim among 300,000 ended and 20,000 waiting: median {} ms, worst {}",
        times[CLAIMS / 2],
        times[CLAIMS - 1]
    );
    assert!(times[CLAIMS / 2] <= 5.0, "{times:?}");
    assert!(!plan.contains("Seq Scan on tp2_task") && !plan.contains("Seq Scan on tp2_queue"), "{plan}");
    assert!(plan.contains("Index Scan using tp2_queue_waiting"), "{plan}");
    // No part of it has looked at hundreds of rows.
    let rows = plan.split("rows=").filter_map(|part| part.split_once(" loops=")?.0.parse::<u64>().ok());
    assert!(rows.max().unwrap() <= 100, "{plan}");
    let counts = server.reader.read(StoreRead::Counts).unwrap();
    let StoreReply::Counts(counts) = counts else { panic!("{counts:?}") };
    let taken = 8 + CLAIMS as u64;
    assert_eq!(counts.map(|(_, count)| count), [20_000 - taken, taken, 300_000, 0, 0]);
}

#[test]
fn a_database_that_is_away_is_said_in_a_line_and_not_waited_for_again_and_again() {
    let uri = "postgres://root:s3creto@127.0.0.1:1/x";
    let error = open(uri, KEEP).map(drop).unwrap_err().to_string();
    assert!(
        error.starts_with("no se puede abrir el almacén «postgres://127.0.0.1:1»: no responde"),
        "{error}"
    );
    let mut session = Session::new(Arc::new(PgLink::open(uri).unwrap_or_else(|_| panic!())));
    for _ in 0..2 {
        let nothing =
            session.run(async |_| -> Result<(), PgError> { unreachable!("there is no connection") });
        assert!(matches!(nothing, Err(StoreError::Broken(_))));
    }
}

#[test]
fn tables_of_a_later_version_are_refused() {
    if !Schema::is_there() {
        return;
    }
    let schema = Schema::default();
    drop(One::at(&schema, LONG, true));
    drop(One::at(&schema, LONG, true));
    shared().unwrap().run(&format!("UPDATE {}.tp2_schema SET version = 99", schema.name));
    let error = open(&schema.uri, KEEP).map(drop).unwrap_err().to_string();
    assert!(error.contains("es de una versión más nueva de tp2 (su esquema es el 99;"), "{error}");
}
