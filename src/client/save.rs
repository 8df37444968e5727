//! Saves the result: written to a temporary file and renamed, so a name holds the whole picture or its former content.
//!
//! Rules: the temporary file is removed when the write fails, and when the client is interrupted ([`Saver::abandon`]).
//! The next client that writes there removes the file of a killed one (SIGKILL, [`tidy`]): a writer locks its file, and
//! a dead process holds no lock. A link is followed to its file; a device or a pipe is written to, never replaced. The
//! input is never written to ([`FileId`]).
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::failure::Failure;
use crate::http::format::Format;

/// Beginning and end of the names of temporary files.
const ASIDE: (&str, &str) = (".tp2-cliente-", ".tmp");

/// Saves results; all clones share the list of temporary files.
#[derive(Clone, Debug, Default)]
pub struct Saver {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The temporary files that exist now.
    asides: Vec<PathBuf>,
    farewell: Option<String>,
}

/// Identifies a file, whatever name leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The identity in these metadata.
    pub(super) fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino() }
    }

    /// Of the file behind this name, links followed; None: there is none, or it can't be told.
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::of)
    }
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
            match self.replace(&target, bytes) {
                // Another client took the temporary file for an abandoned one, before it was locked.
                Err(error) if error.kind() == ErrorKind::NotFound => self.replace(&target, bytes),
                other => other,
            }
        };
        saved.map_err(|error| Failure::Write(path.to_owned(), error))
    }

    fn replace(&self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        let name = format!("{}{}{}", ASIDE.0, Uuid::new_v4().simple(), ASIDE.1);
        let aside = target.with_file_name(name);
        let mut file = {
            let mut shared = self.shared();
            let file = File::create_new(&aside)?;
            shared.asides.push(aside.clone());
            file
        };
        // Where the file system has no locks, no other client removes the file either.
        let _ = file.try_lock();
        let written = file.write_all(bytes);
        let mut shared = self.shared();
        let saved = written.and_then(|()| fs::rename(&aside, target));
        if saved.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&aside);
        }
        shared.asides.retain(|other| *other != aside);
        saved
    }

    /// Sets the message for a user who interrupts from now on: what is done, and how to go on.
    pub(super) fn set_farewell(&self, text: String) {
        self.shared().farewell = Some(text);
    }

    /// Removes temporary files, and calls `end` with the farewell before another file can be begun.
    pub fn abandon(&self, end: impl FnOnce(Option<&str>)) {
        let mut shared = self.shared();
        for aside in std::mem::take(&mut shared.asides) {
            let _ = fs::remove_file(aside);
        }
        end(shared.farewell.as_deref());
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the temporary files of dead clients from a directory.
pub(super) fn tidy(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_aside = name.to_str().is_some_and(|name| name.starts_with(ASIDE.0) && name.ends_with(ASIDE.1));
        let is_file = || entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_aside && is_file() && File::open(entry.path()).is_ok_and(|file| is_nobodys(&file)) {
            // A file that can't be removed stays, and does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether no client writes it any more.
fn is_nobodys(file: &File) -> bool {
    match file.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
    }
}

/// Whether a name is that of a temporary file of ours, or of a file that systems leave in folders unasked.
pub(super) fn is_clutter(name: &[u8]) -> bool {
    let (begin, end) = (ASIDE.0.as_bytes(), ASIDE.1.as_bytes());
    name.starts_with(b"._")
        || name == b".DS_Store"
        || name.eq_ignore_ascii_case(b"thumbs.db")
        || name.eq_ignore_ascii_case(b"desktop.ini")
        || (name.starts_with(begin) && name.ends_with(end))
}

/// Checks before the work whether the result can be saved there.
///
/// # Errors
/// [`Failure::Write`]: there is no such directory, and none is to be made. [`Failure::Input`]: it is the file of `input`.
pub(super) fn check(output: Option<&Path>, input: Option<FileId>) -> Result<(), Failure> {
    let Some(output) = output else { return Ok(()) };
    let unwritable = |error| Err(Failure::Write(output.to_owned(), error));
    if names_directory(output) {
        return match fs::metadata(output) {
            Err(error) if error.kind() != ErrorKind::NotFound => unwritable(error),
            Ok(found) if !found.is_dir() => unwritable(ErrorKind::NotADirectory.into()),
            // It is made later.
            _ => Ok(()),
        };
    }
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty());
    match parent.map(fs::metadata) {
        Some(Err(error)) => return unwritable(error),
        Some(Ok(found)) if !found.is_dir() => return unwritable(ErrorKind::NotADirectory.into()),
        _ => {}
    }
    check_input(output, input)
}

/// Makes the directory that the user has named as one.
///
/// # Errors
/// [`Failure::Write`].
pub(super) fn make_directory(output: Option<&Path>) -> Result<(), Failure> {
    match output.filter(|output| names_directory(output)) {
        Some(output) => fs::create_dir_all(output).map_err(|error| Failure::Write(output.to_owned(), error)),
        None => Ok(()),
    }
}

/// Whether results go below this: a directory that is there, or one that is to be made.
pub(super) fn is_directory(output: &Path) -> bool {
    names_directory(output) || output.is_dir()
}

fn names_directory(output: &Path) -> bool {
    output.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Refuses to save a result over the picture that it was made from.
///
/// # Errors
/// [`Failure::Input`].
pub(super) fn check_input(path: &Path, input: Option<FileId>) -> Result<(), Failure> {
    match input {
        Some(input) if FileId::at(path) == Some(input) => Err(Failure::Input(path.to_owned())),
        _ => Ok(()),
    }
}

/// Where a picture of this format goes: where the user said; in a directory under `name`. Without a name for it, or
/// without a choice, it is `imagen_procesada` with the ending of the picture's real format.
#[must_use]
pub(super) fn destination(output: Option<&Path>, name: Option<&Path>, format: Option<Format>) -> PathBuf {
    let fixed = || PathBuf::from(format!("imagen_procesada.{}", format.map_or("bin", Format::extension)));
    match output {
        Some(output) if is_directory(output) => output.join(name.map_or_else(fixed, Path::to_owned)),
        Some(output) => output.to_owned(),
        None => fixed(),
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
        for name in [".tp2-cliente-x.tmp", ".tp2-cliente-y.tmp"] {
            let aside = directory.0.join(name);
            fs::write(&aside, b"medio").unwrap();
            saver.shared().asides.push(aside);
        }
        let mut told = Vec::new();
        saver.clone().abandon(|farewell| told.push(farewell.map(str::to_owned)));
        saver.set_farewell("1 de 2".into());
        saver.clone().abandon(|farewell| told.push(farewell.map(str::to_owned)));
        assert_eq!(told, [None, Some("1 de 2".into())]);
        assert!(directory.names().is_empty());
    }

    #[test]
    fn what_the_dead_left_is_removed_and_what_the_living_write_is_not() {
        let directory = Directory::new();
        let at = |name: &str| directory.0.join(name);
        let alive = File::create_new(at(".tp2-cliente-vive.tmp")).unwrap();
        alive.try_lock().unwrap();
        for name in [".tp2-cliente-muerto.tmp", "foto.tmp", ".tp2-cliente-"] {
            fs::write(at(name), b"medio").unwrap();
        }
        fs::create_dir(at(".tp2-cliente-d.tmp")).unwrap();
        tidy(&directory.0);
        let kept = [".tp2-cliente-", ".tp2-cliente-d.tmp", ".tp2-cliente-vive.tmp", "foto.tmp"];
        assert_eq!(directory.names(), kept);
        drop(alive);
        tidy(&directory.0);
        assert!(!at(".tp2-cliente-vive.tmp").exists());
        tidy(&at("no"));
    }

    #[test]
    fn clutter_is_what_nobody_made() {
        for name in [".DS_Store", "Thumbs.db", "thumbs.db", "Desktop.ini", "._foto.jpg", ".tp2-cliente-0.tmp"]
        {
            assert!(is_clutter(name.as_bytes()), "{name}");
        }
        for name in ["DS_Store", ".foto.jpg", "Thumbs.db.jpg", "_.jpg", ".tp2-cliente"] {
            assert!(!is_clutter(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn an_input_is_never_the_output() {
        let directory = Directory::new();
        let at = |name: &str| directory.0.join(name);
        fs::write(at("foto.jpg"), b"").unwrap();
        std::os::unix::fs::symlink("foto.jpg", at("enlace.jpg")).unwrap();
        fs::hard_link(at("foto.jpg"), at("otro.jpg")).unwrap();
        let input = FileId::at(&at("foto.jpg"));
        for name in ["foto.jpg", "enlace.jpg", "otro.jpg", "../"] {
            let refused = matches!(check(Some(&at(name)), input), Err(Failure::Input(_)));
            assert_eq!(refused, name != "../", "{name}");
        }
        assert!(check(Some(&at("nueva.jpg")), input).is_ok() && check(Some(&at("foto.jpg")), None).is_ok());
    }

    #[test]
    fn results_are_named_after_what_they_are() {
        let directory = Directory::new();
        let png = Some(Format::Png);
        let own = Some(Path::new("foto.jpg"));
        assert_eq!(destination(None, None, png), Path::new("imagen_procesada.png"));
        assert_eq!(destination(None, own, None), Path::new("imagen_procesada.bin"));
        assert_eq!(destination(Some(Path::new("x.jpg")), own, png), Path::new("x.jpg"));
        assert_eq!(destination(Some(&directory.0), None, png), directory.0.join("imagen_procesada.png"));
        assert_eq!(destination(Some(&directory.0), own, png), directory.0.join("foto.jpg"));
    }

    #[test]
    fn a_directory_that_is_missing_is_seen_beforehand() {
        let directory = Directory::new();
        fs::write(directory.0.join("archivo"), b"").unwrap();
        for (output, fine) in [
            ("x.png", true),
            ("no/x.png", false),
            ("archivo/x.png", false),
            ("archivo/", false),
            ("no/", true),
            ("", true),
        ] {
            assert_eq!(check(Some(&directory.0.join(output)), None).is_ok(), fine, "{output}");
        }
        assert!(check(None, None).is_ok() && check(Some(Path::new("x.png")), None).is_ok());
        let missing = directory.0.join("no/otro/");
        assert_eq!(
            destination(Some(&missing), None, Some(Format::Png)),
            missing.join("imagen_procesada.png")
        );
        make_directory(Some(&missing)).unwrap();
        assert!(missing.is_dir());
        make_directory(Some(&directory.0.join("x.png"))).unwrap();
        assert!(!directory.0.join("x.png").exists());
        assert!(make_directory(Some(&directory.0.join("archivo/"))).is_err());
    }
}
