//! The files of `-d`, and the folder of [`links`]: only this module reads or writes files for clients. It runs on the
//! workers, except [`Library::try_cached`].
//!
//! Rules: nothing outside the directory is opened, and only regular files are read. The kernel checks the first
//! ([`open_beneath`]) and the open file tells the second, so nothing changes between check and open. A 304, and a
//! result that is [kept](Cache), cost a look at the first bytes; only a file to be decoded is read whole, and it is
//! charged to the run's reservation before memory is allocated. The format is what the bytes say, never the name.
//!
//! The loop must not wait for a disk, but for a kept result a worker is a detour. So the loop looks first: it gets the
//! file's state only if the kernel has it in its cache ([`glance_beneath`]), on a file system whose state the kernel
//! knows by itself ([`is_local`]). A result kept for this state is sent at once; in all other cases a worker looks.
//!
//! It refuses to list directories, to follow links, and to tell the client why a file may not be read.
//!
//! A worker's next look notices that the directory was replaced.
//!
//! Known limits: opening has side effects on some devices, and for the writer of a FIFO. Several first requests at once
//! for one picture each have it made. A file system that hangs keeps a worker. On network and user-space file systems,
//! and behind a mount below the directory, the loop finds nothing.
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use cache::Cache;
use scaler::sys::{glance_beneath, is_local, open_beneath};

use crate::http::format::Format;
use crate::model::admission::{Full, Reservation};
use crate::model::error::WorkError;
use crate::model::file::{FileRequest, FileVersion, Variant};
use crate::model::image::PixelLimits;
use crate::model::job::{Brief, Output, Product};
use crate::model::server_state::Limits;
use crate::pixels;

mod cache;
pub mod links;

/// How many first bytes identify every format.
const SNIFFED: u64 = 18;

/// A directory of pictures, and what was made of them lately.
#[derive(Debug)]
pub struct Library {
    /// The directory opened last; replaced when another stands at its path.
    directory: RwLock<Arc<File>>,
    path: PathBuf,
    /// The kernel knows the state of its files by itself.
    is_local: bool,
    /// Longest file, in bytes: `--max-cuerpo`.
    length_max: u64,
    limits: PixelLimits,
    cache: Cache,
}

impl Library {
    /// The pictures below `directory`; results are kept in `cache_bytes` of memory.
    ///
    /// # Errors
    /// It can't be read, or is no directory.
    pub fn open(directory: &Path, limits: &Limits, cache_bytes: u64) -> io::Result<Self> {
        // Also checks that it can be listed, which an operator expects.
        std::fs::read_dir(directory)?;
        let (path, directory) = (std::path::absolute(directory)?, File::open(directory)?);
        Ok(Self {
            // If that is unknown, it is not relied on.
            is_local: is_local(directory.as_fd()).unwrap_or(false),
            directory: RwLock::new(Arc::new(directory)),
            path,
            length_max: limits.body_max,
            limits: limits.pixels,
            cache: Cache::new(cache_bytes),
        })
    }

    /// The answer of [`Library::fetch`] if it is a 304 or a kept result and is known without waiting.
    #[must_use]
    pub fn try_cached(&self, file_request: &FileRequest) -> Option<Output> {
        if !self.is_local {
            return None;
        }
        let directory = self.known();
        let file = glance_beneath(directory.as_fd(), &file_request.path).ok()?;
        let version = version(&file).ok()?;
        let transform = file_request.requested.transform(self.cache.format_now(&version)?)?;
        let variant = Variant { version, transform };
        if file_request.conditions.not_modified(&variant.etag(), version.modified) {
            return Some(Output::NotModified(variant));
        }
        self.cache.find_now(&variant).map(Output::Picture)
    }

