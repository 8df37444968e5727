//! Reading tasks.
use std::ops::Range;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::blob::StoredFile;
use super::kept::KeptRow;
use crate::model::admission::{Full, Reservation};
use crate::model::task::{Problem, Shape, Status, TaskState};
use crate::store::{StoreError, StoreSizes};

pub(super) fn status(conn: &Connection, id: Uuid) -> Result<Option<Status>, StoreError> {
    let known = conn
        .prepare_cached(
            "SELECT id, state, received, accepted_at, begun_at, ended_at, code, slug, detail,
                    result.format AS result_format, width, height, length
             FROM task LEFT JOIN result ON result.task = task.seq WHERE id = ?1",
        )?
        .query_row([KeptRow(id)], of)
        .optional()?;
    Ok(known)
}

fn of(row: &Row<'_>) -> rusqlite::Result<Status> {
    let (KeptRow(id), KeptRow(state)) = (row.get("id")?, row.get::<_, KeptRow<TaskState>>("state")?);
    let KeptRow(accepted_at) = row.get("accepted_at")?;
    let time =
        |column: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<_>>(column)?.map(|KeptRow(at)| at));
    let result = match row.get("result_format")? {
        Some(KeptRow(format)) => Some(Shape {
            format,
            width: row.get("width")?,
            height: row.get("height")?,
            length: row.get("length")?,
        }),
        None => None,
    };
    let problem = match row.get("code")? {
        Some(code) => Some(Problem { code, slug: row.get("slug")?, detail: row.get("detail")? }),
        None => None,
    };
    Ok(Status {
        id,
        state,
        received: row.get("received")?,
        accepted_at,
        begun_at: time("begun_at")?,
        ended_at: time("ended_at")?,
        result,
        problem,
    })
}

pub(super) fn ended(conn: &Connection, mut ids: Vec<Uuid>) -> Result<Vec<Uuid>, StoreError> {
    let mut ended = conn.prepare_cached("SELECT 1 FROM task WHERE id = ?1 AND state >= 2")?;
    let mut trouble = None;
    ids.retain(|id| {
        ended.exists([KeptRow(*id)]).unwrap_or_else(|error| {
            trouble = Some(error);
            false
        })
    });
    trouble.map_or(Ok(ids), |error| Err(error.into()))
}

/// How many tasks there are in each state. Only the index of each state is read.
pub(super) fn counts(conn: &Connection) -> Result<[(TaskState, u64); 5], StoreError> {
    let (waiting, running, done, failed, expired) = conn
        .prepare_cached(
            "SELECT (SELECT count(*) FROM task WHERE state = 0), (SELECT count(*) FROM task WHERE state = 1),
                    (SELECT count(*) FROM task WHERE state = 2), (SELECT count(*) FROM task WHERE state = 3),
                    (SELECT count(*) FROM task WHERE state = 4)",
        )?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    Ok([
        (TaskState::Pending, waiting),
        (TaskState::Running, running),
        (TaskState::Done, done),
        (TaskState::Failed, failed),
        (TaskState::Expired, expired),
    ])
}

/// Stored sizes: sums kept in tables, and the sizes of the file and its log.
pub(super) fn sizes(conn: &Connection) -> Result<StoreSizes, StoreError> {
    let (results, faces) = conn
        .prepare_cached(
            "SELECT (SELECT result_bytes FROM ledger), (SELECT coalesce(sum(imagenes), 0) FROM carpeta)",
        )?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let path = conn.path().unwrap_or_default();
    let length = |path: String| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let disk = length(path.to_owned()) + length(format!("{path}-wal"));
    Ok(StoreSizes { results: Some(results), faces: Some(faces), disk: Some(disk) })
}

/// Bytes of a task's result; None if there is none, or not so many.
pub(super) fn file(
    conn: &Connection,
    id: Uuid,
    range: Range<u64>,
    mut reservation: Reservation,
) -> Result<Option<(Bytes, Reservation)>, StoreError> {
    let kept = conn
        .prepare_cached(
            "SELECT seq, length, sums FROM task JOIN result ON result.task = task.seq WHERE id = ?1",
        )?
        .query_row([KeptRow(id)], |row| {
            Ok((row.get("seq")?, row.get::<_, u64>("length")?, row.get::<_, Option<Vec<u8>>>("sums")?))
        })
        .optional()?;
    let within =
        |&(_, length, _): &(i64, u64, Option<Vec<u8>>)| range.start <= range.end && range.end <= length;
    let Some((seq, _, sums)) = kept.filter(within) else { return Ok(None) };
    let length = range.end - range.start;
    reservation.charge(length).map_err(|Full| StoreError::NoRoom { length })?;
    let bytes = StoredFile { table: "result", row: seq, sums: sums.as_deref() }.read(conn, range)?;
    Ok(Some((bytes.into(), reservation)))
}
