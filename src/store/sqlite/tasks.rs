//! The life of a task, as changes within a transaction of the caller.
//!
//! A task is `Pending`, `Running`, and then one of `Done` and `Failed`, once. From `Running` it may return to
//! `Pending`; after its end it can only expire or be deleted. Each change names its initial state in its `WHERE`, so
//! that a late change has no effect.
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, named_params};
use uuid::Uuid;

use super::blob::{self, StoredFile, Unread};
use super::kept::KeptRow;
use super::trouble::is_lasting;
use super::{retention, status, sums};
use crate::model::admission::{Full, Reservation};
use crate::model::picture::Picture;
use crate::model::task::{Problem, Submission};
use crate::model::transform::Transform;
use crate::store::{Acceptance, CRASHES_MAX, Claimed, End, Retention, StoreError, StoreReply, rules};

/// A claimed task: a [`Claim`](crate::model::task::Claim) without its reservation.
pub(super) struct DueTask {
    pub(super) id: Uuid,
    pub(super) picture: Vec<u8>,
    pub(super) transform: Transform,
    pub(super) suspect: bool,
    pub(super) tries: u32,
}

/// Stores a submission, unless its key exists.
pub(super) fn accept(conn: &Connection, submission: &Submission) -> Result<Acceptance, StoreError> {
    let Submission { id, picture, transform, key, at, reservation: _ } = submission;
    let digest = key.as_ref().map(|_| rules::digest(picture, transform));
    if let (Some(key), Some(digest)) = (key, &digest) {
        let known = conn
            .prepare_cached("SELECT id, digest FROM task WHERE key = ?1")?
            .query_row([key], |row| Ok((row.get("id")?, row.get::<_, [u8; 32]>("digest")?)))
            .optional()?;
        match known {
            Some((_, kept)) if kept != *digest => return Ok(Acceptance::Different),
            Some((KeptRow(id), _)) => {
                let vanished = || StoreError::Broken("una tarea tiene clave y no está".into());
                return status::status(conn, id)?.map(Acceptance::Same).ok_or_else(vanished);
            }
            None => {}
        }
    }
    conn.prepare_cached(
        "INSERT INTO task (id, accepted_at, received, transform, key, digest, sums)
         VALUES (:id, :at, :received, :transform, :key, :digest, :sums)",
    )?
    .execute(named_params! {
        ":id": KeptRow(*id),
        ":at": KeptRow(*at),
        ":received": picture.len(),
        ":transform": transform.to_string(),
        ":key": key,
        ":digest": digest,
        ":sums": sums::of_file(picture),
    })?;
    let seq = conn.last_insert_rowid();
    conn.prepare_cached("INSERT INTO upload (task, file) VALUES (?1, ?2)")?
        .execute((seq, blob::room(picture)))?;
    blob::write(conn, "upload", seq, picture)?;
    Ok(Acceptance::New)
}

/// Claims the next task; `reservation` is charged for its picture, and for nothing if there is none.
///
/// Of several suspects the one with most crashes comes first: it is the likeliest culprit.
pub(super) fn claim(
    conn: &Connection,
    crashes_max: u32,
    in_work: usize,
    at: SystemTime,
    reservation: &mut Reservation,
) -> Result<Result<DueTask, Claimed>, StoreError> {
    // A repeated transaction has charged it before.
    reservation.shrink_to(0);
    // Reads the index alone: an unreadable row must not hide its id.
    let next = conn
        .prepare_cached(
            "SELECT seq FROM task WHERE state = 0 AND crashes <= ?1 ORDER BY crashes DESC, seq LIMIT 1",
        )?
        .query_row([crashes_max], |row| row.get(0))
        .optional()?;
    let Some(seq) = next else { return Ok(Err(Claimed::Nothing)) };
    let NextTask { id, crashes, tries, length, transform, sums } = match next_of(conn, seq) {
        Err(error) if is_lasting(&error) => return give_up(conn, seq, at).map(Err),
        next => next?,
    };
    let suspect = crashes > 0;
    if suspect && in_work > 0 {
        return Ok(Err(Claimed::MustBeAlone));
    }
    let begin = || {
        conn.prepare_cached("UPDATE task SET state = 1, begun_at = ?2 WHERE seq = ?1")?
            .execute((seq, KeptRow(at)))
    };
    if length > reservation.bytes_max() {
        begin()?;
        return Ok(Err(Claimed::TooLarge { id, length }));
    }
    if let Err(Full) = reservation.charge(length) {
        return Ok(Err(Claimed::NoRoom { length }));
    }
    let file = StoredFile { table: "upload", row: seq, sums: sums.as_deref() };
    let picture = match file.read(conn, 0..length) {
        Err(Unread::NoRoom { length }) => {
            reservation.shrink_to(0);
            return Ok(Err(Claimed::NoRoom { length }));
        }
        Err(Unread::Damaged) => {
            reservation.shrink_to(0);
            return give_up(conn, seq, at).map(Err);
        }
        Err(Unread::Sqlite(error)) if is_lasting(&error) => {
            reservation.shrink_to(0);
            return give_up(conn, seq, at).map(Err);
        }
        read => read?,
    };
    begin()?;
    Ok(Ok(DueTask { id, picture, transform, suspect, tries }))
}

