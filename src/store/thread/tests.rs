use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::model::admission::Admission;
use crate::model::face::{Face, FolderPage};
use crate::model::store::BankFound;

/// Confirms each change, records the size of each batch, and waits for permission before each; tickets of a thousand
/// cause failures of different kinds.
struct Script {
    leave: Receiver<()>,
    batches: Arc<Mutex<Vec<usize>>>,
    closed: Arc<Mutex<bool>>,
}

const PANICS: u64 = 1000;
const FORGETS: u64 = 1001;

impl Writer for Script {
    fn write(&mut self, batch: Vec<(u64, StoreWrite)>) -> Vec<StoreAnswer> {
        let _ = self.leave.recv();
        self.batches.lock().unwrap().push(batch.len());
        let tickets = batch.into_iter().map(|(ticket, _)| ticket);
        let answers = tickets.map(|ticket| {
            assert_ne!(ticket, PANICS, "on purpose");
            StoreAnswer { ticket, result: Ok(StoreReply::Nothing) }
        });
        answers.take_while(|answer| answer.ticket != FORGETS).collect()
    }

    fn close(&mut self) {
        *self.closed.lock().unwrap() = true;
    }
}

struct Mute;

impl Reader for Mute {
    fn read(&mut self, read: StoreRead) -> Result<StoreReply, StoreError> {
        match read {
            StoreRead::Folders { .. } => Ok(StoreReply::Folders(FolderPage { folders: vec![], next: None })),
            _ => panic!("on purpose"),
        }
    }
}

struct Stage {
    store: Store,
    inbox: Receiver<StoreAnswer>,
    leave: Sender<()>,
    batches: Arc<Mutex<Vec<usize>>>,
    closed: Arc<Mutex<bool>>,
}

impl Stage {
    fn new() -> Self {
        let (answers, inbox) = unbounded();
        let (leave, awaited) = unbounded();
        let (batches, closed) = (Arc::default(), Arc::default());
        let script = Script { leave: awaited, batches: Arc::clone(&batches), closed: Arc::clone(&closed) };
        let deliver: DeliverAnswer = Arc::new(move |answer| answers.send(answer).unwrap());
        let store = Store::start(Box::new(script), Box::new(Mute), deliver).unwrap();
        Self { store, inbox, leave, batches, closed }
    }

    fn write(&self, ticket: u64, write: StoreWrite) {
        self.store.ask(StoreRequest { ticket, ask: Ask::Write(write) });
    }

    fn read(&self, ticket: u64, read: StoreRead) {
        self.store.ask(StoreRequest { ticket, ask: Ask::Read(read) });
    }

    /// The next answer: its ticket, and whether it is a success.
    fn answer(&self) -> (u64, bool) {
        let answer = self.inbox.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(matches!(answer.result, Ok(_) | Err(StoreError::Broken(_))), "{answer:?}");
        (answer.ticket, answer.result.is_ok())
    }

    /// Lets the writer go on without further permission.
    fn open(self) -> (Store, Receiver<StoreAnswer>) {
        drop(self.leave);
        (self.store, self.inbox)
    }
}

/// Runs the writer over waiting requests; the sizes of its batches, and the tickets with their results.
fn write_waiting(tickets: impl Iterator<Item = u64>) -> (Vec<usize>, Vec<(u64, bool)>) {
    let (requests, queue) = unbounded();
    for ticket in tickets {
        requests.send(vec![(ticket, StoreWrite::Probe)]).unwrap();
    }
    drop(requests);
    let (answers, inbox) = unbounded();
    let (_, leave) = unbounded();
    let batches = Arc::default();
    let script = Script { leave, batches: Arc::clone(&batches), closed: Arc::default() };
    let deliver: DeliverAnswer = Arc::new(move |answer| answers.send(answer).unwrap());
    drop(write_all(&queue, Box::new(script), &deliver));
    drop(deliver);
    let answers = inbox.iter().map(|answer| (answer.ticket, answer.result.is_ok())).collect();
    let batches = batches.lock().unwrap().clone();
    (batches, answers)
}

#[test]
fn what_waits_together_is_written_together() {
    let (batches, answers) = write_waiting(0..700);
    assert_eq!(batches, [256, 256, 188]);
    assert!(answers.into_iter().eq((0..700).map(|ticket| (ticket, true))));
}

