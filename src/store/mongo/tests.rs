//! What is MongoDB's own; what every store must do is in [`crate::store::contract`].
use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use ::mongodb::bson::{Document, doc};
use uuid::Uuid;

use super::error::MongoError;
use super::kept::name;
use super::*;
use crate::http::format::Format;
use crate::model::admission::Admission;
use crate::model::face::{FACE_SAMPLES, Face};
use crate::model::picture::Picture;
use crate::model::task::{Claim, Status, Submission, TaskState};
use crate::store::contract::{KEEP, Place, at, bytes, contract_tests, id, transform};
use crate::store::{Acceptance, CRASHES_MAX, Claimed, End, StoreAnswer, StoreWrite, Writer};

#[path = "../../../tests/common/mongodb.rs"]
#[expect(dead_code, reason = "the tests of whole servers need more of it")]
mod mongodb;
#[path = "../../../tests/common/tools.rs"]
#[expect(dead_code, reason = "the same")]
mod tools;

/// The server that all tests of this process share, each with databases of its own.
fn shared() -> Option<String> {
    // Kept open until the process ends, and FerretDB with it.
    static SHARED: LazyLock<Option<mongodb::FerretDb>> = LazyLock::new(mongodb::FerretDb::start);
    match std::env::var("TP2_PRUEBA_MONGODB_URI") {
        Ok(uri) if !uri.is_empty() => Some(uri),
        _ => SHARED.as_ref().map(mongodb::FerretDb::uri),
    }
}

/// Databases for one test, gone with it. A server of an earlier time is dead at once.
struct Databases {
    uri: String,
    tasks: String,
    bank: String,
}

impl Default for Databases {
    fn default() -> Self {
        let of = |what| format!("{what}-{}", Uuid::new_v4().simple());
        Self { uri: shared().unwrap(), tasks: of("Tp2"), bank: of("Banco") }
    }
}

impl Databases {
    fn find() -> Option<Self> {
        Self::is_there().then(Self::default)
    }

    fn names(&self) -> Names<'_> {
        Names { tasks: &self.tasks, bank: &self.bank }
    }

    fn link(&self) -> MongoLink {
        MongoLink::open(&self.uri, self.names()).unwrap_or_else(|reason| panic!("{}", reason.of(&self.uri)))
    }
}

impl Place for Databases {
    const STEPS: u32 = 120;
    const MANY: u64 = 550;

    fn is_there() -> bool {
        shared().is_some()
    }

    fn open(&self, retention: Retention, at: SystemTime) -> Backend {
        let lease = Lease { lease: Duration::ZERO, beat: Duration::from_hours(1) };
        open_as(&self.uri, self.names(), lease, retention, at).unwrap()
    }
}

impl Databases {
    /// Nothing is there that belongs to nobody, and nothing is missing.
    fn assert_sound(&self, link: &MongoLink) {
        let tables = &link.tables;
        let [tasks, results, queue, turns, chunks, keys] =
            [&tables.tasks, &tables.results, &tables.queue, &tables.turns, &tables.chunks, &tables.keys]
                .map(|table| link.run(link::all(table.find(doc! {}))).unwrap());
        let text = |document: &Document, field: &str| document.get_str(field).map(str::to_owned).unwrap();
        let names = |documents: &[Document]| -> HashSet<String> {
            documents.iter().map(|document| text(document, "_id")).collect()
        };
        let (known, ended, waiting) = (names(&tasks), names(&results), names(&queue));
        let taken: HashSet<String> = turns.iter().map(|turn| text(turn, "tarea")).collect();
        let open: HashSet<String> = known.difference(&ended).cloned().collect();
        assert_eq!(&waiting | &taken, open, "each that has not ended waits or is in work, and no other");
        assert!(waiting.is_disjoint(&taken), "no place of one in work is left");
        assert!(ended.is_subset(&known));
        let mut expected = HashSet::new();
        for task in tasks.iter().filter(|task| open.contains(&text(task, "_id"))) {
            expand(&mut expected, &chunks::upload(&text(task, "_id")), task.get_i64("recibidos").unwrap());
        }
        for result in results.iter().filter(|result| result.contains_key("formato")) {
            let owner = chunks::result(&text(result, "_id"), &text(result, "servidor"));
            expand(&mut expected, &owner, result.get_i64("bytes").unwrap());
        }
        assert_eq!(names(&chunks), expected);
        for key in &keys {
            assert!(known.contains(&text(key, "tarea")), "{key}");
        }
    }
}

