//! The result, on the disk: written aside and renamed, so a name holds the whole picture or what it held before.
//!
//! Rules: the file aside is gone when the writing has failed, and when the client is interrupted ([`Saver::abandon`]); a
//! link is followed to the file it names; a device or a pipe is written to, never replaced.
//!
//! Known limit: a client that is killed outright (SIGKILL) leaves the file aside, whose name begins with a dot.
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::failure::Failure;
use crate::http::format::{Format, Sniff};

/// Saves results; all clones know of the one that is being written.
#[derive(Clone, Debug, Default)]
pub struct Saver {
    /// The file aside, while there is one.
    aside: Arc<Mutex<Option<PathBuf>>>,
}

impl Saver {
    /// Saves `bytes` at `path`.
    ///
    /// # Errors
    /// [`Failure::Write`].
    pub fn save(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        // What does not exist yet is no link either.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let is_special = target.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir());
        let saved = if is_special {
            File::options().write(true).open(&target).and_then(|mut file| file.write_all(bytes))
        } else {
            self.replace(&target, bytes)
        };
        saved.map_err(|error| Failure::Write(path.to_owned(), error))
    }

    fn replace(&self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        let aside = target.with_file_name(format!(".tp2-cliente-{}.tmp", Uuid::new_v4().simple()));
        let mut file = {
            let mut writing = self.writing();
            let file = File::create_new(&aside)?;
            *writing = Some(aside.clone());
            file
        };
        let written = file.write_all(bytes);
        let mut writing = self.writing();
        let saved = written.and_then(|()| fs::rename(&aside, target));
        if saved.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&aside);
        }
        *writing = None;
        saved
    }

    /// Removes what is half written, and calls `end` before anything else can be begun.
    pub fn abandon(&self, end: impl FnOnce()) {
        let mut writing = self.writing();
        if let Some(aside) = writing.take() {
            let _ = fs::remove_file(aside);
        }
        end();
    }

    fn writing(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the result could be saved there at all, as far as can be told before there is one.
///
/// # Errors
/// [`Failure::Write`]: there is no such directory.
pub(super) fn check(output: Option<&Path>) -> Result<(), Failure> {
    let parent = output.and_then(Path::parent).filter(|parent| !parent.as_os_str().is_empty());
    match (output, parent.map(fs::metadata)) {
        (Some(output), Some(Err(error))) => Err(Failure::Write(output.to_owned(), error)),
        (Some(output), Some(Ok(found))) if !found.is_dir() => {
            Err(Failure::Write(output.to_owned(), io::ErrorKind::NotADirectory.into()))
        }
        _ => Ok(()),
    }
}

/// Where this picture goes: where the user said; in a directory, or if nothing was said, `imagen_procesada` with the
/// extension of what the picture really is.
#[must_use]
pub(super) fn destination(output: Option<&Path>, picture: &[u8]) -> PathBuf {
    let extension = match Format::sniff(picture) {
        Sniff::Picture(format) => format.extension(),
        Sniff::Unknown | Sniff::NeedMore => "bin",
    };
    let name = format!("imagen_procesada.{extension}");
    match output {
        Some(output) if output.is_dir() => output.join(name),
        Some(output) => output.to_owned(),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("tp2-guardar-{}", Uuid::new_v4()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_result_replaces_what_was_there_and_leaves_nothing_else() {
        let directory = Directory::new();
        let path = directory.0.join("a.png");
        for content in [&b"primero"[..], b"segundo"] {
            Saver::default().save(&path, content).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert_eq!(directory.names(), ["a.png"]);
    }

    #[test]
    fn what_can_not_be_saved_leaves_nothing() {
        let directory = Directory::new();
        fs::create_dir(directory.0.join("a.png")).unwrap();
        fs::write(directory.0.join("a.png/lleno"), b"").unwrap();
        let error = Saver::default().save(&directory.0.join("a.png"), b"x").unwrap_err();
        assert!(matches!(error, Failure::Write(..)), "{error}");
        assert_eq!(directory.names(), ["a.png"]);
        assert!(Saver::default().save(&directory.0.join("no/a.png"), b"x").is_err());
    }

    #[test]
    fn links_are_followed_and_devices_stay() {
        let directory = Directory::new();
        let (file, link) = (directory.0.join("archivo"), directory.0.join("enlace"));
        fs::write(&file, b"viejo").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Saver::default().save(&link, b"nuevo").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"nuevo");
        Saver::default().save(Path::new("/dev/null"), b"x").unwrap();
        assert!(!Path::new("/dev/null").metadata().unwrap().is_file());
    }

    #[test]
    fn an_interruption_removes_what_is_half_written() {
        let directory = Directory::new();
        let saver = Saver::default();
        let aside = directory.0.join(".tp2-cliente-x.tmp");
        fs::write(&aside, b"medio").unwrap();
        *saver.writing() = Some(aside);
        let mut ended = false;
        saver.clone().abandon(|| ended = true);
        assert!(ended);
        assert!(directory.names().is_empty());
    }

    #[test]
    fn results_are_named_after_what_they_are() {
        let directory = Directory::new();
        let png = b"\x89PNG\r\n\x1a\n";
        assert_eq!(destination(None, png), Path::new("imagen_procesada.png"));
        assert_eq!(destination(None, b"?"), Path::new("imagen_procesada.bin"));
        assert_eq!(destination(Some(Path::new("x.jpg")), png), Path::new("x.jpg"));
        assert_eq!(destination(Some(&directory.0), png), directory.0.join("imagen_procesada.png"));
    }

    #[test]
    fn a_directory_that_is_missing_is_seen_beforehand() {
        let directory = Directory::new();
        fs::write(directory.0.join("archivo"), b"").unwrap();
        for (output, fine) in [("x.png", true), ("no/x.png", false), ("archivo/x.png", false), ("", true)] {
            assert_eq!(check(Some(&directory.0.join(output))).is_ok(), fine, "{output}");
        }
        assert!(check(None).is_ok() && check(Some(Path::new("x.png"))).is_ok());
    }
}
