//! One server for one file: the lock on the file itself, whatever name it was found under, and on one beside it.
//!
//! Rules: the file is locked as such (flock(2)), so that neither links nor a second name hide who has it. `<file>.lock`
//! stands for the place: while it is locked nobody begins a new file there, beside the log of one that was removed. It
//! is made only once the file is known to be ours, and stays: who deletes a lock may delete another's.
//!
//! To close a file undoes the locks that SQLite has on it (fcntl(2)): what is opened here stays open for as long as any
//! connection does. Known limits: a process that opens a store twice is refused the second time, and undoes those of its
//! first. Network file systems that make of flock(2) what SQLite's locks are made of are no place for a store.
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::refusal::SqliteRefusal;

/// That the store is ours; until this is dropped.
pub(super) struct Lock {
    /// The name of the file that was locked, without links.
    pub(super) path: PathBuf,
    _file: File,
    place: Option<File>,
}

impl Lock {
    /// Takes the file that a path means, which is made if it is not there.
    pub(super) fn take(path: &Path) -> Result<Self, SqliteRefusal> {
        examine(path)?;
        // SQLite would make it for everybody to read.
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

    /// Takes the place as well, now that the file is known to be a store.
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

/// Whether there is a file, or could be one. To open a FIFO would be to wait for its reader.
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

/// For writing; for the owner alone, if it is made.
fn for_owner() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).truncate(false).mode(0o600);
    options
}
