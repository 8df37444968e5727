//! Files in pieces of a megabyte, as a document has at most sixteen: `<owner>/<number>`, the first is 0.
//!
//! Rules: the bytes are written before the document that names them, and removed after it. A piece that is there
//! already is the same piece, from an attempt whose answer was lost: an owner's file is written by one server, once.
use std::ops::Range;

use mongodb::bson::doc;

use super::error::MongoError;
use super::kept::{KeptDocument, binary};
use super::link::{Tables, find, insert, remove};
use crate::store::rules;

/// Bytes of a piece; the last one has fewer.
const PIECE: usize = 1 << 20;

fn name(owner: &str, number: usize) -> String {
    format!("{owner}/{number}")
}

/// Keeps a file.
pub(super) async fn write(tables: &Tables, owner: &str, file: &[u8]) -> Result<(), MongoError> {
    for (number, piece) in file.chunks(PIECE).enumerate() {
        let document = doc! { "_id": name(owner, number), "datos": binary(piece.to_vec()) };
        insert(&tables.chunks, document).await?;
    }
    Ok(())
}

/// Bytes of a file.
///
/// # Errors
/// [`MongoError::Strange`]: not all of them are there.
pub(super) async fn read(tables: &Tables, owner: &str, range: Range<u64>) -> Result<Vec<u8>, MongoError> {
    let length = range.end.saturating_sub(range.start);
    let (start, size, mut bytes) = rules::room_for(&range).ok_or(MongoError::NoRoom { length })?;
    while bytes.len() < size {
        let at = start.saturating_add(bytes.len());
        let document = find(&tables.chunks, &name(owner, at / PIECE)).await?.ok_or(MongoError::Strange)?;
        let piece = document.get_binary_generic("datos").map_err(|_| MongoError::Strange)?;
        let rest = piece.get(at % PIECE..).filter(|rest| !rest.is_empty()).ok_or(MongoError::Strange)?;
        let file_request = size - bytes.len();
        bytes.extend_from_slice(rest.get(..file_request).unwrap_or(rest));
    }
    Ok(bytes)
}

/// More pieces than any file has, whatever a document says.
const PIECES_MAX: u64 = 4096;

/// Removes a file of so many bytes, from its end: what is left halfway begins at the beginning.
pub(super) async fn forget(tables: &Tables, owner: &str, length: u64) -> Result<(), MongoError> {
    let pieces = length.div_ceil(PIECE as u64).min(PIECES_MAX);
    for number in (0..usize::try_from(pieces).unwrap_or_default()).rev() {
        remove(&tables.chunks, &name(owner, number)).await?;
    }
    Ok(())
}

/// Removes what there is of a file whose writer fell.
pub(super) async fn forget_all(tables: &Tables, owner: &str) -> Result<(), MongoError> {
    let mut number = 0;
    while remove(&tables.chunks, &name(owner, number)).await? {
        number += 1;
    }
    Ok(())
}

/// The picture that was handed in.
pub(super) fn upload(task: &str) -> String {
    format!("{task}/e")
}

/// The result that this server made.
pub(super) fn result(task: &str, server: &str) -> String {
    format!("{task}/r/{server}")
}

/// Whose file the result in this document is.
pub(super) fn result_of(document: &KeptDocument<'_>) -> Result<String, MongoError> {
    Ok(result(document.text("_id")?, document.text("servidor")?))
}
