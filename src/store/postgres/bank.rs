//! The image bank. Names are compared by their bytes, which the collation of their columns says.
//!
//! PostgreSQL texts have no NUL, so no name has one; a page that is to begin at a text with one begins at the first
//! text after it.
use std::borrow::Cow;

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::error::PgError;
use super::link::{Conn, get, signed, unsigned};
use crate::model::face::{Face, FolderPage, Page};

const MAKE: &str = "INSERT INTO tp2_carpeta (nombre) SELECT $1::text
    WHERE NOT EXISTS (SELECT FROM tp2_carpeta WHERE nombre = $1::text) ON CONFLICT DO NOTHING";
const INSERT: &str = "WITH folder AS (SELECT id FROM tp2_carpeta WHERE nombre = $1::text),
new AS (INSERT INTO tp2_imagen (carpeta, nombre, imagen_str, pixeles) SELECT id, $2, $3, $4 FROM folder
    ON CONFLICT DO NOTHING RETURNING carpeta)
UPDATE tp2_carpeta SET imagenes = imagenes + 1 WHERE id IN (SELECT carpeta FROM new)";
const REMOVE_FACE: &str = "WITH gone AS (DELETE FROM tp2_imagen WHERE nombre = $2
    AND carpeta = (SELECT id FROM tp2_carpeta WHERE nombre = $1::text) RETURNING carpeta)
UPDATE tp2_carpeta SET imagenes = imagenes - 1 WHERE id IN (SELECT carpeta FROM gone)";
/// A bounded number of them.
const REMOVE_FACES: &str = "WITH gone AS (DELETE FROM tp2_imagen WHERE (carpeta, nombre) IN (
        SELECT i.carpeta, i.nombre FROM tp2_imagen i JOIN tp2_carpeta c ON c.id = i.carpeta
        WHERE c.nombre = $1::text LIMIT 500) RETURNING carpeta),
sum AS (SELECT carpeta, count(*) AS faces FROM gone GROUP BY carpeta)
UPDATE tp2_carpeta SET imagenes = imagenes - sum.faces FROM sum WHERE id = sum.carpeta";
// A folder without faces does not exist; its row stays, because another server may be about to add a face.
const FOLDER: &str = "SELECT id, imagenes FROM tp2_carpeta WHERE nombre = $1 AND imagenes > 0";
const FOLDERS: &str = "SELECT nombre, imagenes FROM tp2_carpeta WHERE nombre >= $1 AND imagenes > 0
    ORDER BY nombre LIMIT $2";
const MISSING: &str = "SELECT nombre FROM unnest($2::text[]) WITH ORDINALITY AS wanted (nombre, place)
    WHERE NOT EXISTS (SELECT FROM tp2_imagen i WHERE i.carpeta = $1 AND i.nombre = wanted.nombre) ORDER BY place";
const NAMES: &str =
    "SELECT nombre FROM tp2_imagen WHERE carpeta = $1 AND nombre >= $2 ORDER BY nombre LIMIT $3";
const FACE: &str = "SELECT nombre, imagen_str, pixeles FROM tp2_imagen WHERE carpeta = $1 AND nombre = $2";
const FACES: &str = "SELECT nombre, imagen_str, pixeles FROM tp2_imagen
    WHERE carpeta = $1 AND nombre > $2 ORDER BY nombre LIMIT $3";

/// Statements of the changes.
pub(super) const STATEMENTS: [&str; 4] = [MAKE, INSERT, REMOVE_FACE, REMOVE_FACES];

/// Adds a face unless its folder has one of that name; the database itself ensures that.
pub(super) async fn insert(conn: &Conn, folder: &str, face: &Face) -> Result<bool, PgError> {
    let Face { name, image, samples } = face;
    let (name_of_folder, samples): ([&(dyn ToSql + Sync); 1], &[u8]) = ([&folder], samples);
    let all: [&(dyn ToSql + Sync); 4] = [&folder, name, image, &samples];
    // Both are sent at once, in this order.
    let (made, inserted) =
        futures_util::future::join(conn.execute(MAKE, &name_of_folder), conn.execute(INSERT, &all)).await;
    made?;
    Ok(inserted? > 0)
}

/// Deletes a face; whether there was one.
pub(super) async fn remove_face(conn: &Conn, folder: &str, name: &str) -> Result<bool, PgError> {
    Ok(conn.execute(REMOVE_FACE, &[&folder, &name]).await? > 0)
}

