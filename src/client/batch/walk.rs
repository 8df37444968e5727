//! The files in the named folders, and which of them can be pictures by their first bytes.
//!
//! Rules: entries are sorted by the bytes of their names, so that every run has the same order. A link to a file counts
//! as the file; a link to a directory inside a folder is not entered, so no walk is endless; nor is the folder of
//! results. Only regular files are opened. Files that systems leave in folders are skipped silently ([`is_clutter`]).
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use scaler::words::InWords;

use crate::client::picture::seems;
use crate::client::request::Body;
use crate::client::save::{FileId, is_clutter};
use crate::http::format::Format;

/// Something that was named, or is in a folder that was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its path, from the client's working directory.
    pub(super) source: PathBuf,
    /// The path of its result below the folder of results, without its ending.
    pub(super) relative: PathBuf,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A picture, by its first bytes.
    Picture(FileId),
    /// No picture, and why.
    Other(String),
    /// It can't be read, and why.
    Unreadable(String),
    /// A directory that is not entered, and why.
    Directory(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) recursive: bool,
    pub(super) output: Option<FileId>,
}

/// Everything below `roots`, in their order. Relative paths begin in the root if there is one root and it is a
/// directory; else with the root's name.
pub(super) fn walk(roots: &[PathBuf], how: Walk) -> Vec<Found> {
    let mut found = Vec::new();
    for root in roots {
        let is_directory = root.is_dir();
        let name = match (is_directory, roots.len()) {
            (true, 1) => PathBuf::new(),
            _ => name_of(root),
        };
        how.enter(root, name, &mut found);
    }
    found
}

/// The last component of the real path; empty for the working directory and for the root.
fn name_of(path: &Path) -> PathBuf {
    let is_here = path.components().all(|component| component == std::path::Component::CurDir);
    let name = path.file_name().map(OsStr::to_owned);
    let real = || fs::canonicalize(path).ok()?.file_name().map(OsStr::to_owned);
    if is_here { PathBuf::new() } else { name.or_else(real).unwrap_or_default().into() }
}

impl Walk {
    /// Enters what was named; a directory is entered even through a link.
    fn enter(self, root: &Path, relative: PathBuf, found: &mut Vec<Found>) {
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => {
                let mut waiting = vec![(root.to_owned(), relative)];
                while let Some((source, relative)) = waiting.pop() {
                    self.list(source, relative, &mut waiting, found);
                }
            }
            other => found.extend(look(root.to_owned(), relative, other)),
        }
    }

    /// The entries of a directory; those to be entered wait.
    fn list(
        self,
        directory: PathBuf,
        relative: PathBuf,
        waiting: &mut Vec<(PathBuf, PathBuf)>,
        found: &mut Vec<Found>,
    ) {
        let entries = fs::read_dir(&directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                let kind = Kind::Unreadable(unreadable(&error));
                return found.push(Found { source: directory, relative, kind });
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut inner = Vec::new();
        for entry in entries {
            let source = directory.join(entry.file_name());
            let relative = relative.join(entry.file_name());
            let metadata = fs::metadata(&source);
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            match metadata {
                Ok(metadata) if metadata.is_dir() => match self.reason_to_stay_out(&metadata, is_link) {
                    Some(why) => found.push(Found { source, relative, kind: Kind::Directory(why) }),
                    None => inner.push((source, relative)),
                },
                metadata => found.extend(look(source, relative, metadata)),
            }
        }
        waiting.extend(inner.into_iter().rev());
    }

    fn reason_to_stay_out(self, metadata: &Metadata, is_link: bool) -> Option<&'static str> {
        if self.output == Some(FileId::of(metadata)) {
            Some("es el de los resultados")
        } else if !self.recursive {
            Some("sin -r no se entra en subdirectorios")
        } else if is_link {
            Some("es un enlace")
        } else {
            None
        }
    }
}

/// An entry that is no directory; None if it is not worth a message.
fn look(source: PathBuf, relative: PathBuf, metadata: io::Result<Metadata>) -> Option<Found> {
    if source.file_name().is_some_and(|name| is_clutter(name.as_bytes())) {
        return None;
    }
    let kind = match metadata {
        Ok(metadata) if metadata.is_file() => match Body::open(&source).and_then(|body| body.first()) {
            Ok(first) if Format::of_file(&first).is_some() => Kind::Picture(FileId::of(&metadata)),
            Ok(first) => Kind::Other(seems(&first)),
            Err(error) => Kind::Unreadable(unreadable(&error)),
        },
        Ok(_) => Kind::Other("no es un archivo regular".into()),
        Err(error) => Kind::Unreadable(unreadable(&error)),
    };
    Some(Found { source, relative, kind })
}

