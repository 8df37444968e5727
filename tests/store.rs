//! The store in a process that dies, or whose disk is full: what it answered is stored afterwards, and nothing else.
//!
//! The processes are this program itself, told by [`DIRECTORY`] to run one of the tests marked as roles; they print
//! the answers that they got, one per line.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's own functions, not only the test itself"
)]

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use scaler::sys;
use tp2::http::format::Format;
use tp2::model::admission::Admission;
use tp2::model::image::Encoding;
use tp2::model::picture::Picture;
use tp2::model::task::{Status, Submission, TaskState};
use tp2::model::transform::{Size, Transform};
use tp2::store::{
    Acceptance, Ask, Backend, CRASHES_MAX, Claimed, End, Retention, Store, StoreAnswer, StoreError,
    StoreRead, StoreReply, StoreRequest, StoreWrite, sqlite,
};
use uuid::Uuid;

/// Where a role has its store.
const DIRECTORY: &str = "TP2_TEST_STORE";

struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("tp2-store-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// This program as one of the roles.
    fn play(&self, role: &str) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", role, "--ignored", "--nocapture"]).env(DIRECTORY, &self.0);
        command.stdout(Stdio::piped()).spawn().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(directory: &Path) -> Backend {
    let retention = Retention { age: Duration::from_hours(24), bytes_max: 1 << 40 };
    sqlite::open(&directory.join("tp2.sqlite3"), retention, SystemTime::now()).unwrap()
}

/// The store of the role that this process plays.
fn start() -> (Store, Receiver<StoreAnswer>) {
    let (writer, reader) = open(Path::new(&std::env::var_os(DIRECTORY).expect("played for another test")));
    let (answers, inbox) = channel();
    let deliver = Arc::new(move |answer| answers.send(answer).unwrap());
    (Store::start(writer, reader, deliver).unwrap(), inbox)
}

/// Bytes that are this task's alone.
fn bytes(id: Uuid, length: usize) -> Vec<u8> {
    id.as_bytes().iter().copied().cycle().take(length).collect()
}

fn accept(admission: &Admission, id: Uuid, length: usize) -> Ask {
    let encoding = Encoding { format: Format::Png, quality: 85, background: [255; 3] };
    let (transform, picture, reservation) =
        (Transform::new(Size::Factor(0.5), encoding), bytes(id, length), admission.reservation());
    let submission = Submission { id, picture, transform, key: None, at: SystemTime::now(), reservation };
    Ask::Write(StoreWrite::Accept(Box::new(submission)))
}

fn claim(admission: &Admission) -> Ask {
    Ask::Write(StoreWrite::Claim {
        crashes_max: CRASHES_MAX,
        in_work: 0,
        at: SystemTime::now(),
        reservation: admission.reservation(),
    })
}

fn end(admission: &Admission, id: Uuid) -> Ask {
    let (file, reservation) = (bytes(id, 700).into(), admission.reservation());
    let picture = Picture { file, format: Format::Pnm, width: 1, height: 1, variant: None, reservation };
    Ask::Write(StoreWrite::End { id, at: SystemTime::now(), end: End::Done(Arc::new(picture)) })
}

fn status(backend: &mut Backend, id: Uuid) -> Option<Status> {
    match backend.1.read(StoreRead::Status(id)) {
        Ok(StoreReply::Status(status)) => status,
        other => panic!("{other:?}"),
    }
}

fn result(backend: &mut Backend, id: Uuid) -> Vec<u8> {
    let reservation = Admission::new(1, 1 << 20, 1).reservation();
    match backend.1.read(StoreRead::File { id, range: 0..700, reservation }) {
        Ok(StoreReply::File(Some((bytes, _)))) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Prints an answer for the other process. One write, so that a partial line is never seen.
fn say(word: &str, id: Uuid) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(format!("\n{word} {id}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}

/// A role's output: a word and an id per line. Other lines are the test harness's.
fn parse(line: &str) -> Option<(String, Uuid)> {
    let (word, id) = line.split_once(' ')?;
    Some((word.to_owned(), id.parse().ok()?))
}

/// Submits, claims and ends tasks for ever, many at once; prints the answers.
#[test]
#[ignore = "a role, played for the other tests"]
fn role_that_never_stops() {
    let (store, inbox) = start();
    let admission = Admission::new(1, 1 << 30, 1);
    let mut asked: HashMap<u64, Uuid> = HashMap::new();
    let mut ticket = 0;
    let mut ask = |asked: &mut HashMap<u64, Uuid>, id: Uuid, ask: Ask| {
        ticket += 1;
        asked.insert(ticket, id);
        store.ask(StoreRequest { ticket, ask });
    };
    for number in 0..20 {
        let id = Uuid::new_v4();
        ask(&mut asked, id, accept(&admission, id, 100 + 3000 * number));
    }
    for answer in inbox {
        let id = asked.remove(&answer.ticket).unwrap();
        match answer.result.unwrap() {
            StoreReply::Accepted(Acceptance::New) => {
                say("accepted", id);
                ask(&mut asked, id, claim(&admission));
            }
            StoreReply::Claimed(Claimed::Task(claim)) => {
                assert_eq!(claim.picture, bytes(claim.id, claim.picture.len()));
                say("begun", claim.id);
                ask(&mut asked, claim.id, end(&admission, claim.id));
            }
            StoreReply::Known(known) => {
                assert!(known);
                say("ended", id);
                let next = Uuid::new_v4();
                ask(&mut asked, next, accept(&admission, next, 20_000));
            }
            // Another claim took the task of this one.
            StoreReply::Claimed(Claimed::Nothing) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_answered_survives_kill_9() {
    let directory = Directory::new();
    let (mut accepted, mut begun, mut ended) = (HashSet::new(), HashSet::new(), HashSet::new());
    for lines in [1, 40, 333, 1000] {
        let mut role = directory.play("role_that_never_stops");
        let mut said = BufReader::new(role.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut note = |(word, id): (String, Uuid)| match word.as_str() {
            "accepted" => assert!(accepted.insert(id)),
            "begun" => drop(begun.insert(id)),
            "ended" => assert!(ended.insert(id), "{id} ended twice"),
            _ => {}
        };
        said.by_ref().filter_map(|line| parse(&line)).take(lines).for_each(&mut note);
        role.kill().unwrap();
        // What it printed before it died counts as well.
        said.filter_map(|line| parse(&line)).for_each(&mut note);
        role.wait().unwrap();
    }
    assert!(accepted.len() > 100 && ended.len() > 50, "{} accepted, {} ended", accepted.len(), ended.len());

    let mut backend = open(&directory.0);
    for &id in &accepted {
        let status = status(&mut backend, id).unwrap();
        match status.state {
            TaskState::Done => assert_eq!(result(&mut backend, id), bytes(id, 700)),
            TaskState::Pending => {}
            // It may have been in work at each of several crashes.
            TaskState::Failed => assert_eq!(status.problem.unwrap().slug, "imagen-hizo-caer"),
            other => panic!("{other:?}"),
        }
        assert!(!ended.contains(&id) || status.state == TaskState::Done, "{id} had ended");
        assert!(!begun.contains(&id) || status.begun_at.is_some() == status.state.is_final());
    }
}

/// Fills a disk that has room for two MiB per file; prints what was accepted, and then that there is room again.
#[test]
#[ignore = "a role, played for the other tests"]
fn role_without_room() {
    sys::ignore_signal(sys::SIGXFSZ);
    let (_, hard) = sys::limits(sys::Limit::FileSize).unwrap();
    let (store, inbox) = start();
    let admission = Admission::new(1, 1 << 30, 1);
    sys::set_limits(sys::Limit::FileSize, 2 << 20, hard).unwrap();
    let mut fulls = 0;
    for ticket in 0..300 {
        let id = Uuid::new_v4();
        store.ask(StoreRequest { ticket, ask: accept(&admission, id, 20_000) });
        match inbox.recv().unwrap().result {
            Ok(StoreReply::Accepted(Acceptance::New)) => say("accepted", id),
            Err(StoreError::Full(_)) => {
                say("refused", id);
                fulls += 1;
            }
            other => panic!("{other:?}"),
        }
        // Reading still works.
        store.ask(StoreRequest { ticket, ask: Ask::Read(StoreRead::Status(id)) });
        assert!(matches!(inbox.recv().unwrap().result, Ok(StoreReply::Status(_))));
    }
    assert!(fulls > 100, "{fulls}");
    store.ask(StoreRequest { ticket: 0, ask: Ask::Write(StoreWrite::Probe) });
    assert!(matches!(inbox.recv().unwrap().result, Ok(StoreReply::Nothing) | Err(StoreError::Full(_))));

    sys::set_limits(sys::Limit::FileSize, hard, hard).unwrap();
    for ticket in 0..50 {
        let id = Uuid::new_v4();
        store.ask(StoreRequest { ticket, ask: accept(&admission, id, 20_000) });
        let answer = inbox.recv().unwrap();
        assert!(matches!(answer.result, Ok(StoreReply::Accepted(Acceptance::New))), "{answer:?}");
        say("accepted", id);
    }
    store.finish();
    say("finished", Uuid::nil());
}

#[test]
fn a_full_disk_refuses_and_goes_on() {
    let directory = Directory::new();
    let role = directory.play("role_without_room");
    let output = role.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let said: Vec<(String, Uuid)> = said.lines().filter_map(parse).collect();
    assert_eq!(said.last().unwrap().0, "finished");
    let mut backend = open(&directory.0);
    let count = |word: &str| said.iter().filter(|(said, _)| said == word).count();
    // At least the two MiB of the log, or of the file.
    assert!(count("accepted") > 50 + 60, "{} accepted", count("accepted"));
    for (word, id) in &said {
        let state = status(&mut backend, *id).map(|status| status.state);
        match word.as_str() {
            "accepted" => assert_eq!(state, Some(TaskState::Pending)),
            _ => assert_eq!(state, None),
        }
    }
}
