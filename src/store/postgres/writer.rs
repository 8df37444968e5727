//! One batch, one transaction, one round trip: its statements are sent together, in their order, with the COMMIT
//! behind them.
//!
//! Writes of several pieces, and sweeps, are transactions of their own. If one change of a batch is refused, the
//! batch is rolled back and each change is tried by itself. Adjacent claims are one statement. Claimed tasks are
//! checked after the transaction: the next transaction gives back a task without memory for it.
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::SystemTime;

use tokio::task::JoinHandle;
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::PgError;
use super::link::{Conn, PgLink, Session, get};
use super::tasks::{self, Held, Look};
use super::{Lease, Server, bank, heartbeat, retention};
use crate::model::admission::{Full, Reservation};
use crate::model::task::Claim;
use crate::model::transform::Transform;
use crate::store::{
    Acceptance, Brake, Claimed, DeliverAnswer, End, Retention, StoreAnswer, StoreError, StoreReply,
    StoreWrite, Writer, rules,
};

/// This server's writer, and the tasks that it has in work.
pub(super) struct PgWriter {
    session: Session,
    server: Arc<Server>,
    retention: Retention,
    /// The tasks in work here, and their attempt.
    held: HashMap<Uuid, i32>,
    /// The answer to a claim was lost: the database may have tasks in work here that this server does not know.
    is_doubtful: bool,
    heartbeat: Option<JoinHandle<()>>,
    deliver: Arc<OnceLock<DeliverAnswer>>,
}

/// A statement, or two, of a transaction.
enum Op<'a> {
    Begin,
    Commit,
    Write(&'a StoreWrite, Option<Held>),
    Claims(Look),
}

enum Outcome {
    Told(StoreReply),
    /// Its key exists.
    Known,
    /// It is not in work here; or it has ended, and there are so many bytes of results.
    Ended(Option<u64>),
    Claims(Vec<Row>),
}

impl PgWriter {
    pub(super) fn open(
        link: &Arc<PgLink>,
        server: Server,
        lease: Lease,
        retention: Retention,
        at: SystemTime,
    ) -> Result<Self, PgError> {
        let mut session = Session::new(Arc::clone(link));
        session.attempt(async |conn| {
            super::schema::migrate(conn).await?;
            heartbeat::beat(conn, &server, lease, at).await
        })?;
        let (server, deliver) = (Arc::new(server), Arc::new(OnceLock::new()));
        let beats = heartbeat::run(Arc::clone(link), Arc::clone(&server), lease, Arc::clone(&deliver));
        let (held, heartbeat) = (HashMap::new(), link.spawn(beats));
        Ok(Self { session, server, retention, held, is_doubtful: false, heartbeat, deliver })
    }

    /// Makes these changes in one transaction, all of them or none.
    fn commit(&mut self, run: &[(u64, StoreWrite)]) -> Result<Vec<Outcome>, StoreError> {
        let (server, held) = (&self.server, &self.held);
        self.session.run(async |conn| {
            for text in tasks::STATEMENTS.into_iter().chain(bank::STATEMENTS).chain([tasks::PROBE]) {
                conn.prepare(text).await?;
            }
            let mut ops = Vec::with_capacity(run.len() + 2);
            let is_single = matches!(run, [(_, write)] if is_one_statement(write));
            if !is_single {
                ops.push(Op::Begin);
            }
            let before = ops.len();
            for group in
                run.chunk_by(|(_, a), (_, b)| look_of(a).zip(look_of(b)).is_some_and(|(a, b)| a.is_like(&b)))
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
        })
    }

