//! The statements of one transaction: which they are, and how they are sent.
//!
//! All go out together, in their order, between BEGIN and COMMIT: one round trip. A change of one statement alone needs
//! neither. Adjacent claims are one statement. Nothing here knows what an outcome leads to: that is the writer's.
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio_postgres::Row;
use uuid::Uuid;

use super::error::PgError;
use super::link::Conn;
use super::tasks::{self, Held, Look};
use super::{Server, bank};
use crate::store::{Acceptance, End, StoreReply, StoreWrite};

/// A statement, or two, of a transaction.
enum Op<'a> {
    Begin,
    Commit,
    Write(&'a StoreWrite, Option<Held>),
    Claims(Look),
}

pub(super) enum Outcome {
    Told(StoreReply),
    /// Its key exists.
    Known,
    /// It is not in work here; or it has ended, and there are so many bytes of results.
    Ended(Option<u64>),
    Claims(Vec<Row>),
}

/// Makes these changes in one transaction, all of them or none; an outcome for each, but one for adjacent claims.
pub(super) async fn commit(
    conn: &mut Conn,
    server: &Server,
    held: &HashMap<Uuid, i32>,
    run: &[(u64, StoreWrite)],
) -> Result<Vec<Outcome>, PgError> {
    for text in tasks::STATEMENTS.into_iter().chain(bank::STATEMENTS).chain([tasks::PROBE]) {
        conn.prepare(text).await?;
    }
    let mut ops = Vec::with_capacity(run.len() + 2);
    let is_single = matches!(run, [(_, write)] if is_one_statement(write));
    if !is_single {
        ops.push(Op::Begin);
    }
    let before = ops.len();
    for group in run.chunk_by(|(_, a), (_, b)| look_of(a).zip(look_of(b)).is_some_and(|(a, b)| a.is_like(&b)))
    {
        match group {
            [(_, write), ..] if let Some(look) = look_of(write) => {
                ops.push(Op::Claims(Look { count: group.len(), ..look }));
            }
            [(_, write), ..] => ops.push(Op::Write(write, held_of(write, held))),
            [] => {}
        }
    }
    let writes = ops.len() - before;
    if !is_single {
        ops.push(Op::Commit);
    }
    let done = in_order(ops.iter().map(|op| perform(conn, server, op))).await;
    let done = done.into_iter().collect::<Result<Vec<Outcome>, PgError>>()?;
    Ok(done.into_iter().skip(before).take(writes).collect())
}

/// Whether a change is a transaction of its own.
pub(super) fn is_alone(write: &StoreWrite) -> bool {
    match write {
        StoreWrite::Accept(submission) => !tasks::is_small(&submission.picture),
        StoreWrite::End { end: End::Done(picture), .. } => !tasks::is_small(&picture.file),
        StoreWrite::Sweep { .. } => true,
        _ => false,
    }
}

/// Whether a change needs no transaction around it.
fn is_one_statement(write: &StoreWrite) -> bool {
    !matches!(write, StoreWrite::Delete { .. } | StoreWrite::Insert { .. })
}

pub(super) fn look_of(write: &StoreWrite) -> Option<Look> {
    let StoreWrite::Claim { crashes_max, in_work, at, reservation } = write else { return None };
    let (room, bytes_max) = (reservation.room(), reservation.bytes_max());
    Some(Look { crashes_max: *crashes_max, is_alone: *in_work == 0, at: *at, room, bytes_max, count: 1 })
}

impl Look {
    /// Whether one statement can serve both.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.crashes_max, self.is_alone, self.bytes_max)
            == (other.crashes_max, other.is_alone, other.bytes_max)
    }
}

/// The attempt of the task that a change is about, if it is in work here.
fn held_of(write: &StoreWrite, held: &HashMap<Uuid, i32>) -> Option<Held> {
    match write {
        StoreWrite::End { id, .. } | StoreWrite::Release { id, .. } => {
            held.get(id).map(|&attempt| Held { id: *id, attempt })
        }
        _ => None,
    }
}

