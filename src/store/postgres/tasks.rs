//! The life of a task, one statement per change.
//!
//! A task that has not ended has a row in `tp2_queue`: without a server it waits, with one it is in work there, under
//! that server's `attempt`. Ending it deletes the row by both, so that a late end changes nothing. Each statement
//! changes everything that belongs together, and nothing if it does not find its row.
use std::time::SystemTime;

use tokio_postgres::Row;
use uuid::Uuid;

use super::error::PgError;
use super::link::{Conn, get, signed, unsigned};
use super::{PIECE_SIZE, Server};
use crate::model::picture::Picture;
use crate::model::task::{Problem, Status, Submission};
use crate::store::{Acceptance, rules};

/// Accepts a task; wakes one idle server, if there is one.
pub(super) const ACCEPT: &str = "WITH new AS (
    INSERT INTO tp2_task (id, seq, accepted_at, received, transform, key, digest)
    VALUES ($1::uuid, nextval('tp2_order'), coalesce($2::timestamptz, now()), $3::bigint, $4, $5, $6)
    ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING RETURNING seq
), waits AS (INSERT INTO tp2_queue (id, seq, length) SELECT $1::uuid, seq, $3::bigint FROM new),
kept AS (INSERT INTO tp2_upload (task, number, bytes) SELECT $1::uuid, 0, $7::bytea FROM new),
sums AS (UPDATE tp2_ledger SET live = live + 1 WHERE slot = $8 AND EXISTS (SELECT FROM new)),
idle AS (SELECT id FROM tp2_server WHERE idle AND id <> $9::uuid AND seen_at > now() - interval '10 seconds'
    LIMIT 1 FOR UPDATE SKIP LOCKED),
woken AS (UPDATE tp2_server SET idle = false WHERE id IN (SELECT id FROM idle) AND EXISTS (SELECT FROM new) RETURNING id)
SELECT seq, (SELECT count(pg_notify('tp2', 'w' || id)) FROM woken) FROM new";

/// A further piece of an upload. Its task waits, but no server can have claimed it yet.
pub(super) const UPLOAD_MORE: &str = "INSERT INTO tp2_upload (task, number, bytes)
    SELECT $1::uuid, $2::integer, $3::bytea WHERE EXISTS (SELECT FROM tp2_queue WHERE id = $1::uuid)";

pub(super) const KEYED: &str = "SELECT id, digest FROM tp2_task WHERE key = $1";

/// Takes the oldest that no other transaction has locked; the server is idle if none waits. Large tables are not joined:
/// a merge join would read all uploads that wait. A row with the place 0: some
/// wait, and others have locked all of them.
pub(super) const CLAIM: &str = "WITH next AS MATERIALIZED (
    SELECT id, seq, crashes, tries, length FROM tp2_queue
    WHERE server IS NULL AND crashes <= $2::integer AND EXISTS (SELECT FROM tp2_server WHERE id = $1::uuid)
    ORDER BY crashes DESC, seq LIMIT $3::bigint FOR UPDATE SKIP LOCKED
), placed AS (
    SELECT *, row_number() OVER inorder AS place, max(crashes) OVER () AS worst,
        sum(CASE WHEN length <= $5::bigint THEN length ELSE 0 END) OVER inorder AS total
    FROM next WINDOW inorder AS (ORDER BY crashes DESC, seq ROWS UNBOUNDED PRECEDING)
), taken AS (
    UPDATE tp2_queue q SET server = $1::uuid, attempt = q.attempt + 1, begun_at = coalesce($7::timestamptz, now()) FROM placed p
    WHERE q.id = p.id AND (p.length > $5::bigint OR p.total <= $4::bigint) AND (p.worst = 0 OR (p.place = 1 AND $6::boolean))
    RETURNING q.id, q.attempt
), held AS (
    SELECT WHERE NOT EXISTS (SELECT FROM next)
        AND EXISTS (SELECT FROM tp2_queue WHERE server IS NULL AND crashes <= $2::integer)
        AND EXISTS (SELECT FROM tp2_server WHERE id = $1::uuid)
), noted AS (
    UPDATE tp2_server SET idle = NOT idle
    WHERE id = $1::uuid AND idle = (EXISTS (SELECT FROM next) OR EXISTS (SELECT FROM held))
)
SELECT p.id, p.crashes, p.tries, p.length, p.place, p.worst, taken.attempt,
    (SELECT transform FROM tp2_task t WHERE t.id = p.id) AS transform,
    (SELECT bytes FROM tp2_upload u WHERE u.task = taken.id AND u.number = 0 AND p.length <= $5::bigint) AS bytes