/// Ends a task that can't be read, so that later tasks are not blocked.
///
/// Known limit: a row on a damaged page can't be changed either.
fn give_up(conn: &Connection, seq: i64, at: SystemTime) -> Result<Claimed, StoreError> {
    note_failure(conn, seq, at, &rules::unreadable())?;
    // Damaged pages can't be freed: the picture then stays, without a task.
    conn.prepare_cached("SAVEPOINT upload")?.execute(())?;
    match forget_upload(conn, seq) {
        Err(StoreError::Damaged(_) | StoreError::Broken(_)) if !conn.is_autocommit() => {
            conn.prepare_cached("ROLLBACK TO upload")?.execute(())?;
        }
        forgotten => forgotten?,
    }
    conn.prepare_cached("RELEASE upload")?.execute(())?;
    let id = conn.query_row("SELECT id FROM task WHERE seq = ?1", [seq], |row| row.get("id"));
    let KeptRow(id) = id.unwrap_or(KeptRow(Uuid::nil()));
    Ok(Claimed::Unreadable { id })
}

/// The next task's values, before its picture is read.
struct NextTask {
    id: Uuid,
    crashes: u32,
    tries: u32,
    length: u64,
    transform: Transform,
    sums: Option<Vec<u8>>,
}

fn next_of(conn: &Connection, seq: i64) -> rusqlite::Result<NextTask> {
    conn.prepare_cached("SELECT id, crashes, tries, received, transform, sums FROM task WHERE seq = ?1")?
        .query_row([seq], |row| {
            let (KeptRow(id), KeptRow(transform)) = (row.get("id")?, row.get("transform")?);
            let (crashes, tries) = (row.get("crashes")?, row.get("tries")?);
            let (length, sums) = (row.get("received")?, row.get("sums")?);
            Ok(NextTask { id, crashes, tries, length, transform, sums })
        })
}

/// Ends a task in work; false, and nothing is stored, if it is not in work.
pub(super) fn end(
    conn: &Connection,
    id: Uuid,
    at: SystemTime,
    end: &End,
    retention: &Retention,
) -> Result<StoreReply, StoreError> {
    let running = "SELECT seq FROM task WHERE id = ?1 AND state = 1";
    let running = conn.prepare_cached(running)?.query_row([KeptRow(id)], |row| row.get(0)).optional()?;
    let Some(seq) = running else { return Ok(StoreReply::Known(false)) };
    match end {
        End::Failed(problem) => fail(conn, seq, at, problem)?,
        End::Done(picture) => {
            conn.prepare_cached(
                "UPDATE task SET state = 2, ended_at = ?2, sums = ?3, large = ?4 WHERE seq = ?1",
            )?
            .execute((
                seq,
                KeptRow(at),
                sums::of_file(&picture.file),
                picture.file.len() > rules::LARGE,
            ))?;
            forget_upload(conn, seq)?;
            keep_result(conn, seq, picture)?;
            retention::make_room(conn, retention, at, seq)?;
        }
    }
    Ok(StoreReply::Known(true))
}

fn keep_result(conn: &Connection, seq: i64, picture: &Picture) -> Result<(), StoreError> {
    let Picture { file, format, width, height, .. } = picture;
    conn.prepare_cached(
        "INSERT INTO result (task, format, width, height, length, file) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((seq, KeptRow(*format), width, height, file.len(), blob::room(file)))?;
    blob::write(conn, "result", seq, file)
}

fn fail(conn: &Connection, seq: i64, at: SystemTime, problem: &Problem) -> Result<(), StoreError> {
    note_failure(conn, seq, at, problem)?;
    forget_upload(conn, seq)
}

fn note_failure(conn: &Connection, seq: i64, at: SystemTime, problem: &Problem) -> Result<(), StoreError> {
    let Problem { code, slug, detail } = problem;
    conn.prepare_cached(
        "UPDATE task SET state = 3, ended_at = ?2, code = ?3, slug = ?4, detail = ?5, sums = NULL WHERE seq = ?1",
    )?
    .execute((seq, KeptRow(at), code, slug, detail))?;
    Ok(())
}

fn forget_upload(conn: &Connection, seq: i64) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM upload WHERE task = ?1")?.execute([seq])?;
    Ok(())
}

/// Requeues a task in work; `tried`: the try counts.
pub(super) fn release(conn: &Connection, id: Uuid, tried: bool) -> Result<StoreReply, StoreError> {
    let released = conn
        .prepare_cached(
            "UPDATE task SET state = 0, begun_at = NULL, tries = tries + ?2 WHERE id = ?1 AND state = 1",
        )?
        .execute((KeptRow(id), tried))?;
    Ok(StoreReply::Known(released > 0))
}

/// Deletes a task in any state, with all that belongs to it.
pub(super) fn delete(conn: &Connection, id: Uuid) -> Result<StoreReply, StoreError> {
    let deleted = conn.prepare_cached("DELETE FROM task WHERE id = ?1")?.execute([KeptRow(id)])?;
    Ok(StoreReply::Known(deleted > 0))
}

/// A write without effect.
pub(super) fn probe(conn: &Connection) -> Result<StoreReply, StoreError> {
    conn.prepare_cached("UPDATE ledger SET probes = probes + 1")?.execute(())?;
    Ok(StoreReply::Nothing)
}

/// After an orderly stop, or a crash: requeues what was in work, and counts a try.
pub(super) fn release_all(conn: &Connection) -> Result<(), StoreError> {
    conn.execute("UPDATE task SET state = 0, begun_at = NULL, tries = tries + 1 WHERE state = 1", ())?;
    Ok(())
}

/// After a crash: tasks in work may have caused it. Each waits again as a suspect, or has failed for good.
pub(super) fn recover(conn: &Connection, at: SystemTime) -> Result<(), StoreError> {
    conn.execute("UPDATE task SET crashes = crashes + 1 WHERE state = 1", ())?;
    let hopeless: Vec<i64> = conn
        .prepare("SELECT seq FROM task WHERE state = 1 AND crashes >= ?1")?
        .query_map([CRASHES_MAX], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for seq in hopeless {
        fail(conn, seq, at, &rules::hopeless())?;
    }
    release_all(conn)
}
