//! The folder of links: stores results permanently and reads them. Runs on the workers.
//!
//! Rules:
//! - A name is used once. A file is written under a hidden name, synced to disk, and then published in one step that
//!   replaces nothing. So a name never has half a picture, whichever process is killed when, and two servers may
//!   share the folder. A link that was answered is on disk, and so is its name.
//! - Before its first write a server removes the hidden files that killed servers have left. Their locks tell which
//!   those are (flock(2)): the kernel releases a lock when its owner dies.
//! - Names are `scaled_image_<seconds since 1970>.jpg`, and in the same second `…_1.jpg`, `…_2.jpg` and so on. Within
//!   the process a counter gives each number once. If another process has taken a name, the distance to the next try
//!   doubles, so a free name among n is found in about log n steps. Numbers may be skipped.
//! - The folder is opened by its name below the working directory each time. It is created with the first link, and
//!   again if it was removed; it may be a symbolic link. Files in it are opened with [`open_beneath`].
//! - All links together take at most so many bytes ([`Links::new`]). The first store or [`Links::measure`] sums them
//!   up; from then on they are counted. When they seem too many they are summed up again, since files may have been
//!   removed: at once if the folder shows that another process has added or removed a name, else once in
//!   [`MEASURE_TIME`].
//!
//! Known limits: links are never removed here. A range or a whole file is in memory while it is sent. On a file
//! system without locks, hidden files that were left stay.
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use scaler::sys::{open_beneath, rename_new};
use scaler::words::InWords;
use uuid::Uuid;

use super::{SNIFFED, read, refusal, version};
use crate::http::conditional::{Selection, Whole};
use crate::http::format::{Format, Sniff};
use crate::model::admission::{Full, Reservation};
use crate::model::error::WorkError;
use crate::model::job::Output;
use crate::model::links::{FilePart, LinkRequest};
use crate::model::links_folder::FOLDER;

/// Prefix of the hidden names of files being written.
const ASIDE: &str = ".tp2-";
/// Distances between tries double: so many reach every number there is.
const TRIES: u32 = 40;
/// How often a file is written again after another process removed it as left over.
const WRITES: u32 = 4;

/// The links are summed up again no sooner than this.
const MEASURE_TIME: Duration = Duration::from_secs(1);

/// The folder.
#[derive(Debug)]
pub struct Links {
    path: PathBuf,
    space_max: u64,
    space: Mutex<Space>,
    numbers: Mutex<Numbers>,
    /// The sweep has been done, or is running.
    swept: AtomicBool,
}

#[derive(Debug, Default)]
struct Space {
    /// Bytes; None before they were summed up.
    held: Option<u64>,
    measured_at: Option<Instant>,
    /// When names were last added or removed, as far as it is known that `held` takes account of them.
    named_at: Option<SystemTime>,
}

#[derive(Debug, Default)]
struct Numbers {
    second: u64,
    next: u64,
}

impl Links {
    /// The folder [`FOLDER`], which may not exist yet, for links of `space_max` bytes.
    #[must_use]
    pub fn new(space_max: u64) -> Self {
        Self::at(FOLDER.into(), space_max)
    }

    /// The same at this path.
    #[must_use]
    pub fn at(path: PathBuf, space_max: u64) -> Self {
        let (space, numbers) = (Mutex::default(), Mutex::default());
        Self { path, space_max, space, numbers, swept: AtomicBool::new(false) }
    }

    /// Bytes that the links take, once known, and their limit.
    #[must_use]
    pub fn space(&self) -> (Option<u64>, u64) {
        (self.space_of().held, self.space_max)
    }

    /// Sums up what the links take, unless that was done.
    pub fn measure(&self) {
        let mut space = self.space_of();
        if space.held.is_none() {
            self.add_up(&mut space);
        }
    }