FROM placed p LEFT JOIN taken ON taken.id = p.id
UNION ALL SELECT NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL FROM held ORDER BY place";

pub(super) const UPLOADED: &str = "SELECT bytes FROM tp2_upload WHERE task = $1 AND number = $2";

/// Ends a task that a server has in work, or, where the server is null, one that waits.
const DONE: &str = "WITH gone AS (
    DELETE FROM tp2_queue WHERE id = $1::uuid AND server IS NOT DISTINCT FROM $2::uuid AND attempt = $3::integer
    RETURNING begun_at, watched
), freed AS (DELETE FROM tp2_upload WHERE task = $1::uuid AND EXISTS (SELECT FROM gone)),
ended AS (UPDATE tp2_task SET state = 2, begun_at = gone.begun_at, ended_at = coalesce($4::timestamptz, now()),
    format = $5, width = $6, height = $7, length = $8::bigint FROM gone WHERE id = $1::uuid),
kept AS (INSERT INTO tp2_result (task, number, bytes) SELECT $1::uuid, 0, $9::bytea FROM gone),
sums AS (UPDATE tp2_ledger SET live = live - 1, done = done + 1, bytes = bytes + $8::bigint
    WHERE slot = $10 AND EXISTS (SELECT FROM gone))
SELECT (SELECT sum(bytes) FROM tp2_ledger)::bigint + $8::bigint AS bytes,
    CASE WHEN watched THEN pg_notify('tp2', 'e' || $1::uuid) END FROM gone";

/// A further piece of the result of a task that this server is ending.
const RESULT_MORE: &str = "INSERT INTO tp2_result (task, number, bytes) VALUES ($1, $2, $3)";

const FAILED: &str = "WITH gone AS (
    DELETE FROM tp2_queue WHERE id = $1::uuid AND server IS NOT DISTINCT FROM $2::uuid AND attempt = $3::integer
    RETURNING begun_at, watched
), freed AS (DELETE FROM tp2_upload WHERE task = $1::uuid AND EXISTS (SELECT FROM gone)),
ended AS (UPDATE tp2_task SET state = 3, begun_at = gone.begun_at, ended_at = coalesce($4::timestamptz, now()),
    code = $5, slug = $6, detail = $7 FROM gone WHERE id = $1::uuid),
sums AS (UPDATE tp2_ledger SET live = live - 1, failed = failed + 1 WHERE slot = $8 AND EXISTS (SELECT FROM gone))
SELECT CASE WHEN watched THEN pg_notify('tp2', 'e' || $1::uuid) END FROM gone";

const RELEASE: &str = "UPDATE tp2_queue SET server = NULL, begun_at = NULL, tries = tries + $4::integer
    WHERE id = $1 AND server = $2 AND attempt = $3";

/// If the task is being ended just now, that comes first, and the deletion sees all of it.
const LOCK: &str = "SELECT FROM tp2_queue WHERE id = $1 FOR UPDATE";
const DELETE: &str = "WITH waited AS (DELETE FROM tp2_queue WHERE id = $1::uuid RETURNING watched),
gone AS (DELETE FROM tp2_task WHERE id = $1::uuid RETURNING state, length),
uploads AS (DELETE FROM tp2_upload WHERE task = $1::uuid),
results AS (DELETE FROM tp2_result WHERE task = $1::uuid),
sums AS (UPDATE tp2_ledger SET live = live - (state = 0)::integer, done = done - (state = 2)::integer,
    failed = failed - (state = 3)::integer, expired = expired - (state = 4)::integer,
    bytes = bytes - CASE WHEN state = 2 THEN coalesce(length, 0) ELSE 0 END FROM gone WHERE slot = $2)
SELECT (SELECT count(pg_notify('tp2', 'e' || $1::uuid)) FROM waited WHERE watched) FROM gone";

pub(super) const PROBE: &str = "UPDATE tp2_ledger SET probes = probes + 1 WHERE slot = $1";

const RELEASE_ALL: &str =
    "UPDATE tp2_queue SET server = NULL, begun_at = NULL, tries = tries + 1 WHERE server = $1";
/// Releases the tasks of a claim whose answer was lost.
const RELEASE_OTHERS: &str =
    "UPDATE tp2_queue SET server = NULL, begun_at = NULL WHERE server = $1 AND NOT id = ANY($2)";

/// Every statement that a batch may use.
pub(super) const STATEMENTS: [&str; 7] = [ACCEPT, CLAIM, DONE, FAILED, RELEASE, LOCK, DELETE];

