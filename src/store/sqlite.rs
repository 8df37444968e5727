//! The store in one SQLite file: a writer and a reader, each with a connection of its own.
//!
//! Rules: WAL and `synchronous = FULL`, so that what is answered survives the machine's power; a lock on a file beside it,
//! so that two servers never work on the same tasks (SQLite's own exclusive mode would lock people with `sqlite3` out). The
//! file is its owner's alone, 0600, and SQLite makes those beside it likewise. Every batch is one transaction, every request
//! of it a savepoint: what SQLite refuses undoes that request, and what the disk refuses undoes the batch, whose
//! requests are then tried one by one.
//!
//! What it refuses to do: to work on a file of another program or of a later version; to trust what it reads (a value out of
//! its range is [`Trouble::Broken`], no panic).
//!
//! Known limits: a picture has at most 1,000,000,000 bytes, SQLite's own bound. The lock is flock(2)'s, which some network
//! file systems keep to one machine. A write that failed because of the device can't be told from one over a quota, and
//! is [`Trouble::Full`].
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use self::refusal::Reason;
use self::writer::SqliteWriter;
use super::{Backend, Read, Reader, Retention, Told, Trouble};

mod bank;
mod blob;
mod kept;
mod refusal;
mod retention;
mod schema;
mod status;
mod tasks;
mod trouble;
mod writer;

pub use refusal::OpenError;

/// How long to wait for people who work on the file with programs of their own.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens the store in the file `path`, which is made if it is not there; tasks that a crash left in work wait again.
///
/// # Errors
/// Another server has it, or it is no file for us; the error says which file and why.
pub fn open(path: &Path, retention: Retention, at: SystemTime) -> Result<Backend, OpenError> {
    let (writer, reader) = open_both(path, retention, at).map_err(|reason| reason.of(path))?;
    Ok((Box::new(writer), Box::new(reader)))
}

fn open_both(
    path: &Path,
    retention: Retention,
    at: SystemTime,
) -> Result<(SqliteWriter, SqliteReader), Reason> {
    let path = place(path)?;
    let lock = lock(&path)?;
    // SQLite would make it for everybody to read. To close it undoes no lock of SQLite's: nobody else has it open.
    private(OpenOptions::new().write(true).create(true)).open(&path).map_err(Reason::File)?;
    let mut conn = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    schema::migrate(&mut conn)?;
    for (pragma, value) in WRITER_PRAGMAS {
        conn.pragma_update(None, pragma, value)?;
    }
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tasks::recover(&transaction, at)?;
    transaction.commit()?;
    let reader = SqliteReader { conn: connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)? };
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

/// The file that a path means, whatever links lead to it, so that every server looks for the same lock.
fn place(path: &Path) -> Result<PathBuf, Reason> {
    if let Ok(file) = path.canonicalize() {
        return if file.is_file() { Ok(file) } else { Err(Reason::NoFile) };
    }
    let name = path.file_name().ok_or(Reason::NoFile)?;
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let there = directory.canonicalize().map_err(|error| Reason::Directory(directory.to_owned(), error))?;
    Ok(there.join(name))
}

/// Locks the file beside this one, which stays there: who deletes a lock may delete another's.
fn lock(path: &Path) -> Result<File, Reason> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let wrong = |error| Reason::Lock(lock.clone(), error);
    let file = private(OpenOptions::new().write(true).create(true)).open(&lock).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Reason::InUse),
        Err(TryLockError::Error(error)) => Err(wrong(error)),
    }
}

/// For the owner alone, if it is made.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600).truncate(false)
}

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
    conn: Connection,
}

impl Reader for SqliteReader {
    fn read(&mut self, read: Read) -> Result<Told, Trouble> {
        // Several statements look at one state of the file.
        let conn = self.conn.transaction()?;
        match read {
            Read::Status(id) => status::status(&conn, id).map(Told::Status),
            Read::Counts => status::counts(&conn).map(Told::Counts),
            Read::File { id, range, lease } => status::file(&conn, id, range, lease).map(Told::File),
            Read::Missing { folder, names } => bank::missing(&conn, &folder, names).map(Told::Names),
            Read::Folders => bank::folders(&conn).map(Told::Folders),
            Read::Names { folder, from, max } => {
                bank::names(&conn, &folder, from.as_deref(), max).map(Told::Page)
            }
            Read::Face { folder, name } => bank::face(&conn, &folder, &name).map(Told::Faces),
            Read::Faces { folder, after, max } => {
                bank::faces(&conn, &folder, after.as_deref(), max).map(Told::Faces)
            }
        }
    }
}

#[cfg(test)]
mod tests;