    fn space_of(&self) -> MutexGuard<'_, Space> {
        self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_up(&self, space: &mut Space) {
        space.named_at = self.named_at();
        let entries = self.path.read_dir().into_iter().flatten().flatten();
        let lengths = entries.filter_map(|entry| entry.metadata().ok()).filter(Metadata::is_file);
        space.held = Some(lengths.map(|file| file.len()).sum());
        space.measured_at = Some(Instant::now());
    }

    /// When a name in the folder was last added or removed.
    fn named_at(&self) -> Option<SystemTime> {
        self.path.metadata().and_then(|folder| folder.modified()).ok()
    }

    fn take_space(&self, length: u64) -> Result<(), WorkError> {
        let mut space = self.space_of();
        let is_old = space.measured_at.is_none_or(|at| at.elapsed() >= MEASURE_TIME);
        let may_measure = || is_old || space.named_at != self.named_at();
        let fits = |held: Option<u64>| held.is_some_and(|held| held.saturating_add(length) <= self.space_max);
        if space.held.is_none() || !fits(space.held) && may_measure() {
            self.add_up(&mut space);
        }
        let held = space.held.unwrap_or(0).saturating_add(length);
        if held > self.space_max {
            return Err(WorkError::LinksFull { max: self.space_max, held });
        }
        space.held = Some(held);
        Ok(())
    }

    /// Stores a JPEG permanently; returns its name.
    ///
    /// # Errors
    /// [`WorkError::FolderFull`], [`WorkError::LinksFull`], [`WorkError::FolderUnusable`]: nothing was stored then.
    pub fn keep(&self, file: &[u8], now: SystemTime) -> Result<String, WorkError> {
        let length = file.len() as u64;
        self.take_space(length)?;
        let kept = self.keep_counted(file, now);
        let mut space = self.space_of();
        match kept {
            Ok(_) => space.named_at = self.named_at(),
            Err(_) => space.held = space.held.map(|held| held.saturating_sub(length)),
        }
        kept
    }

    fn keep_counted(&self, file: &[u8], now: SystemTime) -> Result<String, WorkError> {
        if !self.swept.swap(true, Ordering::Relaxed) {
            self.sweep();
        }
        let mut result = self.store(file, now);
        for _ in 1..WRITES {
            match &result {
                // The folder was removed meanwhile, or the file before it was locked.
                Err(error) if error.kind() == io::ErrorKind::NotFound => result = self.store(file, now),
                _ => break,
            }
        }
        result.map_err(|error| failure(&error))
    }

    fn store(&self, file: &[u8], now: SystemTime) -> io::Result<String> {
        self.create()?;
        let folder = self.open()?;
        let aside = Aside::write(&self.path, file)?;
        let name = self.publish(&aside, now)?;
        if let Err(error) = sync(&folder) {
            // The name was not returned to the client.
            let _ = fs::remove_file(self.path.join(name));
            return Err(error);
        }
        Ok(name)
    }