fn expand(pieces: &mut HashSet<String>, owner: &str, length: i64) {
    let count = u64::try_from(length).unwrap().div_ceil(1 << 20);
    pieces.extend((0..count).map(|number| format!("{owner}/{number}")));
}

impl Drop for Databases {
    fn drop(&mut self) {
        let link = self.link();
        if !std::thread::panicking() {
            self.assert_sound(&link);
        }
        let _ = link.run(async {
            link::step(link.bank.drop()).await?;
            link::step(link.tables.tasks.client().database(&self.tasks).drop()).await
        });
    }
}

contract_tests!(Databases);

/// One server of several at the same databases.
struct One {
    writer: MongoWriter,
    admission: Admission,
}

impl One {
    fn at(databases: &Databases, lease: Duration) -> Self {
        let lease = Lease { lease, beat: Duration::from_hours(1) };
        let writer = MongoWriter::open(Arc::new(databases.link()), lease, KEEP, at(0)).unwrap();
        Self { writer, admission: Admission::new(8, 64 << 20, 1) }
    }

    fn write(&mut self, write: StoreWrite) -> StoreReply {
        let StoreAnswer { result, .. } = self.writer.write(vec![(1, write)]).remove(0);
        result.unwrap()
    }

    fn submission(&self, number: u64, seed: u64, key: Option<&[u8]>) -> StoreWrite {
        let picture = bytes(seed, 3000);
        let (key, reservation) = (key.map(<[u8]>::to_vec), self.admission.reservation());
        StoreWrite::Accept(Box::new(Submission {
            id: id(number),
            picture,
            transform: transform(),
            key,
            at: at(number),
            reservation,
        }))
    }

    fn accept(&mut self, number: u64, seed: u64, key: Option<&[u8]>) -> Acceptance {
        let submission = self.submission(number, seed, key);
        let StoreReply::Accepted(acceptance) = self.write(submission) else { panic!() };
        acceptance
    }

    fn claim(&mut self) -> Option<Claim> {
        let reservation = self.admission.reservation();
        let claim = StoreWrite::Claim { crashes_max: CRASHES_MAX, in_work: 0, at: at(5), reservation };
        match self.write(claim) {
            StoreReply::Claimed(Claimed::Task(claim)) => Some(*claim),
            StoreReply::Claimed(Claimed::Nothing) => None,
            other => panic!("{other:?}"),
        }
    }

    fn done(&mut self, number: u64, length: usize) -> bool {
        let (file, format) = (bytes(number, length).into(), Format::Pnm);
        let reservation = self.admission.reservation();
        let picture = Arc::new(Picture { file, format, width: 40, height: 90, variant: None, reservation });
        let StoreReply::Known(known) =
            self.write(StoreWrite::End { id: id(number), at: at(9), end: End::Done(picture) })
        else {
            panic!()
        };
        known
    }

    fn status(&self, number: u64) -> Option<Status> {
        let tables = &self.writer.link.tables;
        self.writer.link.run(status::status(tables, id(number))).unwrap()
    }

    fn state(&self, number: u64) -> TaskState {
        self.status(number).unwrap().state
    }

    /// Looks at the others once, as it does every few seconds.
    fn watch(&self, sightings: &mut lease::Sightings) {
        let tables = &self.writer.link.tables;
        self.writer.link.run(heartbeat::watch(tables, &self.writer.server, sightings, at(30))).unwrap();
    }
}