    /// Answers simple changes, each of at most one piece.
    fn write_run(&mut self, run: Vec<(u64, StoreWrite)>, answers: &mut Vec<StoreAnswer>) {
        let outcomes = match self.commit(&run) {
            Ok(outcomes) => outcomes,
            Err(trouble) => {
                self.is_doubtful |= run.iter().any(|(_, write)| matches!(write, StoreWrite::Claim { .. }));
                // The database may refuse one of them; if the connection is gone, none is tried again.
                if run.len() > 1 && self.session.is_connected() {
                    for single in run {
                        self.write_run(vec![single], answers);
                    }
                } else {
                    let broken = |(ticket, _)| StoreAnswer { ticket, result: Err(trouble.clone()) };
                    answers.extend(run.into_iter().map(broken));
                }
                return;
            }
        };
        let mut rest = run.into_iter();
        for outcome in outcomes {
            match outcome {
                Outcome::Claims(rows) => {
                    // As many claims as were adjacent.
                    let Some((ticket, first)) = rest.next() else { break };
                    let look = look_of(&first);
                    let mut group = vec![(ticket, first)];
                    while let Some((_, next)) = rest.as_slice().first()
                        && look_of(next).zip(look).is_some_and(|(a, b)| a.is_like(&b))
                        && let Some(claim) = rest.next()
                    {
                        group.push(claim);
                    }
                    self.answer_claims(group, &rows, answers);
                }
                Outcome::Told(told) => {
                    let Some((ticket, write)) = rest.next() else { break };
                    if let (
                        StoreWrite::Release { id, .. } | StoreWrite::Delete { id },
                        StoreReply::Known(_),
                    ) = (&write, &told)
                    {
                        self.held.remove(id);
                    }
                    answers.push(StoreAnswer { ticket, result: Ok(told) });
                }
                Outcome::Known => {
                    let Some((ticket, write)) = rest.next() else { break };
                    let result = self.known(&write);
                    answers.push(StoreAnswer { ticket, result });
                }
                Outcome::Ended(kept) => {
                    let Some((ticket, write)) = rest.next() else { break };
                    let result = Ok(self.ended(&write, kept));
                    answers.push(StoreAnswer { ticket, result });
                }
            }
        }
    }

    /// A key exists: reports the state of its task.
    fn known(&mut self, write: &StoreWrite) -> Result<StoreReply, StoreError> {
        let StoreWrite::Accept(submission) = write else { return Ok(StoreReply::Nothing) };
        let server = &self.server;
        let accepted = self.session.run(async |conn| {
            // The task may be deleted, or expire, between two reads: then this one is new.
            for _ in 0..3 {
                if let Some(acceptance) = tasks::same(conn, submission).await? {
                    return Ok(Some(acceptance));
                }
                if in_transaction(conn, async |conn| tasks::accept_large(conn, server, submission).await)
                    .await?
                {
                    return Ok(Some(Acceptance::New));
                }
            }
            Ok(None)
        })?;
        let contended = || StoreError::Broken("otro servidor se ocupaba de lo mismo".into());
        accepted.map(StoreReply::Accepted).ok_or_else(contended)
    }

    /// A task is no longer in work here. With `kept` it has ended, and there are so many bytes of results.
    fn ended(&mut self, write: &StoreWrite, kept: Option<u64>) -> StoreReply {
        let StoreWrite::End { id, at, end } = write else { return StoreReply::Nothing };
        self.held.remove(id);
        if let (End::Done(picture), Some(kept)) = (end, kept)
            && kept > self.retention.bytes_max
        {
            let (server, retention, length) = (&self.server, &self.retention, picture.file.len() as u64);
            // The task has ended in any case; the next sweep expires the others.
            let _ = self.session.run(async |conn| {
                let work = async |conn: &mut Conn| {
                    retention::make_room(conn, server, retention, *at, (*id, length)).await
                };
                in_transaction(conn, work).await
            });
        }
        StoreReply::Known(kept.is_some())
    }

    /// Answers adjacent claims with the queue's head as they found it: at most one row each.
    fn answer_claims(&mut self, group: Vec<(u64, StoreWrite)>, rows: &[Row], answers: &mut Vec<StoreAnswer>) {
        let mut refused = false;
        let mut rows = rows.iter();
        for (ticket, write) in group {
            let StoreWrite::Claim { in_work, at, reservation, .. } = write else { continue };
            let result = match rows.next() {
                _ if refused => Ok(Claimed::MustBeAlone),
                None => Ok(Claimed::Nothing),
                Some(row) => self.claimed(row, in_work == 0, at, reservation),
            };
            if let Ok(Claimed::NoRoom { .. }) = &result {
                // Tasks behind one that waits for memory wait as well, and are claimed again later.
                rows.by_ref().for_each(drop);
            }
            refused |= matches!(result, Ok(Claimed::MustBeAlone));
            answers.push(StoreAnswer { ticket, result: result.map(StoreReply::Claimed) });
        }
    }