    /// Looks at a file, and reads it if its picture has to be made; `reservation` is charged for its bytes then.
    ///
    /// # Errors
    /// There is no such file, it is no supported picture, or there is no memory for it.
    pub fn fetch(
        &self,
        file_request: &FileRequest,
        reservation: &mut Reservation,
    ) -> Result<Output, WorkError> {
        let directory = self.current();
        let file = open_beneath(directory.as_fd(), &file_request.path).map_err(|error| refusal(&error))?;
        let version = version(&file)?;
        let length = version.length;
        if length > self.length_max {
            return Err(WorkError::FileTooLong { length });
        }
        let mut picture = Vec::new();
        read(&file, SNIFFED, &mut picture)?;
        let Some(format) = Format::of_file(&picture) else { return Err(WorkError::NotAPicture) };
        if self.is_local && self::version(&file)? == version {
            self.cache.note(version, format);
        }
        let transform = file_request.requested.transform(format).ok_or(WorkError::NotAcceptable)?;
        let variant = Variant { version, transform };
        if file_request.conditions.not_modified(&variant.etag(), version.modified) {
            return Ok(Output::NotModified(variant));
        }
        if let Some(kept) = self.cache.find(&variant) {
            return Ok(Output::Picture(kept));
        }
        reservation.charge(length).map_err(|Full| WorkError::MemoryFull { length })?;
        read_rest(&file, &version, &mut picture)?;
        let brief = Brief { transform, version: Some(version), product: Product::File };
        let loaded = pixels::appraise(picture, brief, &self.limits, reservation.bytes_max())?;
        Ok(Output::Loaded(Box::new(loaded)))
    }

    /// The directory as it was seen last.
    fn known(&self) -> Arc<File> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The directory that stands at the path now; the last one if there is none.
    fn current(&self) -> Arc<File> {
        let known = self.known();
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let (there, ours) = (std::fs::metadata(&self.path).map(identity), known.metadata().map(identity));
        match (there, ours) {
            (Ok(there), Ok(ours)) if there != ours => match File::open(&self.path) {
                Ok(other) => {
                    let other = Arc::new(other);
                    *self.directory.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&other);
                    other
                }
                Err(_) => known,
            },
            _ => known,
        }
    }

    /// A result, kept if there is room; `size` is its columns and rows.
    #[must_use]
    pub fn keep(&self, variant: Variant, file: Vec<u8>, size: (u32, u32)) -> Output {
        // Without the encoder's spare capacity.
        let file = Bytes::from(file.into_boxed_slice());
        match self.cache.keep(variant, &file, size) {
            Some(picture) => Output::Picture(picture),
            None => Output::File(file),
        }
    }
}

/// The state of a regular file; nothing else is a file here.
fn version(file: &File) -> Result<FileVersion, WorkError> {
    let metadata = file.metadata().map_err(|error| refusal(&error))?;
    if !metadata.is_file() {
        return Err(WorkError::NoFile);
    }
    Ok(FileVersion {
        device: metadata.dev(),
        inode: metadata.ino(),
        length: metadata.len(),
        modified: metadata.modified().map_err(|error| refusal(&error))?,
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// Reads on to the end of a file in this state.
fn read_rest(file: &File, version: &FileVersion, picture: &mut Vec<u8>) -> Result<(), WorkError> {
    let length = version.length;
    let rest = length.saturating_sub(picture.len() as u64);
    let room = usize::try_from(rest).map_err(|_| WorkError::FileTooLong { length })?;
    picture.try_reserve_exact(room).map_err(|_| WorkError::MemoryFull { length })?;
    read(file, rest, picture)?;
    // A strong tag stands for bytes that existed together.
    if picture.len() as u64 == length && self::version(file)? == *version {
        Ok(())
    } else {
        Err(WorkError::Changing)
    }
}

/// Appends the next `length` bytes, or all that are left.
fn read(file: &File, length: u64, into: &mut Vec<u8>) -> Result<(), WorkError> {
    file.take(length).read_to_end(into).map(drop).map_err(|error| refusal(&error))
}

fn refusal(error: &io::Error) -> WorkError {
    match error.kind() {
        io::ErrorKind::NotFound => WorkError::NoFile,
        io::ErrorKind::PermissionDenied => WorkError::NoPermission,
        _ => WorkError::Unreadable(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
