//! Files in the column `file` of a table, written and read without a full copy within SQLite. What is read is compared
//! with its checksums, if it has any.
use std::ops::Range;

use rusqlite::Connection;
use rusqlite::blob::ZeroBlob;

use super::sums::{self, PIECE};
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
    /// The bytes are not those that were written.
    Damaged,
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
            Unread::Damaged => Self::Damaged("una imagen guardada está dañada: su suma no coincide".into()),
            Unread::Sqlite(error) => error.into(),
        }
    }
}

/// A stored file.
#[derive(Clone, Copy)]
pub(super) struct StoredFile<'a> {
    /// The table that has it.
    pub(super) table: &'static str,
    /// Its row, which must exist.
    pub(super) row: i64,
    /// Its [checksums](sums::of_file); None: it was stored without, and is not compared.
    pub(super) sums: Option<&'a [u8]>,
}

impl StoredFile<'_> {
    /// Reads a range of the file.
    ///
    /// # Errors
    /// There is no memory for the range, a piece that it touches is damaged, or SQLite failed.
    pub(super) fn read(&self, conn: &Connection, range: Range<u64>) -> Result<Vec<u8>, Unread> {
        let length = range.end.saturating_sub(range.start);
        let (start, size, mut bytes) = rules::room_for(&range).ok_or(Unread::NoRoom { length })?;
        bytes.resize(size, 0);
        let blob = conn.blob_open("main", self.table, "file", self.row, true)?;
        let Some(sums) = self.sums else {
            blob.read_at_exact(&mut bytes, start)?;
            return Ok(bytes);
        };
        let end = start + size;
        if end > blob.len() {
            return Err(Unread::Damaged);
        }
        let mut aside = Vec::new();
        let mut at = start;
        while at < end {
            let number = at / PIECE;
            let piece = number * PIECE..(number * PIECE).saturating_add(PIECE).min(blob.len());
            let wanted = at..piece.end.min(end);
            let part = &mut bytes[wanted.start - start..wanted.end - start];
            let is_sound = if wanted == piece {
                blob.read_at_exact(part, piece.start)?;
                sums::is_sound(sums, number, part)
            } else {
                // The range begins or ends within this piece.
                aside.resize(piece.len(), 0);
                blob.read_at_exact(&mut aside, piece.start)?;
                part.copy_from_slice(&aside[wanted.start - piece.start..wanted.end - piece.start]);
                sums::is_sound(sums, number, &aside)
            };
            if !is_sound {
                return Err(Unread::Damaged);
            }
            at = wanted.end;
        }
        Ok(bytes)
    }
}
