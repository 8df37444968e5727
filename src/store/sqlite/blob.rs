//! Files in the column `file` of a table, written and read without a full copy within SQLite.
use std::ops::Range;

use rusqlite::Connection;
use rusqlite::blob::ZeroBlob;

use crate::store::{StoreError, rules};

/// The placeholder for a new row's column, before the file is [written](write()).
pub(super) fn room(file: &[u8]) -> ZeroBlob {
    ZeroBlob(file.len() as u64)
}

pub(super) fn write(conn: &Connection, table: &str, row: i64, file: &[u8]) -> Result<(), StoreError> {
    let mut blob = conn.blob_open("main", table, "file", row, false)?;
    blob.write_all_at(file, 0)?;
    Ok(blob.close()?)
}

pub(super) enum Unread {
    /// There is no memory for so many bytes.
    NoRoom { length: u64 },
    /// SQLite's reason.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unread {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Unread> for StoreError {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::NoRoom { length } => Self::NoRoom { length },
            Unread::Sqlite(error) => error.into(),
        }
    }
}

/// Reads a range of the file of this row, which must have one.
pub(super) fn read(conn: &Connection, table: &str, row: i64, range: Range<u64>) -> Result<Vec<u8>, Unread> {
    let length = range.end.saturating_sub(range.start);
    let (start, size, mut bytes) = rules::room_for(&range).ok_or(Unread::NoRoom { length })?;
    bytes.resize(size, 0);
    let blob = conn.blob_open("main", table, "file", row, true)?;
    blob.read_at_exact(&mut bytes, start)?;
    Ok(bytes)
}