    fn claimed(
        &mut self,
        row: &Row,
        is_alone: bool,
        at: SystemTime,
        reservation: Reservation,
    ) -> Result<Claimed, StoreError> {
        let (worst, place, length): (i32, i64, i64) =
            (get(row, "worst")?, get(row, "place")?, get(row, "length")?);
        let Some(taken) = tasks::taken(row)? else {
            let is_suspect = worst > 0 && (place > 1 || !is_alone);
            let length = length.max(0).unsigned_abs();
            return Ok(if is_suspect { Claimed::MustBeAlone } else { Claimed::NoRoom { length } });
        };
        let Held { id, attempt } = taken.held;
        self.held.insert(id, attempt);
        let length = taken.length;
        if length > reservation.bytes_max() {
            return Ok(Claimed::TooLarge { id, length });
        }
        let mut reservation = reservation;
        if let Err(Full) = reservation.charge(length) {
            return self.give_back(taken.held, length);
        }
        let transform = get::<Option<&str>>(row, "transform").ok().flatten().and_then(Transform::parse);
        let picture = self.session.run(async |conn| tasks::picture(conn, row, &taken).await);
        match (transform, picture) {
            (Some(transform), Ok(Some(picture))) => {
                let (suspect, tries) = (taken.crashes > 0, taken.tries);
                Ok(Claimed::Task(Box::new(Claim { id, picture, transform, suspect, tries, reservation })))
            }
            (_, Err(StoreError::NoRoom { length })) => self.give_back(taken.held, length),
            (_, Err(trouble @ (StoreError::Broken(_) | StoreError::Full(_)))) => {
                self.held.remove(&id);
                self.is_doubtful = true;
                Err(trouble)
            }
            _ => self.unreadable(taken.held, at),
        }
    }

    /// Requeues a claimed task without memory for it.
    fn give_back(&mut self, held: Held, length: u64) -> Result<Claimed, StoreError> {
        self.held.remove(&held.id);
        let server = &self.server;
        let released = self.session.run(async |conn| {
            for text in tasks::STATEMENTS {
                conn.prepare(text).await?;
            }
            tasks::release(conn, server, held, false).await
        });
        self.is_doubtful |= released.is_err();
        released.map(|_| Claimed::NoRoom { length })
    }

    /// Ends a task that can't be read, so that later tasks are not blocked.
    fn unreadable(&mut self, held: Held, at: SystemTime) -> Result<Claimed, StoreError> {
        self.held.remove(&held.id);
        let server = &self.server;
        let failed = self.session.run(async |conn| {
            tasks::prepare_failure(conn).await?;
            tasks::fail(conn, server, Some(server.id), held, at, &rules::unreadable()).await
        });
        self.is_doubtful |= failed.is_err();
        // If it was not in work any more, it was deleted meanwhile.
        failed.map(|failed| if failed { Claimed::Unreadable { id: held.id } } else { Claimed::Nothing })
    }

