//! The image bank. Names are compared by their bytes, SQLite's own order for text.
//!
//! Removing a folder hides it at once, under a name that no folder can have ([`HIDDEN`]); [`bury`] deletes its faces,
//! a bounded number in each sweep, so that a large folder does not delay other writes.
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};

use super::sums;
use crate::model::face::{Face, FolderPage, Page};
use crate::store::StoreError;

/// The first letter of hidden folders' names, and the upper bound of such names: no client's folder has it.
const HIDDEN: [&str; 2] = ["$", "%"];

/// Faces of hidden folders that one sweep deletes, some ten kilobytes each.
const BURIED_MAX: usize = 256;

/// Adds a face unless its folder has one of that name; the database itself ensures that.
pub(super) fn insert(conn: &Connection, folder: &str, face: &Face) -> Result<bool, StoreError> {
    let Face { name, image, samples } = face;
    conn.prepare_cached("INSERT INTO carpeta (nombre) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([folder])?;
    let inserted = conn
        .prepare_cached(
            "INSERT INTO imagen (carpeta, nombre, imagen_str, pixeles, suma)
             SELECT id, ?2, ?3, ?4, ?5 FROM carpeta WHERE nombre = ?1 ON CONFLICT DO NOTHING",
        )?
        .execute((folder, name, image, &samples[..], sums::of_face(image, samples)))?;
    Ok(inserted > 0)
}

/// Deletes a face, and its folder if that was the last one; whether there was one.
pub(super) fn remove_face(conn: &Connection, folder: &str, name: &str) -> Result<bool, StoreError> {
    let removed = conn
        .prepare_cached(
            "DELETE FROM imagen WHERE nombre = ?2 AND carpeta = (SELECT id FROM carpeta WHERE nombre = ?1)",
        )?
        .execute((folder, name))?;
    conn.prepare_cached("DELETE FROM carpeta WHERE nombre = ?1 AND imagenes = 0")?.execute([folder])?;
    Ok(removed > 0)
}

/// Hides a folder from every later read; whether there was one.
pub(super) fn hide_folder(conn: &Connection, folder: &str) -> Result<bool, StoreError> {
    let hidden = conn
        .prepare_cached("UPDATE carpeta SET nombre = ?2 || id WHERE nombre = ?1")?
        .execute((folder, HIDDEN[0]))?;
    Ok(hidden > 0)
}

/// Deletes faces of hidden folders, a bounded number; whether there may be more.
pub(super) fn bury(conn: &Connection) -> Result<bool, StoreError> {
    let [first, last] = HIDDEN;
    let buried = conn
        .prepare_cached(
            "DELETE FROM imagen WHERE id IN (
                SELECT imagen.id FROM carpeta JOIN imagen ON imagen.carpeta = carpeta.id
                WHERE carpeta.nombre >= ?1 AND carpeta.nombre < ?2 LIMIT ?3)",
        )?
        .execute((first, last, limit(BURIED_MAX)))?;
    conn.prepare_cached("DELETE FROM carpeta WHERE nombre >= ?1 AND nombre < ?2 AND imagenes = 0")?
        .execute((first, last))?;
    Ok(buried == BURIED_MAX)
}

/// A folder's row, and how many faces it has.
fn find(conn: &Connection, folder: &str) -> Result<Option<(i64, u64)>, StoreError> {
    let found = conn
        .prepare_cached("SELECT id, imagenes FROM carpeta WHERE nombre = ?1")?
        .query_row([folder], |row| Ok((row.get("id")?, row.get("imagenes")?)))
        .optional()?;
    Ok(found)
}

/// The given names that a folder lacks; all of them if there is no such folder.
pub(super) fn missing(
    conn: &Connection,
    folder: &str,
    names: Vec<String>,
) -> Result<Vec<String>, StoreError> {
    let Some((folder, _)) = find(conn, folder)? else { return Ok(names) };
    let mut known = conn.prepare_cached("SELECT 1 FROM imagen WHERE carpeta = ?1 AND nombre = ?2")?;
    let mut lacking = Vec::new();
    for name in names {
        if !known.exists((folder, &name))? {
            lacking.push(name);
        }
    }
    Ok(lacking)
}

