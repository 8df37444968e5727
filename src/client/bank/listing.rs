//! What is in a directory. Every file is opened, and judged by its first bytes.
//!
//! Rules: names are sorted by their bytes, so that every run has the same order; only regular files and links to them
//! may be sent as pictures, except for what systems leave in folders ([`is_clutter`]); sub-directories are not entered. A
//! name must be text: it becomes a string in the bank.
use std::ffi::OsString;
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use scaler::words::InWords;

use crate::client::picture::seems;
use crate::client::request::Body;
use crate::client::save::is_clutter;
use crate::http::format::Format;

/// The entries of a directory, each list sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) names: Vec<String>,
    /// Entries that can't be pictures: name, as far as it can be shown, and reason.
    pub(super) unfit: Vec<(String, String)>,
    pub(super) directories: Vec<String>,
    /// No pictures by their first bytes: name, and what each seems to be.
    pub(super) others: Vec<(String, String)>,
}

/// Reads a directory.
///
/// # Errors
/// As opendir(3) and readdir(3).
pub(super) fn list(path: &Path) -> io::Result<Listing> {
    let entries: Vec<DirEntry> = fs::read_dir(path)?.collect::<io::Result<_>>()?;
    let mut entries: Vec<(OsString, DirEntry)> =
        entries.into_iter().map(|entry| (entry.file_name(), entry)).collect();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut listing = Listing::default();
    for (name, entry) in entries.into_iter().filter(|(name, _)| !is_clutter(name.as_bytes())) {
        let shown = || name.to_string_lossy().into_owned();
        match (kind_of(&entry), name.to_str()) {
            (Ok(kind), _) if kind.is_dir() => listing.directories.push(shown()),
            (Ok(kind), Some(name)) if kind.is_file() => match look(&entry.path()) {
                None => listing.names.push(name.to_owned()),
                Some(why) => listing.others.push((name.to_owned(), why)),
            },
            (Ok(kind), None) if kind.is_file() => {
                listing.unfit.push((shown(), "el nombre no es UTF-8".into()));
            }
            (Ok(_), _) => listing.unfit.push((shown(), "no es un archivo regular".into())),
            (Err(error), _) => {
                listing.unfit.push((shown(), format!("no se puede leer: {}", InWords(&error))));
            }
        }
    }
    Ok(listing)
}

/// What a file that is no picture by its first bytes seems to be; None if it is one. What can't be read is told when it
/// is to be sent.
fn look(path: &Path) -> Option<String> {
    let first = Body::open(path).and_then(|body| body.first()).ok()?;
    Format::of_file(&first).is_none().then(|| seems(&first))
}

/// The type of an entry; of a link, that of its target.
fn kind_of(entry: &DirEntry) -> io::Result<FileType> {
    let kind = entry.file_type()?;
    if kind.is_symlink() { Ok(fs::metadata(entry.path())?.file_type()) } else { Ok(kind) }
}

/// The folder's name: the last component of the directory's real path.
///
/// # Errors
/// As realpath(3); or it has no name, or none that is text.
pub(super) fn folder_name(path: &Path) -> io::Result<String> {
    let path = fs::canonicalize(path)?;
    let name = path.file_name().ok_or_else(|| io::Error::other("la raíz no tiene nombre"))?;
    name.to_str().map(str::to_owned).ok_or_else(|| io::Error::other("el nombre no es UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    const PICTURE: &[u8] = b"P5 1 1 255\n\x80";

    #[test]
    fn sorts_what_is_there_by_what_it_is() {
        let directory = std::env::temp_dir().join(format!("tp2-lista-{}", uuid::Uuid::new_v4()));
        let inside = directory.join("img_to_learn");
        fs::create_dir_all(inside.join("sub")).unwrap();
        for name in ["b.jpg", "a.jpg", ".oculta.jpg", "ñ.jpg", ".DS_Store", "Thumbs.db", "._a.jpg"] {
            fs::write(inside.join(name), PICTURE).unwrap();
        }
        for name in ["falsa.jpg", "notas.txt"] {
            fs::write(inside.join(name), "hola, qué tal").unwrap();
        }
        fs::write(inside.join("sin_final"), PICTURE).unwrap();
        fs::write(inside.join("vacia.jpg"), b"").unwrap();
        fs::write(inside.join(OsStr::from_bytes(b"mal\xff.jpg")), PICTURE).unwrap();
        symlink("a.jpg", inside.join("enlace.jpg")).unwrap();
        symlink("sub", inside.join("otro_sub")).unwrap();
        symlink("no_existe", inside.join("roto.jpg")).unwrap();
        symlink("/dev/null", inside.join("nada.jpg")).unwrap();
        let _socket = UnixListener::bind(inside.join("zocalo")).unwrap();
        let listing = list(&inside).unwrap();
        assert_eq!(listing.names, [".oculta.jpg", "a.jpg", "b.jpg", "enlace.jpg", "sin_final", "ñ.jpg"]);
        let text = "no es una imagen que se lea: parece texto";
        let others: Vec<_> = listing.others.iter().map(|(name, why)| (&**name, &**why)).collect();
        assert_eq!(others, [("falsa.jpg", text), ("notas.txt", text), ("vacia.jpg", "está vacía")]);
        assert_eq!(listing.directories, ["otro_sub", "sub"]);
        let unfit: Vec<_> = listing.unfit.iter().map(|(name, why)| (&**name, &**why)).collect();
        assert_eq!(
            unfit,
            [
                ("mal\u{fffd}.jpg", "el nombre no es UTF-8"),
                ("nada.jpg", "no es un archivo regular"),
                ("roto.jpg", "no se puede leer: no existe"),
                ("zocalo", "no es un archivo regular"),
            ]
        );
        assert_eq!(folder_name(&inside.join("sub/..")).unwrap(), "img_to_learn");
        assert_eq!(folder_name(&inside.join("otro_sub")).unwrap(), "sub");
        assert!(folder_name(Path::new("/")).is_err());
        fs::remove_dir_all(&directory).unwrap();
        assert!(list(&inside).is_err());
    }
}