    fn create(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o755).create(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
            Ok(()) => sync(&File::open(self.path.join(".."))?),
        }
    }

    /// Opens the folder, and nothing else that may stand there: a FIFO would wait for its writer.
    fn open(&self) -> io::Result<File> {
        File::open(self.path.join("."))
    }

    /// Gives the hidden file a free name.
    fn publish(&self, aside: &Aside, now: SystemTime) -> io::Result<String> {
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut distance = 0;
        for _ in 0..TRIES {
            let name = name(second, self.number(second, distance));
            match rename_new(&aside.path, &self.path.join(&name)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => distance = 2 * distance + 1,
                result => return result.map(|()| name),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// A number for this second that this process has not used, after skipping so many.
    fn number(&self, second: u64, left_out: u64) -> u64 {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if numbers.second != second {
            *numbers = Numbers { second, next: 0 };
        }
        let number = numbers.next.saturating_add(left_out);
        numbers.next = number.saturating_add(1);
        number
    }

    /// Removes hidden files that killed servers have left. Errors are ignored.
    fn sweep(&self) {
        let (Ok(folder), Ok(entries)) = (self.open(), self.path.read_dir()) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_aside = name.as_encoded_bytes().starts_with(ASIDE.as_bytes());
            // Only regular files are ever left: anything else with such a name is foreign.
            if is_aside
                && entry.file_type().is_ok_and(|kind| kind.is_file())
                && let Ok(file) = open_beneath(folder.as_fd(), name.as_encoded_bytes())
                && file.try_lock().is_ok()
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Opens a file and reads the wanted part; `reservation` is charged for those bytes.
    ///
    /// # Errors
    /// There is no such file, it can't be read, or there is no room for it.
    pub fn fetch(
        &self,
        link_request: &LinkRequest,
        reservation: &mut Reservation,
    ) -> Result<Output, WorkError> {
        let folder = self.open().map_err(|error| match error.kind() {
            io::ErrorKind::NotADirectory => WorkError::NoFile,
            _ => refusal(&error),
        })?;
        let mut file = open_beneath(folder.as_fd(), &link_request.name).map_err(|error| refusal(&error))?;
        let version = version(&file)?;
        let whole = Whole { length: version.length, etag: &version.etag(), modified: version.modified };
        let selection = link_request.conditions.select(&whole);
        let mut first = Vec::new();
        read(&file, SNIFFED, &mut first)?;
        let media_type = match Format::sniff(&first) {
            Sniff::Picture(format) => format.media_type(),
            Sniff::Unknown | Sniff::NeedMore => "application/octet-stream",
        };
        let range = match &selection {
            _ if link_request.head_only => 0..0,
            Selection::Whole => 0..version.length,
            Selection::Part(part) => part.clone(),
            Selection::NotModified | Selection::Failed | Selection::Unsatisfiable => 0..0,
        };
        let length = range.end - range.start;
        let mut body = Vec::new();
        if length > 0 {
            reservation.charge(length).map_err(|Full| WorkError::MemoryFull { length })?;
            let room = usize::try_from(length).map_err(|_| WorkError::MemoryFull { length })?;
            body.try_reserve_exact(room).map_err(|_| WorkError::MemoryFull { length })?;
            file.seek(SeekFrom::Start(range.start)).map_err(|error| refusal(&error))?;
            read(&file, length, &mut body)?;
            // Another process writes to the file: a strong tag needs bytes that were there together.
            if body.len() as u64 != length || self::version(&file)? != version {
                return Err(WorkError::Changing);
            }
        }
        let body = Bytes::from(body);
        Ok(Output::Excerpt(Box::new(FilePart { selection, version, media_type, body, held: None })))
    }
}

/// Syncs a directory to disk. Errors of file systems without this operation (EINVAL, ENOTSUP) are ignored.
fn sync(directory: &File) -> io::Result<()> {
    match directory.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        result => result,
    }
}

fn failure(error: &io::Error) -> WorkError {
    let reason = InWords(error).to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WorkError::FolderFull(reason),
        io::ErrorKind::NotADirectory => WorkError::FolderUnusable("no es un directorio".into()),
        _ => WorkError::FolderUnusable(reason),
    }
}

fn name(second: u64, number: u64) -> String {
    match number {
        0 => format!("scaled_image_{second}.jpg"),
        number => format!("scaled_image_{second}_{number}.jpg"),
    }
}

/// A file under a hidden name, which is removed on drop.
struct Aside {
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

impl Aside {
    /// Writes a file and syncs it to disk.
    fn write(folder: &Path, bytes: &[u8]) -> io::Result<Self> {
        let path = folder.join(format!("{ASIDE}{}", Uuid::new_v4().simple()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let mut aside = Self { path, file };
        match aside.file.try_lock() {
            // A sweeping server was faster, and is about to remove the file.
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::NotFound.into()),
            // On a file system without locks no server sweeps.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        aside.file.write_all(bytes)?;
        aside.file.sync_all()?;
        Ok(aside)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Usually the file was renamed by now, and nothing is left here.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests;