async fn perform(conn: &Conn, server: &Server, op: &Op<'_>) -> Result<Outcome, PgError> {
    Ok(match op {
        Op::Begin => {
            conn.client.batch_execute("BEGIN").await?;
            Outcome::Told(StoreReply::Nothing)
        }
        Op::Commit => {
            conn.client.batch_execute("COMMIT").await?;
            Outcome::Told(StoreReply::Nothing)
        }
        Op::Claims(look) => Outcome::Claims(tasks::claim(conn, server, look).await?),
        Op::Write(write, held) => match (write, held) {
            (StoreWrite::Accept(submission), _) => {
                let is_new = tasks::accept(conn, server, submission).await?;
                if is_new { Outcome::Told(StoreReply::Accepted(Acceptance::New)) } else { Outcome::Known }
            }
            (StoreWrite::End { at, end: End::Done(picture), .. }, Some(held)) => {
                Outcome::Ended(tasks::done(conn, server, *held, *at, picture).await?)
            }
            (StoreWrite::End { at, end: End::Failed(problem), .. }, Some(held)) => {
                let failed = tasks::fail(conn, server, Some(server.id), *held, *at, problem).await?;
                Outcome::Ended(failed.then_some(0))
            }
            (StoreWrite::Release { tried, .. }, Some(held)) => {
                Outcome::Told(StoreReply::Known(tasks::release(conn, server, *held, *tried).await?))
            }
            // Not in work here.
            (StoreWrite::End { .. } | StoreWrite::Release { .. }, None) => {
                Outcome::Told(StoreReply::Known(false))
            }
            (StoreWrite::Delete { id }, _) => {
                Outcome::Told(StoreReply::Known(tasks::delete(conn, server, *id).await?))
            }
            (StoreWrite::Probe | StoreWrite::ProbeBank, _) => {
                conn.execute(tasks::PROBE, &[&server.slot]).await?;
                Outcome::Told(StoreReply::Nothing)
            }
            (StoreWrite::Insert { folder, face }, _) => {
                Outcome::Told(StoreReply::Inserted(bank::insert(conn, folder, face).await?))
            }
            (StoreWrite::RemoveFace { folder, name }, _) => {
                Outcome::Told(StoreReply::Known(bank::remove_face(conn, folder, name).await?))
            }
            (StoreWrite::RemoveFolder { folder }, _) => {
                let known = bank::remove_faces(conn, folder).await?;
                Outcome::Told(StoreReply::Removed { known, more: known })
            }
            // Handled elsewhere.
            (StoreWrite::Claim { .. } | StoreWrite::Sweep { .. }, _) => Outcome::Told(StoreReply::Nothing),
        },
    })
}

/// Runs this within a transaction: completely or, if it fails, not at all.
pub(super) async fn in_transaction<T>(
    conn: &mut Conn,
    work: impl AsyncFn(&mut Conn) -> Result<T, PgError>,
) -> Result<T, PgError> {
    conn.client.batch_execute("BEGIN").await?;
    let done = work(conn).await?;
    conn.client.batch_execute("COMMIT").await?;
    Ok(done)
}

/// Starts all of these in order, and waits for all. Answers on one connection come in the same order, so only the
/// first pending one is polled again.
async fn in_order<F: Future>(works: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut works: Vec<Pin<Box<F>>> = works.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = Vec::with_capacity(works.len());
    let mut next = 0;
    poll_fn(|context| {
        if done.is_empty() {
            for work in &mut works {
                done.push(match work.as_mut().poll(context) {
                    Poll::Ready(output) => Some(output),
                    Poll::Pending => None,
                });
            }
        }
        while let Some(slot) = done.get_mut(next) {
            if slot.is_none() {
                match works[next].as_mut().poll(context) {
                    Poll::Ready(output) => *slot = Some(output),
                    Poll::Pending => return Poll::Pending,
                }
            }
            next += 1;
        }
        Poll::Ready(())
    })
    .await;
    done.into_iter().flatten().collect()
}