    /// Writes that are transactions of their own.
    fn write_alone(&mut self, write: &StoreWrite) -> Result<StoreReply, StoreError> {
        let (server, retention) = (&self.server, &self.retention);
        match write {
            StoreWrite::Accept(submission) => {
                let accept = async |conn: &mut Conn| tasks::accept_large(conn, server, submission).await;
                let is_new = self.session.run(async |conn| in_transaction(conn, accept).await)?;
                if is_new { Ok(StoreReply::Accepted(Acceptance::New)) } else { self.known(write) }
            }
            StoreWrite::End { id, at, end: End::Done(picture) } => {
                let Some(&attempt) = self.held.get(id) else { return Ok(StoreReply::Known(false)) };
                let held = Held { id: *id, attempt };
                let end = async |conn: &mut Conn| tasks::done_large(conn, server, held, *at, picture).await;
                let kept = self.session.run(async |conn| in_transaction(conn, end).await)?;
                Ok(self.ended(write, kept))
            }
            StoreWrite::Sweep { at } => {
                let sweep = async |conn: &mut Conn| retention::sweep(conn, server, retention, *at).await;
                let retention::Swept { expired, more } =
                    self.session.run(async |conn| in_transaction(conn, sweep).await)?;
                Ok(StoreReply::Swept { expired, more })
            }
            _ => Ok(StoreReply::Nothing),
        }
    }

    /// Requeues tasks that the database has in work here, but this server has not.
    fn settle_doubts(&mut self) {
        if self.is_doubtful {
            let (server, held) = (&self.server, self.held.keys().copied().collect::<Vec<_>>());
            self.is_doubtful =
                self.session.run(async |conn| tasks::release_others(conn, server, &held).await).is_err();
        }
    }
}

impl Writer for PgWriter {
    fn write(&mut self, batch: Vec<(u64, StoreWrite)>) -> Vec<StoreAnswer> {
        self.settle_doubts();
        let mut answers = Vec::with_capacity(batch.len());
        let mut run = Vec::new();
        for (ticket, write) in batch {
            if is_alone(&write) {
                self.write_run(std::mem::take(&mut run), &mut answers);
                let result = self.write_alone(&write);
                answers.push(StoreAnswer { ticket, result });
            } else {
                // The attempt is known only once the claim before it is answered.
                if self.is_about_claim(&write, &run) {
                    self.write_run(std::mem::take(&mut run), &mut answers);
                }
                run.push((ticket, write));
            }
        }
        self.write_run(run, &mut answers);
        answers
    }

    fn close(&mut self) {
        self.stop();
        let server = &self.server;
        // A task that can't be given back now is taken over later, as a dead server's.
        let _ = self.session.attempt(async |conn| {
            tasks::release_all(conn, server).await?;
            conn.client.execute("DELETE FROM tp2_server WHERE id = $1", &[&server.id]).await?;
            Ok(())
        });
    }

    fn brake(&self) -> Option<Brake> {
        let link = Arc::clone(&self.session.link);
        Some(Arc::new(move || link.brake()))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn listen(&mut self, deliver: DeliverAnswer) {
        // Called once.
        let _ = self.deliver.set(deliver);
    }
}

impl PgWriter {
    /// Whether a change may be about a task that a claim of this run has taken.
    fn is_about_claim(&self, write: &StoreWrite, run: &[(u64, StoreWrite)]) -> bool {
        let (StoreWrite::End { id, .. } | StoreWrite::Release { id, .. }) = write else { return false };
        let is_released = |(_, before): &(u64, StoreWrite)| matches!(before, StoreWrite::Release { id: released, .. } if released == id);
        run.iter().any(|(_, before)| matches!(before, StoreWrite::Claim { .. }))
            && (!self.held.contains_key(id) || run.iter().any(is_released))
    }

    fn stop(&mut self) {
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.abort();
            // A heartbeat in progress would show again that the server lives.
            self.session.link.wait_for(heartbeat);
        }
    }
}

impl Drop for PgWriter {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a change is a transaction of its own.
fn is_alone(write: &StoreWrite) -> bool {
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

fn look_of(write: &StoreWrite) -> Option<Look> {
    let StoreWrite::Claim { crashes_max, in_work, at, reservation } = write else { return None };
    let (room, bytes_max) = (reservation.room(), reservation.bytes_max());
    Some(Look { crashes_max: *crashes_max, is_alone: *in_work == 0, at: *at, room, bytes_max, count: 1 })
}

impl Look {
    /// Whether one statement can serve both.
    fn is_like(&self, other: &Self) -> bool {
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
async fn in_transaction<T>(
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
