//! The store in one SQLite file: a writer and a reader, each with a connection of its own.
//!
//! Rules: WAL and `synchronous = FULL`, so that what is answered survives the machine's power; a [`Lock`]
//! on the file, so that two servers never work on the same tasks (SQLite's own exclusive mode would lock people with
//! `sqlite3` out). The file is its owner's alone, 0600, and SQLite makes those beside it likewise. Every batch is one transaction, every request
//! of it a savepoint: what SQLite refuses undoes that request, and what the disk refuses undoes the batch, whose
//! requests are then tried one by one.
//!
//! What it refuses to do: to work on a file of another program or of a later version; to trust what it reads (a value out of
//! its range is [`StoreError::Broken`], no panic).
//!
//! Known limits: a picture has at most 1,000,000,000 bytes, SQLite's own bound. A write that failed because of the device can't be told from one over a quota, and
//! is [`StoreError::Full`].
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
mod tasks;
mod trouble;
mod writer;

pub use refusal::SqliteOpenError;

/// How long to wait for people who work on the file with programs of their own.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the store in the file `path`, which is made if it is not there; tasks that a crash left in work wait again.
///
/// # Errors
/// Another server has it, or it is no file for us; the error says which file and why.
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
    // Each commit waits for the disk: what was answered survives the machine.
    ("synchronous", "FULL"),
    ("foreign_keys", "ON"),
    // What savepoints need is small, and is nobody else's.
    ("temp_store", "MEMORY"),
    // After a large picture the log is cut down to this.
    ("journal_size_limit", "67108864"),
];

fn connect(path: &Path, access: OpenFlags) -> rusqlite::Result<Connection> {
    // Without SQLITE_OPEN_URI a path is a path, whatever it looks like; each connection is used by one thread.
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(PATIENCE)?;
    conn.set_prepared_statement_cache_capacity(64);
    // The schema may be another's work: it calls no function that could do harm.
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
        // Several statements look at one state of the file.
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