const LONG: Duration = Duration::from_hours(1);

#[test]
fn two_servers_never_have_the_same_task() {
    let Some(databases) = Databases::find() else { return };
    let (mut one, mut other) = (One::at(&databases, LONG), One::at(&databases, LONG));
    for number in 0..20 {
        let server = if number % 3 == 0 { &mut other } else { &mut one };
        assert_eq!(server.accept(number, number, None), Acceptance::New);
    }
    let claim_all = |mut server: One| {
        let mut claimed = Vec::new();
        while let Some(claim) = server.claim() {
            claimed.push(claim.id);
        }
        (server, claimed)
    };
    let ((one, mut claimed), (other, more)) = std::thread::scope(|scope| {
        let one = scope.spawn(|| claim_all(one));
        let other = scope.spawn(|| claim_all(other));
        (one.join().unwrap(), other.join().unwrap())
    });
    claimed.extend(more);
    claimed.sort_unstable();
    let mut expected: Vec<Uuid> = (0..20).map(id).collect();
    expected.sort_unstable();
    // One that had looked at a place when the other took it may have found nothing else at the end: it asks again
    // later.
    assert_eq!(claimed, expected);
    drop((one, other));
}

#[test]
fn any_server_answers_for_any_task() {
    let Some(databases) = Databases::find() else { return };
    let (mut one, mut other) = (One::at(&databases, LONG), One::at(&databases, LONG));
    one.accept(1, 1, None);
    assert_eq!(other.state(1), TaskState::Pending);
    assert_eq!(other.claim().unwrap().picture, bytes(1, 3000));
    assert_eq!(one.state(1), TaskState::Running);
    assert!(!one.done(1, 10), "it is the other's");
    assert!(other.done(1, 2 << 20));
    assert_eq!(one.state(1), TaskState::Done);
    let reservation = one.admission.reservation();
    let tables = &one.writer.link.tables;
    let range = (1 << 20) - 1..(1 << 20) + 1;
    let file = one.writer.link.run(status::file(tables, id(1), range.clone(), reservation)).unwrap();
    let at = usize::try_from(range.start).unwrap();
    assert_eq!(file.unwrap().0, bytes(1, 2 << 20)[at..at + 2]);
}

#[test]
fn what_a_dead_server_had_in_work_is_taken_over_and_ends_once() {
    let Some(databases) = Databases::find() else { return };
    let mut slow = One::at(&databases, LONG);
    slow.accept(1, 1, None);
    slow.accept(2, 2, None);
    assert!(slow.claim().is_some() && slow.claim().is_some());
    let mut heir = One::at(&databases, LONG);
    let mut sightings = lease::Sightings::new(LONG);
    heir.watch(&mut sightings);
    assert_eq!(
        (heir.state(1), heir.claim().map(|claim| claim.id)),
        (TaskState::Running, None),
        "it may live"
    );
    // Taken for dead, though it is only slow: the first to end a task has ended it.
    heir.watch(&mut lease::Sightings::new(Duration::ZERO));
    assert_eq!((heir.state(1), heir.state(2)), (TaskState::Pending, TaskState::Pending));
    let claim = heir.claim().unwrap();
    assert!(claim.suspect && claim.id == id(1));
    assert!(heir.done(1, 1000));
    assert!(!slow.done(1, 2000));
    assert!(slow.done(2, 2000));
    assert_eq!(heir.claim().map(|claim| claim.id), None, "the other is done, whatever the queue says");
    for (number, length) in [(1, 1000), (2, 2000)] {
        assert_eq!(heir.status(number).unwrap().result.unwrap().length, length);
    }
}

