//! The store in one SQLite file: a writer and a reader, each with its own connection.
//!
//! Rules:
//! - WAL and `synchronous = FULL`: what was answered survives a power failure.
//! - A [`Lock`] on the file: two servers never work on the same tasks (SQLite's own exclusive mode would lock out
//!   people with `sqlite3`).
//! - The file has mode 0600, and SQLite gives those beside it the same.
//! - Every batch is one transaction, every request in it a savepoint. An error of SQLite undoes that request; an
//!   error of the disk undoes the batch, whose requests are then tried one by one.
//!
//! What it refuses to do: to work on a file of another program or of a later version; to trust what it reads (a value
//! out of its range, or a picture that is not what its checksum was made of, is [`StoreError::Damaged`], no panic).
//!
//! Known limits: a picture has at most 1,000,000,000 bytes, SQLite's own bound. A device error on a write can't be
//! told from an exceeded quota, and is [`StoreError::Full`].
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use self::lock::Lock;
use self::refusal::SqliteRefusal;
use self::writer::SqliteWriter;
use super::{Backend, Reader, Retention, StoreError, StoreRead, StoreReply};

mod bank;
mod blob;
mod kept;
mod lock;
mod refusal;
mod retention;
mod schema;
mod status;
mod sums;
mod tasks;
mod trouble;
mod writer;

pub use refusal::SqliteOpenError;

/// How long to wait for other programs that have the file locked.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the store in the file `path`, which is created if it does not exist; tasks that a crash left in work wait
/// again.
///
/// # Errors
/// Another server has it, or it is no valid store; the error says which file and why.
pub fn open(path: &Path, retention: Retention, at: SystemTime) -> Result<Backend, SqliteOpenError> {
    let (writer, reader) = open_both(path, retention, at).map_err(|reason| reason.of(path))?;
    Ok((Box::new(writer), Box::new(reader)))
}

fn open_both(
    path: &Path,
    retention: Retention,
    at: SystemTime,
) -> Result<(SqliteWriter, SqliteReader), SqliteRefusal> {
    let mut lock = Lock::take(path)?;
    let mut conn = connect(&lock.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    schema::migrate(&mut conn)?;
    lock.take_place()?;
    for (pragma, value) in WRITER_PRAGMAS {
        conn.pragma_update(None, pragma, value)?;
    }
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tasks::recover(&transaction, at)?;
    transaction.commit()?;
    let conn_to_read = connect(&lock.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let lock = Arc::new(lock);
    let reader = SqliteReader { conn: conn_to_read, _lock: Arc::clone(&lock) };
    Ok((SqliteWriter::new(conn, retention, lock), reader))
}

const WRITER_PRAGMAS: [(&str, &str); 4] = [
    // Each commit waits for the disk: what was answered survives a power failure.
    ("synchronous", "FULL"),
    ("foreign_keys", "ON"),
    // Savepoints need little, and other programs must not read it.
    ("temp_store", "MEMORY"),
    // After a large picture the log is truncated to this.
    ("journal_size_limit", "67108864"),
];

fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    // Without SQLITE_OPEN_URI every path is a plain path; each connection is used by one thread.
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(PATIENCE)?;
    conn.set_prepared_statement_cache_capacity(64);
    // The schema may be foreign: it must not call functions with side effects.
    conn.pragma_update(None, "trusted_schema", "OFF")?;
    Ok(conn)
}

struct SqliteReader {
    /// Dropped, and so closed, before the lock.
    conn: Connection,
    _lock: Arc<Lock>,
}

impl Reader for SqliteReader {
    fn read(&mut self, read: StoreRead) -> Result<StoreReply, StoreError> {
        // Several statements read one snapshot.
        let conn = self.conn.transaction()?;
        match read {
            StoreRead::Status(id) | StoreRead::Watch(id) => status::status(&conn, id).map(StoreReply::Status),
            StoreRead::Ended(ids) => status::ended(&conn, ids).map(StoreReply::Ended),
            StoreRead::Counts => status::counts(&conn).map(StoreReply::Counts),
            StoreRead::Sizes => status::sizes(&conn).map(StoreReply::Sizes),
            StoreRead::File { id, range, reservation } => {
                status::file(&conn, id, range, reservation).map(StoreReply::File)
            }
            StoreRead::Missing { folder, names } => {
                bank::missing(&conn, &folder, names).map(StoreReply::Names)
            }
            StoreRead::Folders { from, max } => {
                bank::folders(&conn, from.as_deref(), max).map(StoreReply::Folders)
            }
            StoreRead::Names { folder, from, max } => {
                bank::names(&conn, &folder, from.as_deref(), max).map(StoreReply::Page)
            }
            StoreRead::Face { folder, name } => bank::face(&conn, &folder, &name).map(StoreReply::Faces),
            StoreRead::Faces { folder, after, max } => {
                bank::faces(&conn, &folder, after.as_deref(), max).map(StoreReply::Faces)
            }
        }
    }
}

#[cfg(test)]
mod tests;
