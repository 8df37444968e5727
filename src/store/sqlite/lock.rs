//! Allows one server per file: a lock on the file itself, under any name, and on a second file beside it.
//!
//! Rules: the file itself is locked (flock(2)), so neither links nor a second name hide its owner. `<file>.lock`
//! stands for the path: while it is locked no server begins a new file there, beside the log of a removed one. It is
//! created only once the file is known to be a store, and stays: deleting a lock file could delete another server's
//! lock.
//!
//! Closing a file releases SQLite's locks on it (fcntl(2)): files opened here stay open as long as any connection.
//! Known limits: a process that opens a store twice is refused the second time, and releases the locks of its first.
//! Network file systems that implement flock(2) by fcntl(2) locks can't hold a store.
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::refusal::SqliteRefusal;

/// Proof that the store is ours, until dropped.
pub(super) struct Lock {
    /// The locked file's name, without links.
    pub(super) path: PathBuf,
    _file: File,
    place: Option<File>,
}

impl Lock {
    /// Locks the file of a path, which is created if it does not exist.
    pub(super) fn take(path: &Path) -> Result<Self, SqliteRefusal> {
        examine(path)?;
        // SQLite would create it readable for all users.
        let file = for_owner().create(true).open(path).map_err(SqliteRefusal::File)?;
        let path = path.canonicalize().map_err(SqliteRefusal::File)?;
        lock(&file, &path)?;
        let beside = beside(&path);
        let place = match for_owner().open(&beside) {
            Ok(place) => Some(place),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(SqliteRefusal::Lock(beside, error)),
        };
        if let Some(place) = &place {
            lock(place, &beside)?;
        }
        Ok(Self { path, _file: file, place })
    }

    /// Locks the path as well, once the file is known to be a store.
    pub(super) fn take_place(&mut self) -> Result<(), SqliteRefusal> {
        if self.place.is_none() {
            let beside = beside(&self.path);
            let place = for_owner().create(true).open(&beside);
            let place = place.map_err(|error| SqliteRefusal::Lock(beside.clone(), error))?;
            lock(&place, &beside)?;
            self.place = Some(place);
        }
        Ok(())
    }
}

/// Whether there is a file, or could be one. Opening a FIFO would wait for its reader.
fn examine(path: &Path) -> Result<(), SqliteRefusal> {
    if let Ok(found) = path.metadata() {
        return if found.is_file() { Ok(()) } else { Err(SqliteRefusal::NoFile) };
    }
    path.file_name().ok_or(SqliteRefusal::NoFile)?;
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    directory.metadata().map_err(|error| SqliteRefusal::Directory(directory.to_owned(), error))?;
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn lock(file: &File, path: &Path) -> Result<(), SqliteRefusal> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(SqliteRefusal::InUse),
        Err(TryLockError::Error(error)) => Err(SqliteRefusal::Lock(path.to_owned(), error)),
    }
}

/// For writing; mode 0600 if it is created.
fn for_owner() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).truncate(false).mode(0o600);
    options
}
