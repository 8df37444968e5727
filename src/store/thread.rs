//! The store's two threads: one writes, one reads, through [`Writer`] and [`Reader`].
//!
//! Rules: one [`StoreAnswer`] for each [`StoreRequest`] in any case: when a backend panics, its requests are answered
//! [`StoreError::Broken`] and the thread goes on; [`Store::ask`] itself answers for a thread that is gone. Writes are
//! made in the order in which they were asked, and so are reads. Group commit: the writer gets what was asked at once,
//! and all that waits by then, so that they share one disk sync; a request never waits for others to join it.
//!
//! What it refuses to do: to bound its queues. A caller has a reservation for the bytes that it hands in, and the
//! number of clients and workers bounds the requests.
//!
//! Known limit: a slow read delays the reads behind it; each is bounded by the ranges and counts asked for.
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, SendError, Sender, unbounded};

use super::{Ask, End, StoreAnswer, StoreError, StoreRead, StoreReply, StoreRequest, StoreWrite, documents};
use crate::model::admission::Reservation;
use crate::model::store::BankLook;

const BATCH_MAX: usize = 256;
/// Bytes after which a transaction takes no further request: the writer holds them until the disk has them.
const BATCH_BYTES: usize = 32 << 20;

/// Receives answers; called on the store's threads, and by [`Store::ask`] if they are gone.
pub type DeliverAnswer = Arc<dyn Fn(StoreAnswer) + Send + Sync>;

/// Called from another thread when the server stops.
pub type Brake = Arc<dyn Fn() + Send + Sync>;

/// Changes a store.
pub trait Writer: Send {
    /// Makes these changes in this order, each completely or not at all, and each seeing those before it. Exactly one
    /// answer for each, in the same order; on return, everything it answers is durable.
    fn write(&mut self, batch: Vec<(u64, StoreWrite)>) -> Vec<StoreAnswer>;

    /// The server stops in order: every task still in work waits again, and no crash is counted.
    fn close(&mut self);

    /// Whether other servers work on the same tasks: then tasks come, and end, without this server's action.
    fn is_shared(&self) -> bool {
        false
    }

    /// Where the store reports [`News`](super::News), if it has any; called once, before the first request.
    fn listen(&mut self, deliver: DeliverAnswer) {
        drop(deliver);
    }

    /// Makes the writer and the reader end soon, whatever they wait for; None if they never wait long.
    fn brake(&self) -> Option<Brake> {
        None
    }
}

/// Reads a store. It sees everything that the [`Writer`] had answered when it was asked.
pub trait Reader: Send {
    /// Reads.
    ///
    /// # Errors
    /// There is no memory for the result, or the store failed.
    fn read(&mut self, read: StoreRead) -> Result<StoreReply, StoreError>;
}

/// Both halves of a store.
pub type Backend = (Box<dyn Writer>, Box<dyn Reader>);

/// A running store, and beside it the bank, if that has a database of its own. Dropped unfinished, it is left as by a
/// crash: tasks in work are suspects.
pub struct Store {
    all: Desk,
    /// None: the bank is with the tasks.
    bank: Option<Desk>,
    is_shared: bool,
}

/// The two threads of a backend.
struct Desk {
    writes: Sender<Vec<(u64, StoreWrite)>>,
    reads: Sender<(u64, Look)>,
    writing: JoinHandle<Box<dyn Writer>>,
    reading: JoinHandle<()>,
    deliver: DeliverAnswer,
    brake: Option<Brake>,
}

impl Store {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        writer: Box<dyn Writer>,
        reader: Box<dyn Reader>,
        deliver: DeliverAnswer,
    ) -> io::Result<Self> {
        let is_shared = writer.is_shared();
        Ok(Self { all: Desk::start("store", (writer, reader), deliver)?, bank: None, is_shared })
    }

    /// From now on this backend has the bank, on threads of its own. Its failures are [`StoreError::Bank`].
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn keep_bank_in(&mut self, bank: Backend) -> io::Result<()> {
        let deliver = Arc::clone(&self.all.deliver);
        let of_bank = move |StoreAnswer { ticket, result }| {
            let result = result.map_err(|error| StoreError::Bank(Box::new(error)));
            deliver(StoreAnswer { ticket, result });
        };
        self.bank = Some(Desk::start("bank", bank, Arc::new(of_bank))?);
        Ok(())
    }

    /// Whether other servers work on the same tasks.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Asks without blocking. The answer comes through [`DeliverAnswer`].
    pub fn ask(&self, request: StoreRequest) {
        self.ask_all(vec![request]);
    }

    /// The same for several: changes to the same database share a transaction, within its bounds.
    pub fn ask_all(&self, requests: Vec<StoreRequest>) {
        match &self.bank {
            Some(bank) => {
                let (of_bank, others) = requests.into_iter().partition(|request| request.ask.is_about_bank());
                bank.ask_all(of_bank);
                self.all.ask_all(others);
            }
            None => self.all.ask_all(requests),
        }
    }

    /// Waits until every request is answered, requeues every task still in work, and closes.
    pub fn finish(self) {
        let Self { all, bank, .. } = self;
        for desk in bank.iter().chain([&all]) {
            desk.brake();
        }
        if let Some(bank) = bank {
            bank.finish();
        }
        all.finish();
    }
}

