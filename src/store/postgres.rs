//! The store in PostgreSQL, for several servers at once: each answers for any task, and takes over the tasks of dead
//! servers.
//!
//! Rules:
//! - Accepting, claiming and ending a task are one statement each, and a writer's batch is one transaction, sent at
//!   once.
//! - A task's row in the queue names the server that has it in work. `FOR UPDATE SKIP LOCKED` gives each claim
//!   different rows.
//! - Every time comes from the database's clock, and the order from a sequence: no server's clock decides anything.
//! - Counts and sums are kept in tables, and updated in the same statement as what they count.
//! - A server shows every [`BEAT`] that it lives; [`heartbeat`] says when it is dead.
//! - A server that waits for work, or for the end of a task, is notified; polling every second and a half is the fallback.
//!
//! What it refuses to do: to wait without end. Each step has a time limit; when the database does not answer, further
//! requests are refused at once for a moment. To work where `fsync` or `synchronous_commit` is off.
//!
//! Known limits: nothing here needs an extension, but engines other than PostgreSQL were not tried. Statements are
//! prepared, which a transaction-pooling proxy has to support. A head of the queue on a damaged page stops the claims
//! until it is repaired.
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use self::error::PgError;
use self::link::{PgLink, Session};
use self::refusal::PgRefusal;
use self::writer::PgWriter;
use super::{Backend, Reader, Retention, StoreError, StoreRead, StoreReply};

mod bank;
mod batch;
mod error;
mod heartbeat;
mod link;
mod refusal;
mod retention;
mod schema;
mod status;
mod tasks;
mod tls;
mod uri;
mod writer;

pub use refusal::PgOpenError;

/// A server that has shown no sign of life for so long is dead.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often a server shows that it lives, and checks the others.
const BEAT: Duration = Duration::from_secs(5);
/// Bytes per row of a file.
const PIECE_SIZE: usize = 1 << 20;
const PIECE: u64 = PIECE_SIZE as u64;
/// Rows of `tp2_ledger`.
const SLOTS: u128 = 16;

/// Opens the store of all servers whose `-a` is this URI. Tasks that live servers have in work stay with them.
///
/// # Errors
/// The database does not answer within some seconds, or refuses; the error says which server and why, without a
/// password.
pub fn open(uri: &str, retention: Retention) -> Result<Backend, PgOpenError> {
    let (lease, at) = (Lease { lease: LEASE, beat: BEAT }, SystemTime::UNIX_EPOCH);
    open_as(uri, Server::new(false), lease, retention, at).map_err(|reason| reason.of(uri))
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    /// A server not seen for so long is dead.
    lease: Duration,
    beat: Duration,
}

/// This server, as the others see it.
#[derive(Debug)]
struct Server {
    id: Uuid,
    /// Its row of `tp2_ledger`.
    slot: i32,
    /// In tests: times come with the request instead of the database's clock.
    is_told_time: bool,
}

impl Server {
    fn new(is_told_time: bool) -> Self {
        let id = Uuid::new_v4();
        Self { id, slot: i32::try_from(id.as_u128() % SLOTS).unwrap_or_default(), is_told_time }
    }

    /// The time parameter of a statement; None: the database's clock.
    fn time(&self, at: SystemTime) -> Option<SystemTime> {
        self.is_told_time.then_some(at)
    }
}

fn open_as(
    uri: &str,
    server: Server,
    lease: Lease,
    retention: Retention,
    at: SystemTime,
) -> Result<Backend, PgRefusal> {
    let link = Arc::new(PgLink::open(uri)?);
    let writer = PgWriter::open(&link, server, lease, retention, at)?;
    Ok((Box::new(writer), Box::new(PgReader { session: Session::new(link) })))
}

struct PgReader {
    session: Session,
}

impl Reader for PgReader {
    fn read(&mut self, read: StoreRead) -> Result<StoreReply, StoreError> {
        if let StoreRead::File { id, range, mut reservation } = read {
            let file = self
                .session
                .run(async |conn| status::file(conn, id, range.clone(), &mut reservation).await)?;
            return Ok(StoreReply::File(file.map(|file| (file, reservation))));
        }
        self.session.run(async |conn| look(conn, &read).await)
    }
}

async fn look(conn: &mut link::Conn, read: &StoreRead) -> Result<StoreReply, PgError> {
    Ok(match read {
        StoreRead::Status(id) => StoreReply::Status(status::status(conn, *id).await?),
        StoreRead::Watch(id) => StoreReply::Status(status::watch(conn, *id).await?),
        StoreRead::Ended(ids) => StoreReply::Ended(status::ended(conn, ids).await?),
        StoreRead::Counts => StoreReply::Counts(status::counts(conn).await?),
        // Summing them up would read all of them.
        StoreRead::Sizes => StoreReply::Sizes(super::StoreSizes::default()),
        StoreRead::Missing { folder, names } => StoreReply::Names(bank::missing(conn, folder, names).await?),
        StoreRead::Folders { from, max } => {
            StoreReply::Folders(bank::folders(conn, from.as_deref(), *max).await?)
        }
        StoreRead::Names { folder, from, max } => {
            StoreReply::Page(bank::names(conn, folder, from.as_deref(), *max).await?)
        }
        StoreRead::Face { folder, name } => StoreReply::Faces(bank::face(conn, folder, name).await?),
        StoreRead::Faces { folder, after, max } => {
            StoreReply::Faces(bank::faces(conn, folder, after.as_deref(), *max).await?)
        }
        // It holds a reservation, and is read separately.
        StoreRead::File { .. } => StoreReply::File(None),
    })
}

#[cfg(test)]
mod tests;