/// Folders in order of their names, from `from` on, and how many faces each has.
pub(super) fn folders(conn: &Connection, from: Option<&str>, max: usize) -> Result<FolderPage, StoreError> {
    let [first, last] = HIDDEN;
    let mut folders: Vec<(String, u64)> = conn
        .prepare_cached(
            "SELECT nombre, imagenes FROM carpeta
             WHERE nombre >= ?1 AND NOT (nombre >= ?3 AND nombre < ?4) ORDER BY nombre LIMIT ?2",
        )?
        .query_map((from.unwrap_or(""), limit(max).saturating_add(1), first, last), |row| {
            Ok((row.get("nombre")?, row.get("imagenes")?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let next = (folders.len() > max).then(|| folders.pop()).flatten().map(|(name, _)| name);
    Ok(FolderPage { folders, next })
}

/// Names in a folder, from `from` on.
pub(super) fn names(
    conn: &Connection,
    folder: &str,
    from: Option<&str>,
    max: usize,
) -> Result<Option<Page>, StoreError> {
    let Some((folder, total)) = find(conn, folder)? else { return Ok(None) };
    let mut names: Vec<String> = conn
        .prepare_cached(
            "SELECT nombre FROM imagen WHERE carpeta = ?1 AND nombre >= ?2 ORDER BY nombre LIMIT ?3",
        )?
        // One more: the next part begins there. No name is empty: all are after the empty one.
        .query_map((folder, from.unwrap_or(""), limit(max).saturating_add(1)), |row| row.get("nombre"))?
        .collect::<rusqlite::Result<_>>()?;
    let next = (names.len() > max).then(|| names.pop()).flatten();
    Ok(Some(Page { total, names, next }))
}

/// One face, or none; None if there is no such folder.
pub(super) fn face(conn: &Connection, folder: &str, name: &str) -> Result<Option<Vec<Face>>, StoreError> {
    let Some((folder, _)) = find(conn, folder)? else { return Ok(None) };
    let face = conn
        .prepare_cached(
            "SELECT nombre, imagen_str, pixeles, suma FROM imagen WHERE carpeta = ?1 AND nombre = ?2",
        )?
        .query_row((folder, name), of)
        .optional()?;
    face.into_iter().collect::<Result<_, _>>().map(Some)
}

pub(super) fn faces(
    conn: &Connection,
    folder: &str,
    after: Option<&str>,
    max: usize,
) -> Result<Option<Vec<Face>>, StoreError> {
    let Some((folder, _)) = find(conn, folder)? else { return Ok(None) };
    conn.prepare_cached(
        "SELECT nombre, imagen_str, pixeles, suma FROM imagen
             WHERE carpeta = ?1 AND nombre > ?2 ORDER BY nombre LIMIT ?3",
    )?
    .query_map((folder, after.unwrap_or(""), limit(max)), of)?
    .map(|face| face?)
    .collect::<Result<_, _>>()
    .map(Some)
}

/// The row's face, unless it is not what its checksum was made of.
fn of(row: &Row<'_>) -> rusqlite::Result<Result<Face, StoreError>> {
    let samples: Vec<u8> = row.get("pixeles")?;
    let (name, image): (String, String) = (row.get("nombre")?, row.get("imagen_str")?);
    let sum: Option<u32> = row.get("suma")?;
    if sum.is_some_and(|sum| sum != sums::of_face(&image, &samples)) {
        let words = format!("la imagen «{name}» del banco está dañada: su suma no coincide");
        return Ok(Err(StoreError::Damaged(words)));
    }
    Ok(Ok(Face { name, image, samples: Bytes::from(samples) }))
}

/// SQLite counts in i64, and takes a negative limit for no limit.
fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
