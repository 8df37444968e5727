//! What the store is told to change, and what it answers: a batch is one transaction ([`batch`]) and one round trip.
//!
//! Writes of several pieces, and sweeps, are transactions of their own. If one change of a batch is refused, the
//! batch is rolled back and each change is tried by itself. Adjacent claims are one statement. Claimed tasks are
//! checked after the transaction: the next transaction gives back a task without memory for it.
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tokio::task::JoinHandle;
use tokio_postgres::Row;
use uuid::Uuid;

use super::batch::{self, Outcome, in_transaction, is_alone, look_of};
use super::error::PgError;
use super::link::{Conn, PgLink, Session, get};
use super::tasks::{self, Held};
use super::{Lease, Server, heartbeat, retention};
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
        self.session.run(async |conn| batch::commit(conn, server, held, run).await)
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
        let is_held = rows.first().is_some_and(tasks::is_held);
        let mut rows = rows.iter().filter(|row| !tasks::is_held(row));
        for (ticket, write) in group {
            let StoreWrite::Claim { in_work, at, reservation, .. } = write else { continue };
            let result = match rows.next() {
                _ if refused => Ok(Claimed::MustBeAlone),
                None if is_held => Ok(Claimed::Held),
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