fn unreadable(error: &io::Error) -> String {
    format!("no se puede leer: {}", InWords(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    const PICTURE: &[u8] = b"P5\n1 1\n255\n\x80";

    struct Place(PathBuf);

    impl Place {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("tp2-paseo-{}", uuid::Uuid::new_v4()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }

        /// Relative paths and what they are, of what is below these.
        fn walk(&self, roots: &[&str], recursive: bool) -> Vec<(String, String)> {
            let output = FileId::at(&self.0.join("fotos/grises"));
            let roots: Vec<_> = roots.iter().map(|root| self.0.join(root)).collect();
            let found = walk(&roots, Walk { recursive, output });
            let shown = |kind: &Kind| match kind {
                Kind::Picture(_) => "imagen".to_owned(),
                Kind::Other(why) | Kind::Unreadable(why) => why.clone(),
                Kind::Directory(why) => (*why).to_owned(),
            };
            found
                .iter()
                .map(|found| (found.relative.to_string_lossy().into_owned(), shown(&found.kind)))
                .collect()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
    }

    #[test]
    fn a_tree_is_told_by_its_first_bytes() {
        let place = Place::new();
        for path in ["fotos/b.jpg", "fotos/a\nb.pgm", "fotos/sub/b.jpg", "fotos/grises/b.jpg"] {
            place.put(path, PICTURE);
        }
        place.put(Path::new("fotos").join(OsStr::from_bytes(b"mal\xff.jpg")), PICTURE);
        place.put("fotos/video.jpg", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom");
        place.put("fotos/notas.txt", b"hola\nhola\n");
        place.put("fotos/vacia.jpg", b"");
        for clutter in [".DS_Store", "Thumbs.db", "sub/._b.jpg", "desktop.ini"] {
            place.put(Path::new("fotos").join(clutter), PICTURE);
        }
        let at = |name: &str| place.0.join("fotos").join(name);
        symlink("b.jpg", at("enlace.jpg")).unwrap();
        symlink("no_existe", at("rota.jpg")).unwrap();
        symlink("..", at("sub/arriba")).unwrap();
        let _socket = UnixListener::bind(at("zocalo")).unwrap();
        let top = [
            ("a\nb.pgm", "imagen"),
            ("b.jpg", "imagen"),
            ("enlace.jpg", "imagen"),
            ("grises", "es el de los resultados"),
            ("mal\u{fffd}.jpg", "imagen"),
            ("notas.txt", "no es una imagen que se lea: parece texto"),
            ("rota.jpg", "no se puede leer: no existe"),
        ];
        let rest = [
            ("vacia.jpg", "está vacía"),
            ("video.jpg", "no es una imagen que se lea: parece un video"),
            ("zocalo", "no es un archivo regular"),
        ];
        let sub = [("sub", "sin -r no se entra en subdirectorios")];
        assert_eq!(place.walk(&["fotos"], false), pairs(&[&top[..], &sub, &rest].concat()));
        let sub = [("sub/arriba", "es un enlace"), ("sub/b.jpg", "imagen")];
        assert_eq!(place.walk(&["fotos"], true), pairs(&[&top[..], &rest, &sub].concat()));
    }

    #[test]
    fn of_several_roots_each_folder_keeps_its_name() {
        let place = Place::new();
        for path in ["fotos/a.jpg", "otras/a.jpg", "suelta.jpg"] {
            place.put(path, PICTURE);
        }
        let all = place.walk(&["fotos", "otras/../otras/.", "suelta.jpg", "no.jpg"], false);
        let expected = pairs(&[
            ("fotos/a.jpg", "imagen"),
            ("otras/a.jpg", "imagen"),
            ("suelta.jpg", "imagen"),
            ("no.jpg", "no se puede leer: no existe"),
        ]);
        assert_eq!(all, expected);
        assert_eq!(place.walk(&["fotos"], false), pairs(&[("a.jpg", "imagen")]));
        assert_eq!(place.walk(&["suelta.jpg"], false), pairs(&[("suelta.jpg", "imagen")]));
        for (path, name) in [(".", ""), ("./", ""), ("/", ""), ("a/b/", "b"), ("a/b.jpg", "b.jpg")] {
            assert_eq!(name_of(Path::new(path)), Path::new(name), "{path}");
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let place = Place::new();
        let deep: PathBuf = std::iter::repeat_n("d", 1000).collect();
        place.put(deep.join("a.jpg"), PICTURE);
        assert_eq!(place.walk(&["d"], true).len(), 1);
    }
}