#[test]
fn three_dead_servers_end_a_task() {
    let Some(databases) = Databases::find() else { return };
    One::at(&databases, LONG).accept(1, 1, None);
    for fall in 1..=CRASHES_MAX {
        let mut server = One::at(&databases, LONG);
        assert_eq!(server.claim().unwrap().suspect, fall > 1);
        drop(server);
        One::at(&databases, LONG).watch(&mut lease::Sightings::new(Duration::ZERO));
    }
    let status = One::at(&databases, LONG).status(1).unwrap();
    assert_eq!((status.state, status.problem), (TaskState::Failed, Some(crate::store::rules::hopeless())));
}

#[test]
fn a_turn_whose_answer_was_lost_is_given_back() {
    let Some(databases) = Databases::find() else { return };
    let mut server = One::at(&databases, LONG);
    server.accept(1, 1, None);
    assert!(server.claim().is_some());
    server.writer.server.turns().clear();
    server.watch(&mut lease::Sightings::new(LONG));
    let claim = server.claim().unwrap();
    assert_eq!((claim.id, claim.suspect), (id(1), false));
}

#[test]
fn an_end_is_told_again_to_who_did_not_hear_it() {
    let Some(databases) = Databases::find() else { return };
    let mut server = One::at(&databases, LONG);
    server.accept(1, 1, None);
    server.claim();
    let turn = server.writer.server.turns().get(&id(1)).cloned().unwrap();
    assert!(server.done(1, 1000));
    server.writer.server.turns().insert(id(1), turn);
    assert!(server.done(1, 1000));
}

#[test]
fn a_task_that_was_deleted_by_another_leaves_nothing_behind() {
    let Some(databases) = Databases::find() else { return };
    let (mut one, mut other) = (One::at(&databases, LONG), One::at(&databases, LONG));
    one.accept(1, 1, Some(b"k"));
    other.claim();
    assert!(matches!(one.write(StoreWrite::Delete { id: id(1) }), StoreReply::Known(true)));
    assert!(!other.done(1, 1000));
    assert_eq!(other.status(1), None);
    assert_eq!(one.accept(2, 2, Some(b"k")), Acceptance::New);
}

#[test]
fn one_key_at_two_servers_is_one_task() {
    let Some(databases) = Databases::find() else { return };
    for round in 0..8 {
        let key = round.to_string();
        let accept = |number| {
            let mut server = One::at(&databases, LONG);
            server.accept(number, round, Some(key.as_bytes()))
        };
        let (one, other) = std::thread::scope(|scope| {
            let one = scope.spawn(|| accept(2 * round));
            let other = scope.spawn(|| accept(2 * round + 1));
            (one.join().unwrap(), other.join().unwrap())
        });
        let same = |acceptance: &Acceptance, number| match acceptance {
            Acceptance::Same(status) => status.id == id(number),
            Acceptance::New | Acceptance::Different => false,
        };
        assert!(
            one == Acceptance::New && same(&other, 2 * round)
                || other == Acceptance::New && same(&one, 2 * round + 1),
            "{one:?} {other:?}"
        );
    }
}

#[test]
fn what_was_begun_under_a_key_is_finished_by_who_comes_again() {
    let Some(databases) = Databases::find() else { return };
    let mut server = One::at(&databases, LONG);
    // A server that fell right after it had written the key.
    assert_eq!(server.accept(1, 1, Some(b"k")), Acceptance::New);
    let tables = server.writer.link.tables.clone();
    let forget_all_but_the_key = async {
        link::remove(&tables.tasks, &name(id(1))).await?;
        link::remove(&tables.queue, &name(id(1))).await?;
        chunks::forget_all(&tables, &chunks::upload(&name(id(1)))).await
    };
    server.writer.link.run(forget_all_but_the_key).unwrap();
    let Acceptance::Same(status) = server.accept(2, 1, Some(b"k")) else { panic!() };
    assert_eq!((status.id, status.state), (id(1), TaskState::Pending));
    assert_eq!(server.claim().unwrap().picture, bytes(1, 3000));
}