/// A task in work at this server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) id: Uuid,
    pub(super) attempt: i32,
}

/// The first piece of a file.
fn first(file: &[u8]) -> &[u8] {
    file.chunks(PIECE_SIZE).next().unwrap_or_default()
}

/// Whether a file fits one statement.
pub(super) fn is_small(file: &[u8]) -> bool {
    file.len() <= PIECE_SIZE
}

/// The pieces after the first, numbered.
fn rest(file: &[u8]) -> impl Iterator<Item = (i32, &[u8])> {
    (0..).zip(file.chunks(PIECE_SIZE)).skip(1)
}

/// Stores a submission; false, and nothing is done, if its key exists.
pub(super) async fn accept(conn: &Conn, server: &Server, submission: &Submission) -> Result<bool, PgError> {
    let Submission { id, picture, transform, key, at, reservation: _ } = submission;
    let digest = key.as_ref().map(|_| rules::digest(picture, transform));
    let digest = digest.as_ref().map(|digest| &digest[..]);
    let received = signed(picture.len() as u64);
    let rows = conn
        .query(
            ACCEPT,
            &[
                id,
                &server.time(*at),
                &received,
                &transform.to_string(),
                key,
                &digest,
                &first(picture),
                &server.slot,
                &server.id,
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// The same for a submission of several pieces, within a transaction.
pub(super) async fn accept_large(
    conn: &mut Conn,
    server: &Server,
    submission: &Submission,
) -> Result<bool, PgError> {
    conn.prepare(ACCEPT).await?;
    let is_new = accept(conn, server, submission).await?;
    if is_new {
        let more = conn.prepare(UPLOAD_MORE).await?;
        for (number, piece) in rest(&submission.picture) {
            conn.client.execute(&more, &[&submission.id, &number, &piece]).await?;
        }
    }
    Ok(is_new)
}

/// The state of the task that has this key; None if it is gone meanwhile.
pub(super) async fn same(conn: &mut Conn, submission: &Submission) -> Result<Option<Acceptance>, PgError> {
    let keyed = conn.prepare(KEYED).await?;
    let rows = conn.client.query(&keyed, &[&submission.key]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let digest = rules::digest(&submission.picture, &submission.transform);
    if get::<&[u8]>(row, "digest")? != digest {
        return Ok(Some(Acceptance::Different));
    }
    let status: Option<Status> = super::status::status(conn, get(row, "id")?).await?;
    Ok(status.map(Acceptance::Same))
}

/// What one query of the queue's head asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) crashes_max: u32,
    pub(super) is_alone: bool,
    pub(super) at: SystemTime,
    /// Bytes of memory free now, and the most there could be.
    pub(super) room: u64,
    pub(super) bytes_max: u64,
    pub(super) count: usize,
}

pub(super) async fn claim(conn: &Conn, server: &Server, look: &Look) -> Result<Vec<Row>, PgError> {
    let Look { crashes_max, is_alone, at, room, bytes_max, count } = *look;
    let crashes_max = i32::try_from(crashes_max).unwrap_or(i32::MAX);
    let [room, bytes_max, count] = [room, bytes_max, count as u64].map(signed);
    conn.query(CLAIM, &[&server.id, &crashes_max, &count, &room, &bytes_max, &is_alone, &server.time(at)])
        .await
}

/// Ends a task in work. None, and nothing is stored, if it is not in work; else the bytes of all results.
pub(super) async fn done(
    conn: &Conn,
    server: &Server,
    held: Held,
    at: SystemTime,
    picture: &Picture,
) -> Result<Option<u64>, PgError> {
    let Picture { file, format, width, height, .. } = picture;
    let (width, height, length) = (i64::from(*width), i64::from(*height), signed(file.len() as u64));
    let Held { id, attempt } = held;
    let rows = conn
        .query(
            DONE,
            &[
                &id,
                &server.id,
                &attempt,
                &server.time(at),
                &format.extension(),
                &width,
                &height,
                &length,
                &first(file),
                &server.slot,
            ],
        )
        .await?;
    // A sum that other servers are about to change may be too small for a moment.
    rows.first().map(|row| Ok(get::<i64>(row, "bytes")?.max(0).unsigned_abs())).transpose()
}

/// The same for a result of several pieces, within a transaction.
pub(super) async fn done_large(
    conn: &mut Conn,
    server: &Server,
    held: Held,
    at: SystemTime,
    picture: &Picture,
) -> Result<Option<u64>, PgError> {
    conn.prepare(DONE).await?;
    let ended = done(conn, server, held, at, picture).await?;
    if ended.is_some() {
        let more = conn.prepare(RESULT_MORE).await?;
        for (number, piece) in rest(&picture.file) {
            conn.client.execute(&more, &[&held.id, &number, &piece]).await?;
        }
    }
    Ok(ended)
}

/// Ends a task that is in work at `holder`, or waits, without a result.
pub(super) async fn fail(
    conn: &Conn,
    server: &Server,
    holder: Option<Uuid>,
    held: Held,
    at: SystemTime,
    problem: &Problem,
) -> Result<bool, PgError> {
    let Problem { code, slug, detail } = problem;
    let Held { id, attempt } = held;
    // PostgreSQL texts can't have a NUL.
    let detail = detail.replace('\0', " ");
    let rows = conn
        .query(
            FAILED,
            &[&id, &holder, &attempt, &server.time(at), &i32::from(*code), slug, &detail, &server.slot],
        )
        .await?;
    Ok(!rows.is_empty())
}

pub(super) async fn prepare_failure(conn: &mut Conn) -> Result<(), PgError> {
    conn.prepare(FAILED).await.map(|_| ())
}

/// Requeues a task in work; `tried`: the try counts.
pub(super) async fn release(conn: &Conn, server: &Server, held: Held, tried: bool) -> Result<bool, PgError> {
    let Held { id, attempt } = held;
    Ok(conn.execute(RELEASE, &[&id, &server.id, &attempt, &i32::from(tried)]).await? > 0)
}

/// Deletes a task in any state, with all that belongs to it.
pub(super) async fn delete(conn: &Conn, server: &Server, id: Uuid) -> Result<bool, PgError> {
    // Both are sent at once, in this order.
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&id];
    let all: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&id, &server.slot];
    let (locked, deleted) =
        futures_util::future::join(conn.query(LOCK, &values), conn.query(DELETE, &all)).await;
    locked?;
    Ok(!deleted?.is_empty())
}

/// Requeues everything that this server has in work.
pub(super) async fn release_all(conn: &mut Conn, server: &Server) -> Result<(), PgError> {
    conn.client.execute(RELEASE_ALL, &[&server.id]).await?;
    Ok(())
}

/// Requeues tasks that the database has in work here, but this server has not.
pub(super) async fn release_others(conn: &mut Conn, server: &Server, held: &[Uuid]) -> Result<(), PgError> {
    conn.client.execute(RELEASE_OTHERS, &[&server.id, &held]).await?;
    Ok(())
}

/// A claimed task, without the rest of its picture.
pub(super) struct Taken {
    pub(super) held: Held,
    pub(super) crashes: u32,
    pub(super) tries: u32,
    pub(super) length: u64,
}

/// Whether a row of [`claim`] says that all waiting tasks are locked.
pub(super) fn is_held(row: &Row) -> bool {
    get::<i64>(row, "place").is_ok_and(|place| place == 0)
}

/// The task in a row of [`claim`]; None: it was not taken.
pub(super) fn taken(row: &Row) -> Result<Option<Taken>, PgError> {
    let Some(attempt) = get::<Option<i32>>(row, "attempt")? else { return Ok(None) };
    let count = |column| get::<i32>(row, column).map(|count| count.max(0).unsigned_abs());
    let held = Held { id: get(row, "id")?, attempt };
    Ok(Some(Taken {
        held,
        crashes: count("crashes")?,
        tries: count("tries")?,
        length: unsigned(row, "length")?,
    }))
}

/// The picture of a claimed task; None if its stored pieces are inconsistent.
pub(super) async fn picture(conn: &mut Conn, row: &Row, taken: &Taken) -> Result<Option<Vec<u8>>, PgError> {
    let Some(start) = get::<Option<&[u8]>>(row, "bytes")? else { return Ok(None) };
    let (_, _, mut bytes) =
        rules::room_for(&(0..taken.length)).ok_or(PgError::NoRoom { length: taken.length })?;
    bytes.extend_from_slice(start);
    let more = conn.prepare(UPLOADED).await?;
    for number in 1.. {
        if bytes.len() as u64 >= taken.length {
            break;
        }
        let rows = conn.client.query(&more, &[&taken.held.id, &number]).await?;
        let Some(row) = rows.first() else { break };
        bytes.extend_from_slice(get(row, "bytes")?);
    }
    Ok((bytes.len() as u64 == taken.length).then_some(bytes))
}
