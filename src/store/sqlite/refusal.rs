//! Why a store can't be opened, for the person who starts the server: one line that names the file.
use std::path::{Path, PathBuf};
use std::{fmt, io};

use scaler::words::InWords;

use super::trouble;
use crate::store::StoreError;

/// The store can't be opened.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    reason: Reason,
}

/// What is in the way.
#[derive(Debug)]
pub(super) enum Reason {
    /// Another server has it.
    InUse,
    /// The path names no file, or one of another kind.
    NoFile,
    /// The directory that it would be in can't be reached.
    Directory(PathBuf, io::Error),
    /// This file, which says who has it, can't be opened or locked.
    Lock(PathBuf, io::Error),
    /// The file itself can't be opened, or made.
    File(io::Error),
    /// Another program's.
    Foreign,
    /// Of a later version than the ones known here.
    Newer { version: i32, known: usize },
    /// SQLite says no; its words.
    Sqlite(String),
}

impl Reason {
    /// It is this file that can't be opened.
    pub(super) fn of(self, path: &Path) -> OpenError {
        OpenError { path: path.to_owned(), reason: self }
    }
}

impl From<rusqlite::Error> for Reason {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(trouble::words(&error))
    }
}

impl From<StoreError> for Reason {
    fn from(trouble: StoreError) -> Self {
        match trouble {
            StoreError::Full(words) | StoreError::Damaged(words) | StoreError::Broken(words) => {
                Self::Sqlite(words)
            }
            StoreError::NoRoom { .. } => Self::Sqlite(trouble.to_string()),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, reason } = self;
        let path = path.display();
        if let Reason::InUse = reason {
            return write!(
                f,
                "el almacén «{path}» ya lo usa otro servidor (tp2): elija otro con -a sqlite:RUTA"
            );
        }
        write!(f, "no se puede abrir el almacén «{path}»: ")?;
        match reason {
            Reason::InUse | Reason::Foreign => f.write_str("es de otro programa"),
            Reason::NoFile => f.write_str("no es un archivo"),
            Reason::Directory(directory, error) => {
                write!(f, "su directorio «{}»: {}", directory.display(), InWords(error))
            }
            Reason::Lock(lock, error) => write!(f, "su candado «{}»: {}", lock.display(), InWords(error)),
            Reason::File(error) => write!(f, "{}", InWords(error)),
            Reason::Newer { version, known } => write!(
                f,
                "es de una versión más nueva de tp2 (su esquema es el {version}; esta versión conoce hasta el {known})"
            ),
            Reason::Sqlite(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for OpenError {}