#[test]
fn what_can_t_be_read_ends_and_lets_the_next_have_its_turn() {
    let Some(databases) = Databases::find() else { return };
    let mut server = One::at(&databases, LONG);
    server.accept(1, 1, None);
    server.accept(2, 2, None);
    let tables = server.writer.link.tables.clone();
    server.writer.link.run(chunks::forget_all(&tables, &chunks::upload(&name(id(1))))).unwrap();
    let reservation = server.admission.reservation();
    let claim = StoreWrite::Claim { crashes_max: CRASHES_MAX, in_work: 0, at: at(5), reservation };
    let told = server.write(claim);
    assert!(matches!(told, StoreReply::Claimed(Claimed::Unreadable { id: of }) if of == id(1)), "{told:?}");
    assert_eq!(server.state(1), TaskState::Failed);
    assert_eq!(server.claim().unwrap().id, id(2));
}

#[test]
fn what_was_never_accepted_is_buried_and_never_will_be() {
    let Some(databases) = Databases::find() else { return };
    let mut server = One::at(&databases, LONG);
    // More of them than are fetched at once, at the head of the queue.
    for number in 0..70 {
        server.accept(number, number, None);
    }
    let tables = server.writer.link.tables.clone();
    for number in 0..70 {
        server.writer.link.run(link::remove(&tables.tasks, &name(id(number)))).unwrap();
    }
    server.accept(700, 700, None);
    assert_eq!(server.claim().unwrap().id, id(700), "it is found behind them, before anything is buried");
    // Ten minutes later they are looked at again.
    let reservation = server.admission.reservation();
    let claim = StoreWrite::Claim { crashes_max: CRASHES_MAX, in_work: 0, at: at(5000), reservation };
    assert!(matches!(server.write(claim), StoreReply::Claimed(Claimed::Nothing)));
    assert_eq!(server.status(3), None);
    // Who was about to accept it comes too late, and knows.
    let late = server.submission(3, 3, None);
    let StoreAnswer { result, .. } = server.writer.write(vec![(1, late)]).remove(0);
    assert!(matches!(result, Err(StoreError::Broken(_))), "{result:?}");
    let late = server.submission(4, 4, Some(b"k"));
    let StoreAnswer { result, .. } = server.writer.write(vec![(1, late)]).remove(0);
    assert!(matches!(result, Err(StoreError::Broken(_))), "{result:?}");
    assert_eq!(server.accept(800, 4, Some(b"k")), Acceptance::New, "its key is free");
    assert!(matches!(server.write(StoreWrite::Delete { id: id(3) }), StoreReply::Known(false)));
    // What they left when they tried is taken away with the next look.
    let reservation = server.admission.reservation();
    let claim = StoreWrite::Claim { crashes_max: CRASHES_MAX, in_work: 0, at: at(5000), reservation };
    assert!(matches!(server.write(claim), StoreReply::Claimed(Claimed::Task(claim)) if claim.id == id(800)));
}

#[test]
fn who_gives_back_an_old_turn_takes_nothing_from_the_new_one() {
    let Some(databases) = Databases::find() else { return };
    let (mut slow, mut quick) = (One::at(&databases, LONG), One::at(&databases, LONG));
    slow.accept(1, 1, None);
    slow.claim().unwrap();
    let old = slow.writer.server.turns().get(&id(1)).cloned().unwrap();
    assert!(matches!(slow.write(StoreWrite::Release { id: id(1), tried: false }), StoreReply::Known(true)));
    assert!(!quick.claim().unwrap().suspect);
    // A look of before the release, acted on after it.
    let tables = slow.writer.link.tables.clone();
    slow.writer.link.run(queue::give_back(&tables, &old, at(6), false)).unwrap();
    drop(quick);
    slow.watch(&mut lease::Sightings::new(Duration::ZERO));
    let claim = slow.claim().unwrap();
    assert!(claim.id == id(1) && claim.suspect, "its fall is counted");
    assert!(slow.done(1, 10));
}

