//! Why a store can't be opened, as one line for the operator that names the file.
use std::path::{Path, PathBuf};
use std::{fmt, io};

use scaler::words::InWords;

use super::trouble;
use crate::store::StoreError;

/// The store can't be opened.
#[derive(Debug)]
pub struct SqliteOpenError {
    path: PathBuf,
    reason: SqliteRefusal,
}

#[derive(Debug)]
pub(super) enum SqliteRefusal {
    /// Another server has it.
    InUse,
    /// The path is no file, or one of another kind.
    NoFile,
    /// The directory of the path can't be accessed.
    Directory(PathBuf, io::Error),
    /// This lock file can't be opened or locked.
    Lock(PathBuf, io::Error),
    /// The file itself can't be opened or created.
    File(io::Error),
    /// Another program's.
    Foreign,
    /// Of a later version than the ones known here.
    Newer { version: i32, known: usize },
    /// SQLite's error text.
    Sqlite(String),
}

impl SqliteRefusal {
    /// Adds the path to the reason.
    pub(super) fn of(self, path: &Path) -> SqliteOpenError {
        SqliteOpenError { path: path.to_owned(), reason: self }
    }
}

impl From<rusqlite::Error> for SqliteRefusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(trouble::words(&error))
    }
}

impl From<StoreError> for SqliteRefusal {
    fn from(trouble: StoreError) -> Self {
        match trouble {
            StoreError::Full(words) | StoreError::Damaged(words) | StoreError::Broken(words) => {
                Self::Sqlite(words)
            }
            StoreError::NoRoom { .. } | StoreError::Bank(_) => Self::Sqlite(trouble.to_string()),
        }
    }
}

impl fmt::Display for SqliteOpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, reason } = self;
        let path = path.display();
        if let SqliteRefusal::InUse = reason {
            return write!(
                f,
                "el almacén «{path}» ya lo usa otro servidor (tp2): elija otro con -a sqlite:RUTA"
            );
        }
        write!(f, "no se puede abrir el almacén «{path}»: ")?;
        match reason {
            SqliteRefusal::InUse | SqliteRefusal::Foreign => f.write_str("es de otro programa"),
            SqliteRefusal::NoFile => f.write_str("no es un archivo"),
            SqliteRefusal::Directory(directory, error) => {
                write!(f, "su directorio «{}»: {}", directory.display(), InWords(error))
            }
            SqliteRefusal::Lock(lock, error) => {
                write!(f, "su candado «{}»: {}", lock.display(), InWords(error))
            }
            SqliteRefusal::File(error) => write!(f, "{}", InWords(error)),
            SqliteRefusal::Newer { version, known } => write!(
                f,
                "es de una versión más nueva de tp2 (su esquema es el {version}; esta versión conoce hasta el {known})"
            ),
            SqliteRefusal::Sqlite(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for SqliteOpenError {}
