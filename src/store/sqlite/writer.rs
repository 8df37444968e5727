//! One batch, one transaction.
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};

use super::lock::Lock;
use super::tasks::{self, DueTask};
use super::{bank, retention};
use crate::model::task::Claim;
use crate::store::{Claimed, Retention, StoreAnswer, StoreError, StoreReply, StoreWrite, Writer};

/// The writing connection, and the lock that makes it the only one.
pub(super) struct SqliteWriter {
    /// Dropped, and so closed, before the lock.
    pub(super) conn: Connection,
    retention: Retention,
    _lock: Arc<Lock>,
}

/// The result of one request, durable once its transaction is.
type Outcome = Result<WriteEffect, StoreError>;

enum WriteEffect {
    /// It has this answer.
    Told(StoreReply),
    /// A claim has taken this task, and will hold it with its reservation.
    Turn(DueTask),
}

enum Undone {
    /// The transaction could not begin, nor would another now.
    NotBegun(StoreError),
    /// The disk refused a write, or the commit.
    RolledBack(StoreError),
}

impl SqliteWriter {
    pub(super) fn new(conn: Connection, retention: Retention, lock: Arc<Lock>) -> Self {
        Self { conn, retention, _lock: lock }
    }

    /// Makes these changes in one transaction: all that can be made, or none.
    fn commit(&mut self, batch: &mut [(u64, StoreWrite)]) -> Result<Vec<Outcome>, Undone> {
        let begun = self.conn.transaction_with_behavior(TransactionBehavior::Immediate);
        // If dropped before its end, also by a panic, it is rolled back.
        let transaction = begun.map_err(|error| Undone::NotBegun(error.into()))?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for (_, write) in batch {
            outcomes.push(attempt(&transaction, write, &self.retention).map_err(Undone::RolledBack)?);
        }
        transaction.commit().map_err(|error| Undone::RolledBack(error.into()))?;
        Ok(outcomes)
    }

    /// Each change in a transaction of its own.
    fn commit_singly(&mut self, batch: Vec<(u64, StoreWrite)>) -> Vec<StoreAnswer> {
        let single = |(ticket, write)| {
            let mut single = [(ticket, write)];
            let outcome = match self.commit(&mut single) {
                Ok(outcomes) => outcomes.into_iter().next(),
                Err(Undone::NotBegun(trouble) | Undone::RolledBack(trouble)) => Some(Err(trouble)),
            };
            let [(ticket, write)] = single;
            outcome.map(|outcome| answer(ticket, write, outcome))
        };
        batch.into_iter().filter_map(single).collect()
    }

    /// Merges the log into the file, and returns the log's space to the disk. After that, writes to a full disk may
    /// succeed again: into free pages, with a new log.
    fn reclaim(&self) {
        // A failure loses nothing: the log stays as it is.
        let _ = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
    }
}

impl Writer for SqliteWriter {
    fn write(&mut self, mut batch: Vec<(u64, StoreWrite)>) -> Vec<StoreAnswer> {
        match self.commit(&mut batch) {
            Ok(outcomes) => batch
                .into_iter()
                .zip(outcomes)
                .map(|((ticket, write), done)| answer(ticket, write, done))
                .collect(),
            Err(Undone::NotBegun(trouble)) => batch
                .into_iter()
                .map(|(ticket, _)| StoreAnswer { ticket, result: Err(trouble.clone()) })
                .collect(),
            Err(Undone::RolledBack(trouble)) => {
                if let StoreError::Full(_) = trouble {
                    self.reclaim();
                }
                self.commit_singly(batch)
            }
        }
    }

    fn close(&mut self) {
        // Tasks that can't be released now wait again after the next start, as suspects.
        let _ = tasks::release_all(&self.conn);
    }
}

/// One request within a savepoint, so that a failed one leaves no change.
///
/// # Errors
/// The transaction as a whole is unusable.
fn attempt(conn: &Connection, write: &mut StoreWrite, retention: &Retention) -> Result<Outcome, StoreError> {
    conn.prepare_cached("SAVEPOINT request")?.execute(())?;
    let outcome = apply(conn, write, retention);
    match &outcome {
        Ok(_) => {}
        // After a failed write SQLite guarantees nothing until the transaction is rolled back, and may have rolled it
        // back.
        Err(trouble @ StoreError::Full(_)) => return Err(trouble.clone()),
        Err(trouble) if conn.is_autocommit() => return Err(trouble.clone()),
        Err(_) => {
            conn.prepare_cached("ROLLBACK TO request")?.execute(())?;
        }
    }
    conn.prepare_cached("RELEASE request")?.execute(())?;
    Ok(outcome)
}

fn apply(conn: &Connection, write: &mut StoreWrite, retention: &Retention) -> Outcome {
    let told = match write {
        StoreWrite::Accept(submission) => tasks::accept(conn, submission).map(StoreReply::Accepted),
        StoreWrite::Claim { crashes_max, in_work, at, reservation } => {
            return Ok(match tasks::claim(conn, *crashes_max, *in_work, *at, reservation)? {
                Ok(turn) => WriteEffect::Turn(turn),
                Err(none) => WriteEffect::Told(StoreReply::Claimed(none)),
            });
        }
        StoreWrite::End { id, at, end } => tasks::end(conn, *id, *at, end, retention),
        StoreWrite::Release { id, tried } => tasks::release(conn, *id, *tried),
        StoreWrite::Delete { id } => tasks::delete(conn, *id),
        StoreWrite::Sweep { at } => retention::sweep(conn, retention, *at),
        StoreWrite::Probe | StoreWrite::ProbeBank => tasks::probe(conn),
        StoreWrite::Insert { folder, face } => bank::insert(conn, folder, face).map(StoreReply::Inserted),
        StoreWrite::RemoveFace { folder, name } => {
            bank::remove_face(conn, folder, name).map(StoreReply::Known)
        }
        StoreWrite::RemoveFolder { folder } => {
            bank::hide_folder(conn, folder).map(|known| StoreReply::Removed { known, more: false })
        }
    };
    told.map(WriteEffect::Told)
}

/// The answer to a finished request; its reservation is released, unless it is a claim's.
fn answer(ticket: u64, write: StoreWrite, outcome: Outcome) -> StoreAnswer {
    let result = outcome.map(|effect| match (effect, write) {
        (
            WriteEffect::Turn(DueTask { id, picture, transform, suspect, tries }),
            StoreWrite::Claim { reservation, .. },
        ) => StoreReply::Claimed(Claimed::Task(Box::new(Claim {
            id,
            picture,
            transform,
            suspect,
            tries,
            reservation,
        }))),
        (WriteEffect::Told(told), _) => told,
        // Only a claim has this effect.
        (WriteEffect::Turn(_), _) => StoreReply::Claimed(Claimed::Nothing),
    });
    // A change that damaged data prevents is tried again, as after any other failure.
    let result = result.map_err(|error| match error {
        StoreError::Damaged(words) => StoreError::Broken(words),
        error => error,
    });
    StoreAnswer { ticket, result }
}