impl Desk {
    fn start(name: &str, (mut writer, reader): Backend, deliver: DeliverAnswer) -> io::Result<Self> {
        writer.listen(Arc::clone(&deliver));
        let (writes, to_write) = unbounded();
        let (reads, to_read) = unbounded();
        let brake = writer.brake();
        let desk = Arc::clone(&deliver);
        let writing = Builder::new()
            .name(format!("{name}-write"))
            .spawn(move || write_all(&to_write, writer, &desk))?;
        let desk = Arc::clone(&deliver);
        let reading =
            Builder::new().name(format!("{name}-read")).spawn(move || read_all(&to_read, reader, &desk))?;
        Ok(Self { writes, reads, writing, reading, deliver, brake })
    }

    fn ask_all(&self, requests: Vec<StoreRequest>) {
        let (mut writes, mut lost) = (Vec::new(), Vec::new());
        let read = |ticket, look| self.reads.send((ticket, look)).is_ok();
        for StoreRequest { ticket, ask } in requests {
            let asked = match ask {
                Ask::Write(write) => {
                    writes.push((ticket, write));
                    true
                }
                Ask::Read(look) => read(ticket, Look::Read(look)),
                Ask::Document { look, reservation } => read(ticket, Look::Document(look, reservation)),
            };
            if !asked {
                lost.push(ticket);
            }
        }
        if !writes.is_empty()
            && let Err(SendError(writes)) = self.writes.send(writes)
        {
            lost.extend(writes.into_iter().map(|(ticket, _)| ticket));
        }
        drop(PendingReplies::new(lost, &self.deliver));
    }

    fn brake(&self) {
        if let Some(brake) = &self.brake {
            brake();
        }
    }

    fn finish(self) {
        let Self { writes, reads, writing, reading, .. } = self;
        // The reader first: the writer ends last, and cleans up.
        drop(reads);
        // Both threads catch their backends' panics; one that did not can't be reported.
        let _ = reading.join();
        drop(writes);
        if let Ok(mut writer) = writing.join() {
            let _ = catch_unwind(AssertUnwindSafe(|| writer.close()));
        }
    }
}

fn write_all(
    requests: &Receiver<Vec<(u64, StoreWrite)>>,
    mut writer: Box<dyn Writer>,
    deliver: &DeliverAnswer,
) -> Box<dyn Writer> {
    // What did not fit into the transaction before comes first.
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Ok(asked) = requests.recv() else { break };
            waiting.extend(asked);
        }
        let batch = gather(&mut waiting, requests);
        let mut owed = PendingReplies::new(batch.iter().map(|(ticket, _)| *ticket), deliver);
        let answers = catch_unwind(AssertUnwindSafe(|| writer.write(batch))).unwrap_or_default();
        for answer in answers {
            owed.pay(answer);
        }
    }
    writer
}

/// The first of these requests, and those behind it, within the bounds of one transaction.
fn gather(
    waiting: &mut VecDeque<(u64, StoreWrite)>,
    requests: &Receiver<Vec<(u64, StoreWrite)>>,
) -> Vec<(u64, StoreWrite)> {
    let (mut batch, mut bytes) = (Vec::new(), 0_usize);
    while batch.len() < BATCH_MAX && bytes < BATCH_BYTES {
        if waiting.is_empty() {
            waiting.extend(requests.try_recv().unwrap_or_default());
        }
        let Some(next) = waiting.pop_front() else { break };
        bytes = bytes.saturating_add(weight(&next.1));
        batch.push(next);
    }
    batch
}

/// Bytes that a change brings.
fn weight(write: &StoreWrite) -> usize {
    match write {
        StoreWrite::Accept(submission) => submission.picture.len(),
        StoreWrite::End { end: End::Done(picture), .. } => picture.file.len(),
        StoreWrite::Insert { face, .. } => face.image.len() + face.samples.len(),
        _ => 0,
    }
}

enum Look {
    Read(StoreRead),
    Document(BankLook, Reservation),
}

fn read_all(requests: &Receiver<(u64, Look)>, mut reader: Box<dyn Reader>, deliver: &DeliverAnswer) {
    for (ticket, look) in requests {
        let mut owed = PendingReplies::new([ticket], deliver);
        let answer = AssertUnwindSafe(|| match look {
            Look::Read(read) => reader.read(read),
            Look::Document(look, reservation) => {
                documents::look_at(&mut *reader, look, reservation).map(StoreReply::Bank)
            }
        });
        if let Ok(result) = catch_unwind(answer) {
            owed.pay(StoreAnswer { ticket, result });
        }
    }
}

/// Answers these tickets in this order; tickets left at drop are answered that the store broke.
struct PendingReplies<'a> {
    tickets: VecDeque<u64>,
    deliver: &'a DeliverAnswer,
}

impl<'a> PendingReplies<'a> {
    fn new(tickets: impl IntoIterator<Item = u64>, deliver: &'a DeliverAnswer) -> Self {
        Self { tickets: tickets.into_iter().collect(), deliver }
    }

    fn pay(&mut self, answer: StoreAnswer) {
        let next = self.tickets.pop_front();
        debug_assert_eq!(next, Some(answer.ticket), "one answer for each request, in their order");
        (self.deliver)(answer);
    }
}

impl Drop for PendingReplies<'_> {
    fn drop(&mut self) {
        for ticket in self.tickets.drain(..) {
            let result = Err(StoreError::Broken("un hilo del almacén cayó".into()));
            (self.deliver)(StoreAnswer { ticket, result });
        }
    }
}

#[cfg(test)]
mod tests;