/// Deletes a bounded number of faces of a folder; whether there were any.
pub(super) async fn remove_faces(conn: &Conn, folder: &str) -> Result<bool, PgError> {
    Ok(conn.execute(REMOVE_FACES, &[&folder]).await? > 0)
}

async fn query(
    conn: &mut Conn,
    text: &'static str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, PgError> {
    let statement = conn.prepare(text).await?;
    Ok(conn.client.query(&statement, values).await?)
}

/// A folder's row, and how many faces it has.
async fn find(conn: &mut Conn, folder: &str) -> Result<Option<(i64, u64)>, PgError> {
    let rows = query(conn, FOLDER, &[&folder]).await?;
    rows.first().map(|row| Ok((get(row, "id")?, unsigned(row, "imagenes")?))).transpose()
}

/// The given names that a folder lacks, in the order given; all of them if there is no such folder.
pub(super) async fn missing(conn: &mut Conn, folder: &str, names: &[String]) -> Result<Vec<String>, PgError> {
    let Some((folder, _)) = find(conn, folder).await? else { return Ok(names.to_vec()) };
    query(conn, MISSING, &[&folder, &names]).await?.iter().map(|row| get(row, "nombre")).collect()
}

/// Folders in order of their names, from `from` on, and how many faces each has.
pub(super) async fn folders(conn: &mut Conn, from: Option<&str>, max: usize) -> Result<FolderPage, PgError> {
    let values: [&(dyn ToSql + Sync); 2] = [&start(from), &limit(max).saturating_add(1)];
    let rows = query(conn, FOLDERS, &values).await?;
    let folders = rows.iter().map(|row| Ok((get(row, "nombre")?, unsigned(row, "imagenes")?)));
    let mut folders: Vec<(String, u64)> = folders.collect::<Result<_, PgError>>()?;
    let next = (folders.len() > max).then(|| folders.pop()).flatten().map(|(name, _)| name);
    Ok(FolderPage { folders, next })
}

/// Names in a folder, from `from` on.
pub(super) async fn names(
    conn: &mut Conn,
    folder: &str,
    from: Option<&str>,
    max: usize,
) -> Result<Option<Page>, PgError> {
    let Some((folder, total)) = find(conn, folder).await? else { return Ok(None) };
    // One more: the next part begins there.
    let values: [&(dyn ToSql + Sync); 3] = [&folder, &start(from), &limit(max).saturating_add(1)];
    let rows = query(conn, NAMES, &values).await?;
    let mut names: Vec<String> = rows.iter().map(|row| get(row, "nombre")).collect::<Result<_, _>>()?;
    let next = (names.len() > max).then(|| names.pop()).flatten();
    Ok(Some(Page { total, names, next }))
}

/// One face, or none; None if there is no such folder.
pub(super) async fn face(conn: &mut Conn, folder: &str, name: &str) -> Result<Option<Vec<Face>>, PgError> {
    let Some((folder, _)) = find(conn, folder).await? else { return Ok(None) };
    query(conn, FACE, &[&folder, &name]).await?.iter().map(of).collect::<Result<_, _>>().map(Some)
}

pub(super) async fn faces(
    conn: &mut Conn,
    folder: &str,
    after: Option<&str>,
    max: usize,
) -> Result<Option<Vec<Face>>, PgError> {
    let Some((folder, _)) = find(conn, folder).await? else { return Ok(None) };
    let rows = query(conn, FACES, &[&folder, &after.unwrap_or_default(), &limit(max)]).await?;
    rows.iter().map(of).collect::<Result<_, _>>().map(Some)
}

fn of(row: &Row) -> Result<Face, PgError> {
    let samples: &[u8] = get(row, "pixeles")?;
    Ok(Face {
        name: get(row, "nombre")?,
        image: get(row, "imagen_str")?,
        samples: Bytes::copy_from_slice(samples),
    })
}

/// Where a page begins: every text without a NUL that is not before `from` is not before this either. No name is
/// empty: all are after the empty one.
fn start(from: Option<&str>) -> Cow<'_, str> {
    let from = from.unwrap_or_default();
    match from.split_once('\0') {
        None => Cow::Borrowed(from),
        Some((before, _)) => Cow::Owned(format!("{before}\u{1}")),
    }
}

fn limit(max: usize) -> i64 {
    signed(max as u64)
}