#[test]
fn a_key_that_was_taken_meanwhile_is_not_answered_twice() {
    let Some(databases) = Databases::find() else { return };
    let mut server = One::at(&databases, LONG);
    // Somebody has begun something else under this key, and still lives.
    assert_eq!(server.accept(1, 1, Some(b"k")), Acceptance::New);
    let tables = server.writer.link.tables.clone();
    server.writer.link.run(accept::delete(&tables, id(1))).unwrap();
    assert_eq!(server.accept(2, 2, Some(b"k")), Acceptance::New);
    assert_eq!(server.accept(1, 1, Some(b"k")), Acceptance::Different);
    assert_eq!(server.status(1), None);
}

#[test]
fn folders_of_other_programs_are_read_as_they_are() {
    let Some(databases) = Databases::find() else { return };
    let link = databases.link();
    let vector = |samples: usize| vec![0.007_f64; samples];
    let theirs = [
        doc! { "nombre": "a.jpg", "imagen_str": "AA==", "vector": vector(FACE_SAMPLES) },
        doc! { "nombre": "b.jpg", "imagen_str": "AA==", "vector": vector(3) },
        doc! { "otro": 1 },
        doc! { "nombre": "c.jpg", "imagen_str": "AA==", "vector": vector(FACE_SAMPLES) },
        doc! { "nombre": "c.jpg", "imagen_str": "AA==", "vector": vector(FACE_SAMPLES) },
    ];
    for document in theirs {
        assert!(link.run(link::insert(&link.bank.collection("caras"), document)).unwrap());
    }
    let faces = link.run(super::bank::faces(&link.bank, "caras", None, 1)).unwrap().unwrap();
    let face =
        |name: &str| Face { name: name.into(), image: "AA==".into(), samples: vec![7; FACE_SAMPLES].into() };
    assert_eq!(faces, [face("a.jpg")]);
    let faces = link.run(super::bank::faces(&link.bank, "caras", Some("a.jpg".into()), 1)).unwrap().unwrap();
    assert_eq!(faces[..1], [face("c.jpg")], "what is no face is passed over");
    assert_eq!(link.run(super::bank::face(&link.bank, "caras", "b.jpg")).unwrap(), Some(vec![]));
    // A name is repeated: no index can be had, and still none is added twice.
    let mut server = One::at(&databases, LONG);
    for (name, is_new) in [("c.jpg", false), ("d.jpg", true), ("d.jpg", false)] {
        let insertion = StoreWrite::Insert { folder: "caras".into(), face: Box::new(face(name)) };
        assert!(
            matches!(server.write(insertion), StoreReply::Inserted(inserted) if inserted == is_new),
            "{name}"
        );
    }
}

#[test]
fn a_database_that_is_away_is_said_in_a_line_and_not_waited_for_again_and_again() {
    let uri = "mongodb://root:s3creto@127.0.0.1:1/?serverSelectionTimeoutMS=300";
    let error = open(uri, KEEP, at(0)).map(drop).unwrap_err().to_string();
    assert!(
        error.starts_with("no se puede abrir el almacén «mongodb://127.0.0.1:1»: no responde"),
        "{error}"
    );
    let link = MongoLink::open(uri, Names { tasks: "a", bank: "b" }).unwrap();
    let look = || link.run(status::counts(&link.tables)).unwrap_err();
    let first = std::time::Instant::now();
    look();
    assert!(first.elapsed() >= Duration::from_millis(300));
    let again: Result<(), StoreError> = link.run(async { unreachable!("nobody answered a moment ago") });
    assert!(matches!(again, Err(StoreError::Broken(_))));
    for wrong in ["mongodb://", "mongodb://a/?nada=1", "mongodb://u:p:s3creto@a"] {
        let error = open(wrong, KEEP, at(0)).map(drop).unwrap_err().to_string();
        assert!(error.contains("la dirección no es") && !error.contains("s3creto"), "{error}");
    }
    assert!(matches!(StoreError::from(MongoError::Late), StoreError::Broken(_)));
}
