//! Reading tasks.
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PIECE;
use super::error::PgError;
use super::link::{Conn, get, signed, unsigned};
use crate::http::format::Format;
use crate::model::admission::{Full, Reservation};
use crate::model::task::{Problem, Shape, Status, TaskState};
use crate::store::rules;

const STATUS: &str = "SELECT t.id, t.state, t.received, t.accepted_at, coalesce(q.begun_at, t.begun_at) AS begun_at, t.ended_at,
    t.code, t.slug, t.detail, t.format, t.width, t.height, t.length, q.server IS NOT NULL AS running
    FROM tp2_task t LEFT JOIN tp2_queue q ON q.id = t.id WHERE t.id = $1";
const WATCH: &str = "UPDATE tp2_queue SET watched = true WHERE id = $1 AND NOT watched";
const ENDED: &str = "SELECT id FROM tp2_task WHERE id = ANY($1) AND state >= 2";
const COUNTS: &str = "SELECT sum(live)::bigint AS live, sum(done)::bigint AS done, sum(failed)::bigint AS failed,
    sum(expired)::bigint AS expired, (SELECT count(*) FROM tp2_queue WHERE server IS NOT NULL) AS running FROM tp2_ledger";
const LENGTH: &str = "SELECT length FROM tp2_task WHERE id = $1 AND state = 2 AND length IS NOT NULL";
const PIECE_OF_RESULT: &str =
    "SELECT substring(bytes FROM $3 FOR $4) AS bytes FROM tp2_result WHERE task = $1 AND number = $2";

async fn query(
    conn: &mut Conn,
    text: &'static str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, PgError> {
    let statement = conn.prepare(text).await?;
    Ok(conn.client.query(&statement, values).await?)
}

pub(super) async fn status(conn: &mut Conn, id: Uuid) -> Result<Option<Status>, PgError> {
    query(conn, STATUS, &[&id]).await?.first().map(of).transpose()
}

/// The same; from now on the server that ends the task notifies the others.
pub(super) async fn watch(conn: &mut Conn, id: Uuid) -> Result<Option<Status>, PgError> {
    let (mark, look) = (conn.prepare(WATCH).await?, conn.prepare(STATUS).await?);
    // The read comes second: it sees a task that ended in between.
    let values: [&(dyn ToSql + Sync); 1] = [&id];
    let (marked, rows) =
        futures_util::future::join(conn.client.execute(&mark, &values), conn.client.query(&look, &values))
            .await;
    marked?;
    rows?.first().map(of).transpose()
}

fn of(row: &Row) -> Result<Status, PgError> {
    let is_running: bool = get(row, "running")?;
    let state = match get::<i16>(row, "state")? {
        0 if is_running => TaskState::Running,
        0 => TaskState::Pending,
        2 => TaskState::Done,
        3 => TaskState::Failed,
        4 => TaskState::Expired,
        _ => return Err(PgError::Strange),
    };
    let side =
        |column| get::<i64>(row, column).and_then(|side| u32::try_from(side).map_err(|_| PgError::Strange));
    let result = match get::<Option<&str>>(row, "format")? {
        Some(format) => Some(Shape {
            format: Format::from_parameter(format).ok_or(PgError::Strange)?,
            width: side("width")?,
            height: side("height")?,
            length: unsigned(row, "length")?,
        }),
        None => None,
    };
    let problem = match get::<Option<i32>>(row, "code")? {
        Some(code) => Some(Problem {
            code: u16::try_from(code).map_err(|_| PgError::Strange)?,
            slug: get(row, "slug")?,
            detail: get(row, "detail")?,
        }),
        None => None,
    };
    Ok(Status {
        id: get(row, "id")?,
        state,
        received: unsigned(row, "received")?,
        accepted_at: get(row, "accepted_at")?,
        begun_at: get::<Option<SystemTime>>(row, "begun_at")?,
        ended_at: get::<Option<SystemTime>>(row, "ended_at")?,
        result,
        problem,
    })
}

pub(super) async fn ended(conn: &mut Conn, ids: &[Uuid]) -> Result<Vec<Uuid>, PgError> {
    query(conn, ENDED, &[&ids]).await?.iter().map(|row| get(row, "id")).collect()
}

/// How many tasks there are in each state; the rows of ended tasks are not read.
pub(super) async fn counts(conn: &mut Conn) -> Result<[(TaskState, u64); 5], PgError> {
    let rows = query(conn, COUNTS, &[]).await?;
    let row = rows.first().ok_or(PgError::Strange)?;
    let count = |column| Ok::<_, PgError>(get::<i64>(row, column)?.max(0).unsigned_abs());
    let (live, running) = (count("live")?, count("running")?);
    Ok([
        (TaskState::Pending, live.saturating_sub(running)),
        (TaskState::Running, running),
        (TaskState::Done, count("done")?),
        (TaskState::Failed, count("failed")?),
        (TaskState::Expired, count("expired")?),
    ])
}

/// Bytes of a task's result; None if there is none, or not so many.
pub(super) async fn file(
    conn: &mut Conn,
    id: Uuid,
    range: Range<u64>,
    reservation: &mut Reservation,
) -> Result<Option<Bytes>, PgError> {
    reservation.shrink_to(0);
    let rows = query(conn, LENGTH, &[&id]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    if range.start > range.end || range.end > unsigned(row, "length")? {
        return Ok(None);
    }
    let length = range.end - range.start;
    reservation.charge(length).map_err(|Full| PgError::NoRoom { length })?;
    let (_, size, mut bytes) = rules::room_for(&range).ok_or(PgError::NoRoom { length })?;
    let mut at = range.start;
    while at < range.end {
        let (number, within) = (at / PIECE, at % PIECE);
        let wanted = (PIECE - within).min(range.end - at);
        let [number, first, wanted_at_once] =
            [number, within + 1, wanted].map(|n| i32::try_from(n).unwrap_or(i32::MAX));
        let rows = query(conn, PIECE_OF_RESULT, &[&id, &number, &first, &wanted_at_once]).await?;
        // It may have expired since its length was read.
        let Some(row) = rows.first() else { return Ok(None) };
        let piece: &[u8] = get(row, "bytes")?;
        if piece.len() as u64 != wanted {
            return Err(PgError::Strange);
        }
        bytes.extend_from_slice(piece);
        at += wanted;
    }
    debug_assert_eq!((bytes.len(), signed(length)), (size, signed(bytes.len() as u64)));
    Ok(Some(bytes.into()))
}