#[test]
fn what_is_asked_at_once_is_one_batch_within_its_bounds() {
    let stage = Stage::new();
    stage
        .store
        .ask_all((0..300).map(|ticket| StoreRequest { ticket, ask: StoreWrite::Probe.into() }).collect());
    stage
        .store
        .ask_all((300..302).map(|ticket| StoreRequest { ticket, ask: StoreWrite::Probe.into() }).collect());
    stage.leave.send(()).unwrap();
    let first: Vec<u64> = (0..256).map(|_| stage.answer().0).collect();
    assert!(first.into_iter().eq(0..256));
    assert_eq!(stage.batches.lock().unwrap()[..], [256]);
    stage.leave.send(()).unwrap();
    let second: Vec<u64> = (256..302).map(|_| stage.answer().0).collect();
    assert!(second.into_iter().eq(256..302));
    assert_eq!(stage.batches.lock().unwrap()[..], [256, 46]);
    // Reads among them go their own way.
    let names = StoreRead::Folders { from: None, max: 1 };
    stage.store.ask_all(vec![
        StoreRequest { ticket: 400, ask: StoreWrite::Probe.into() },
        StoreRequest { ticket: 401, ask: names.into() },
        StoreRequest { ticket: 402, ask: StoreWrite::Probe.into() },
    ]);
    assert_eq!(stage.answer(), (401, true));
    stage.leave.send(()).unwrap();
    assert_eq!([stage.answer(), stage.answer()], [(400, true), (402, true)]);
    assert_eq!(stage.batches.lock().unwrap()[..], [256, 46, 2]);
}

#[test]
fn a_panic_breaks_its_batch_alone() {
    let (batches, answers) = write_waiting((0..256).chain([PANICS, 2]).chain(300..555));
    assert_eq!(batches, [256, 256, 1]);
    assert_eq!(answers.len(), 513);
    assert!(answers[..256].iter().all(|(_, good)| *good));
    assert!(answers[256..512].iter().all(|(_, good)| !good));
    assert_eq!((answers[256], answers[257], answers[512]), ((PANICS, false), (2, false), (554, true)));
}

#[test]
fn a_batch_is_bounded_in_bytes() {
    let (requests, queue) = unbounded();
    let face =
        |length| Face { name: "n".into(), image: String::new(), samples: Bytes::from(vec![0; length]) };
    let insert = |length| StoreWrite::Insert { folder: "c".into(), face: Box::new(face(length)) };
    for ticket in 1..4 {
        requests.send(vec![(ticket, insert(BATCH_BYTES / 2))]).unwrap();
    }
    let gather = |first: StoreWrite| {
        let mut waiting = VecDeque::from([(9, first)]);
        let batch = gather(&mut waiting, &queue);
        assert!(waiting.is_empty());
        batch
    };
    let tickets =
        |batch: Vec<(u64, StoreWrite)>| batch.into_iter().map(|(ticket, _)| ticket).collect::<Vec<_>>();
    assert_eq!(tickets(gather(insert(1))), [9, 1, 2]);
    assert_eq!(tickets(gather(insert(BATCH_BYTES))), [9]);
    assert_eq!(tickets(gather(StoreWrite::Sweep { at: SystemTime::UNIX_EPOCH })), [9, 3]);
}

#[test]
fn a_panic_is_an_answer_and_both_threads_live() {
    let stage = Stage::new();
    for ticket in [PANICS, 1] {
        stage.write(ticket, StoreWrite::Probe);
        stage.leave.send(()).unwrap();
        assert_eq!(stage.answer(), (ticket, ticket == 1));
    }
    stage.read(2, StoreRead::Status(Uuid::nil()));
    assert_eq!(stage.answer(), (2, false));
    stage.read(3, StoreRead::Folders { from: None, max: 1 });
    assert_eq!(stage.answer(), (3, true));
}

#[test]
fn documents_are_made_on_the_readers_thread_and_their_failures_are_answers() {
    let stage = Stage::new();
    let admission = Admission::new(1, 1 << 20, 1);
    let looks = [
        (BankLook::Folders(None, 1), &admission, true),
        (BankLook::Names("c".into(), None, 1), &admission, false),
        (BankLook::Folders(None, 1), &Admission::new(1, 1, 1), false),
    ];
    for ((look, admission, well), ticket) in looks.into_iter().zip(0..) {
        let reservation = admission.reservation();
        stage.store.ask(StoreRequest { ticket, ask: Ask::Document { look, reservation } });
        let answer = stage.inbox.recv().unwrap();
        let is_document = matches!(answer.result, Ok(StoreReply::Bank(BankFound::Document(_))));
        assert_eq!((answer.ticket, is_document), (ticket, well));
    }
    assert_eq!(admission.bytes(), 0, "nothing stays charged");
}

#[test]
fn a_forgotten_request_is_answered() {
    let stage = Stage::new();
    stage.write(FORGETS, StoreWrite::Probe);
    stage.leave.send(()).unwrap();
    assert_eq!(stage.answer(), (FORGETS, false));
}

#[test]
fn only_an_orderly_end_closes() {
    for orderly in [true, false] {
        let stage = Stage::new();
        let closed = Arc::clone(&stage.closed);
        stage.write(1, StoreWrite::Probe);
        stage.read(2, StoreRead::Folders { from: None, max: 1 });
        let (store, inbox) = stage.open();
        if orderly {
            store.finish();
        } else {
            drop(store);
        }
        // Ends when both threads have dropped their senders.
        let mut tickets: Vec<_> = inbox.iter().map(|answer| answer.ticket).collect();
        tickets.sort_unstable();
        assert_eq!(tickets, [1, 2]);
        assert_eq!(*closed.lock().unwrap(), orderly);
    }
}
