//! The store in MongoDB, for several servers at once: any of them answers for any task, and takes over those of a dead
//! one.
//!
//! Rules: nothing hangs on transactions over several documents, nor on updates that look before they write: what
//! decides is the insertion of one document under an `_id` that only one can have.
//! - A task is accepted once it is in `tareas`; before that its place in `cola` and its picture in `trozos` are
//!   written.
//! - A task is in work by who has inserted `<id>/<intento>` into `turnos`. It waits while it has a place in `cola`; one
//!   that is there although it is in work, or has ended, is passed over.
//! - A task has ended once it is in `resultados`. Work that comes second leaves nothing behind.
//! - Whatever else the documents say (when work began, for people) decides nothing.
//! - Of a task that never was accepted a tombstone in `tareas` says so, before what there is of it is removed.
//! - At every moment a task that has not ended has a place in the queue or a turn: what comes next is written before
//!   what was is taken away. So whoever falls between two writes leaves at most too much, never too little.
//! - Each server shows every [`BEAT`](lease::BEAT) that it lives; one that has not for [`LEASE`] is dead to those who
//!   watched all that time by clocks of their own (see [`lease`]), and its turns are taken over.
//!
//! Writes wait for a majority of the replica set and its journals, unless the URI says otherwise. Filters are of the
//! kinds that every server with MongoDB's protocol has; all that is done for each task looks at one `_id`, but for the
//! search of the queue, and what goes with a task that is deleted.
//!
//! What it refuses to do: to wait without end. Each step has a time; when nobody answers, what is asked next is refused
//! at once for a moment, so that a queue of requests does not wait one by one.
//!
//! Known limits: which of two servers accepted first is told by their clocks. Results of other servers count against
//! `--retencion-espacio` from the next sweep on. Where somebody's own documents repeat a name in a folder, or an index
//! of his allows that, none of ours can be had, and two servers at once may add a name twice.
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::lease::Lease;
use self::link::MongoLink;
use self::refusal::MongoRefusal;
use self::writer::MongoWriter;
use super::{Backend, Reader, Retention, StoreError, StoreRead, StoreReply};

mod accept;
mod bank;
mod chunks;
mod end;
mod error;
mod heartbeat;
mod kept;
mod lease;
mod link;
mod queue;
mod refusal;
mod retention;
mod status;
mod writer;

pub use refusal::MongoOpenError;

/// A server that has shown no sign of life for so long is dead.
pub const LEASE: Duration = Duration::from_secs(15);

/// Opens the store of all servers whose `-a` is this URI. What is theirs stays theirs while they live.
///
/// # Errors
/// Nobody answers there within some seconds, or says no; the error says who and why, and no password.
pub fn open(uri: &str, retention: Retention, at: SystemTime) -> Result<Backend, MongoOpenError> {
    let names = Names { tasks: "Tp2", bank: "BancoImagenes" };
    open_as(uri, names, Lease { lease: LEASE, beat: lease::BEAT }, retention, at)
}

/// The databases.
#[derive(Clone, Copy, Debug)]
struct Names<'a> {
    tasks: &'a str,
    bank: &'a str,
}

fn open_as(
    uri: &str,
    names: Names<'_>,
    lease: Lease,
    retention: Retention,
    at: SystemTime,
) -> Result<Backend, MongoOpenError> {
    let link = MongoLink::open(uri, names).map_err(|reason| reason.of(uri))?;
    let link = Arc::new(link);
    let writer = MongoWriter::open(Arc::clone(&link), lease, retention, at);
    let writer = writer.map_err(|trouble| MongoRefusal::from(trouble).of(uri))?;
    Ok((Box::new(writer), Box::new(MongoReader { link })))
}

struct MongoReader {
    link: Arc<MongoLink>,
}

impl Reader for MongoReader {
    fn read(&mut self, read: StoreRead) -> Result<StoreReply, StoreError> {
        let (tables, images) = (&self.link.tables, &self.link.bank);
        self.link.run(async {
            Ok(match read {
                StoreRead::Status(id) => StoreReply::Status(status::status(tables, id).await?),
                StoreRead::Ended(ids) => StoreReply::Ended(status::ended(tables, &ids).await?),
                StoreRead::Counts => StoreReply::Counts(status::counts(tables).await?),
                StoreRead::File { id, range, reservation } => {
                    StoreReply::File(status::file(tables, id, range, reservation).await?)
                }
                StoreRead::Missing { folder, names } => {
                    StoreReply::Names(bank::missing(images, &folder, names).await?)
                }
                StoreRead::Folders => StoreReply::Folders(bank::folders(images).await?),
                StoreRead::Names { folder, from, max } => {
                    StoreReply::Page(bank::names(images, &folder, from, max).await?)
                }
                StoreRead::Face { folder, name } => {
                    StoreReply::Faces(bank::face(images, &folder, &name).await?)
                }
                StoreRead::Faces { folder, after, max } => {
                    StoreReply::Faces(bank::faces(images, &folder, after, max).await?)
                }
            })
        })
    }
}

#[cfg(test)]
mod tests;
