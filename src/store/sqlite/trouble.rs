//! SQLite's errors in Spanish, and whether they are for want of space.
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_READ, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};

use crate::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let words = words(&error);
        match error {
            _ if is_full(&error) => Self::Full(words),
            _ if is_lasting(&error) => Self::Damaged(words),
            _ => Self::Broken(words),
        }
    }
}

/// SQLite has a code of its own for ENOSPC alone: EDQUOT, EFBIG and device errors are failed writes.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull
            || matches!(error.extended_code, SQLITE_IOERR_WRITE | SQLITE_IOERR_SHMSIZE)
    })
}

/// Whether the stored data is the cause, so that a retry fails again: an invalid value, a missing row (of which a
/// blob has no code of its own), damaged or unreadable pages.
pub(super) fn is_lasting(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_none_or(|error| {
        matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::Unknown)
            || error.extended_code == SQLITE_IOERR_READ
    })
}

/// The error, with SQLite's number (<https://sqlite.org/rescode.html>).
pub(super) fn words(error: &rusqlite::Error) -> String {
    let Some(error) = error.sqlite_error() else {
        // Found by rusqlite itself: a value of another type or range than was written.
        return "un dato guardado no es lo que debería".into();
    };
    let words = match error.code {
        _ if matches!(error.extended_code, SQLITE_IOERR_WRITE | SQLITE_IOERR_SHMSIZE) => {
            "no se pudo escribir"
        }
        ErrorCode::DiskFull => "no queda espacio en el disco",
        ErrorCode::NotADatabase => "no es una base de datos de SQLite",
        ErrorCode::DatabaseCorrupt => "la base de datos está dañada",
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => "otro programa la tiene ocupada",
        ErrorCode::CannotOpen => "no se puede abrir uno de sus archivos",
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => "permiso denegado",
        ErrorCode::ReadOnly => "es de solo lectura",
        ErrorCode::SystemIoFailure => "el disco falló",
        ErrorCode::OutOfMemory => "no queda memoria",
        ErrorCode::ConstraintViolation => "un dato no cumple lo que la base exige",
        ErrorCode::TooBig => "un dato es demasiado grande",
        _ => "falló de un modo inesperado",
    };
    format!("{words} (SQLite {})", error.extended_code)
}
