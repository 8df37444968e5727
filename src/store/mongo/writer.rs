//! Changes, one after the other where they are about the same thing, and at once where they are not.
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use mongodb::IndexModel;
use mongodb::bson::doc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::error::MongoError;
use super::heartbeat::{self, OwnServer};
use super::kept::name;
use super::lease::{Lease, Sightings};
use super::link::{MongoLink, Tables, remove, step};
use super::queue::{self, Granted, Look, QueuePlace};
use super::{accept, bank, end, retention};
use crate::model::admission::Reservation;
use crate::model::face::Face;
use crate::model::task::Claim;
use crate::store::{
    Brake, Claimed, End, Retention, StoreAnswer, StoreError, StoreReply, StoreWrite, Writer, rules,
};

/// Changes that are under way at once.
const TOGETHER: usize = 16;

/// What this server changes, and what it holds.
pub(super) struct MongoWriter {
    pub(super) link: Arc<MongoLink>,
    pub(super) server: Arc<OwnServer>,
    retention: Retention,
    /// Bytes of all results, as far as is known: what other servers have added or taken away since the last sweep is
    /// not.
    kept: AtomicU64,
    /// The last place that was given out.
    order: AtomicI64,
    /// Folders in which an index sees to the names.
    folders: Mutex<HashSet<String>>,
    /// What shows that it lives, and what looks after the others: the one does not wait for the other.
    heartbeat: Vec<JoinHandle<()>>,
}

/// What a change is about. Two that are about the same thing keep their order.
#[derive(PartialEq, Eq, Hash)]
enum Subject<'a> {
    Task(Uuid),
    Face(&'a str, &'a str),
}

/// None if it is about everything.
fn subject(write: &StoreWrite) -> Option<Subject<'_>> {
    match write {
        StoreWrite::Accept(submission) if submission.key.is_none() => Some(Subject::Task(submission.id)),
        StoreWrite::End { id, .. } | StoreWrite::Release { id, .. } | StoreWrite::Delete { id } => {
            Some(Subject::Task(*id))
        }
        StoreWrite::Insert { folder, face } => Some(Subject::Face(folder, &face.name)),
        StoreWrite::Accept(_) | StoreWrite::Claim { .. } | StoreWrite::Sweep { .. } | StoreWrite::Probe => {
            None
        }
    }
}

impl MongoWriter {
    pub(super) fn open(
        link: Arc<MongoLink>,
        lease: Lease,
        retention: Retention,
        at: SystemTime,
    ) -> Result<Self, StoreError> {
        let server = Arc::new(OwnServer::new());
        let mut sightings = Sightings::new(lease.lease);
        let tables = link.tables.clone();
        let kept = link.run(async {
            prepare(&tables).await?;
            server.beat(&tables.servers).await?;
            heartbeat::watch(&tables, &server, &mut sightings, at).await?;
            retention::sum(&tables).await
        })?;
        let beats = heartbeat::beat(link.heartbeat.clone(), Arc::clone(&server), lease.beat);
        let watches = heartbeat::run(tables, Arc::clone(&server), sightings, lease.beat);
        let heartbeat = [link.spawn(beats), link.spawn(watches)].into_iter().flatten().collect();
        let (kept, order, folders) = (AtomicU64::new(kept), AtomicI64::new(0), Mutex::default());
        Ok(Self { link, server, retention, kept, order, folders, heartbeat })
    }

    async fn apply(&self, write: &StoreWrite) -> Result<StoreReply, MongoError> {
        let tables = &self.link.tables;
        Ok(match write {
            StoreWrite::Accept(submission) => {
                StoreReply::Accepted(accept::accept(tables, submission, self.next_order()).await?)
            }
            StoreWrite::End { id, at, end } => StoreReply::Known(self.end(*id, *at, end).await?),
            StoreWrite::Release { id, tried } => {
                StoreReply::Known(self.release(*id, SystemTime::now(), *tried).await?)
            }
            StoreWrite::Delete { id } => {
                let freed = accept::delete(tables, *id).await?;
                self.server.turns().remove(id);
                self.free(freed.unwrap_or_default());
                StoreReply::Known(freed.is_some())
            }
            StoreWrite::Sweep { at } => {
                let swept = retention::sweep(tables, &self.retention, *at).await?;
                self.kept.store(swept.kept, Ordering::Relaxed);
                StoreReply::Swept { expired: swept.expired, more: swept.more }
            }
            StoreWrite::Probe => {
                self.server.beat(&tables.servers).await?;
                StoreReply::Nothing
            }
            StoreWrite::Insert { folder, face } => StoreReply::Inserted(self.insert(folder, face).await?),
            // It holds a reservation, and is made by itself.
            StoreWrite::Claim { .. } => StoreReply::Claimed(Claimed::Nothing),
        })
    }

    async fn end(&self, id: Uuid, at: SystemTime, end: &End) -> Result<bool, MongoError> {
        let turn = self.server.turns().get(&id).cloned();
        let Some(turn) = turn else { return Ok(false) };
        let tables = &self.link.tables;
        let is_first = end::end(tables, &self.server.name, &turn, at, end).await?;
        self.server.turns().remove(&id);
        if let End::Done(picture) = end
            && is_first
        {
            let length = picture.file.len() as u64;
            let kept = self.kept.fetch_add(length, Ordering::Relaxed) + length;
            if kept > self.retention.bytes_max {
                // It has ended, whatever becomes of the others: the next sweep sees to them.
                let gone = retention::make_room(tables, &self.retention, at, &name(id), (length, kept)).await;
                self.free(gone.unwrap_or_default());
            }
        }
        Ok(is_first)
    }

    /// So many bytes of results are no longer kept.
    fn free(&self, bytes: u64) {
        let less = |kept: u64| Some(kept.saturating_sub(bytes));
        let _ = self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    async fn release(&self, id: Uuid, at: SystemTime, tried: bool) -> Result<bool, MongoError> {
        let turn = self.server.turns().get(&id).cloned();
        let Some(turn) = turn else { return Ok(false) };
        queue::give_back(&self.link.tables, &turn, at, tried).await?;
        self.server.turns().remove(&id);
        Ok(true)
    }

    async fn insert(&self, folder: &str, face: &Face) -> Result<bool, MongoError> {
        let images = &self.link.bank;
        let is_known = self.folders().contains(folder);
        // Where it can't be had now, it may be the next time.
        let is_unique = is_known || bank::prepare(images, folder).await?;
        if is_unique && !is_known {
            self.folders().insert(folder.to_owned());
        }
        bank::insert(images, folder, face, is_unique).await
    }

    fn folders(&self) -> MutexGuard<'_, HashSet<String>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Later than all before it, and by the clock among those of other servers.
    fn next_order(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        let last =
            self.order.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)));
        last.map_or(now, |last| now.max(last + 1))
    }

    async fn claim(
        &self,
        crashes_max: u32,
        in_work: usize,
        at: SystemTime,
        mut reservation: Reservation,
    ) -> Result<StoreReply, MongoError> {
        let (tables, server) = (&self.link.tables, &self.server);
        let mut seen = 0;
        let mut places = VecDeque::new();
        loop {
            if places.is_empty() && seen < queue::LOOKED_AT {
                places.extend(queue::places(tables, crashes_max, seen).await?);
                seen += places.len() as u64;
            }
            let Some(place) = places.pop_front() else { return Ok(StoreReply::Claimed(Claimed::Nothing)) };
            let Ok(turn) = QueuePlace::of_place(&place) else { continue };
            let id = turn.id;
            // One that is ours already is still being ended.
            if server.turns().contains_key(&id) {
                continue;
            }
            // Before it is: who finds a turn of ours that is not here gives it back.
            server.turns().insert(id, turn.clone());
            let look = queue::take(tables, &server.name, (&place, turn), in_work, at, &mut reservation).await;
            let hold = |turn: Option<QueuePlace>| match turn {
                Some(turn) => server.turns().insert(id, turn),
                None => server.turns().remove(&id),
            };
            let claimed = match look {
                Ok(Look::Granted(granted)) => {
                    let Granted { turn, transform, picture } = *granted;
                    let (suspect, tries) = (!turn.fallen.is_empty(), turn.tries);
                    hold(Some(turn));
                    Claimed::Task(Box::new(Claim { id, picture, transform, suspect, tries, reservation }))
                }
                Ok(Look::TooLarge(turn)) => {
                    let length = turn.received;
                    hold(Some(turn));
                    Claimed::TooLarge { id, length }
                }
                Ok(Look::Unreadable(turn)) => {
                    let failed = End::Failed(rules::unreadable());
                    let ended = end::end(tables, &server.name, &turn, at, &failed).await;
                    hold(None);
                    ended?;
                    Claimed::Unreadable { id }
                }
                Ok(Look::Answer(claimed)) => {
                    hold(None);
                    claimed
                }
                Ok(Look::Nothing) | Err(MongoError::Strange) => {
                    hold(None);
                    continue;
                }
                Err(fault) => {
                    hold(None);
                    return Err(fault);
                }
            };
            return Ok(StoreReply::Claimed(claimed));
        }
    }
}

/// What the searches look through, so that no search reads what it does not want.
async fn prepare(tables: &Tables) -> Result<(), MongoError> {
    let index = |keys| IndexModel::builder().keys(keys).build();
    step(tables.queue.create_index(index(doc! { "caidas": -1, "orden": 1 }))).await?;
    step(tables.results.create_index(index(doc! { "estado": 1, "terminada": 1, "orden": 1 }))).await?;
    step(tables.results.create_index(index(doc! { "estado": 1, "vencida": 1 }))).await?;
    Ok(())
}

impl Writer for MongoWriter {
    fn write(&mut self, batch: Vec<(u64, StoreWrite)>) -> Vec<StoreAnswer> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut rest = batch.into_iter().peekable();
        while let Some((ticket, write)) = rest.next() {
            if let StoreWrite::Claim { crashes_max, in_work, at, reservation } = write {
                let result = self.link.run(self.claim(crashes_max, in_work, at, reservation));
                answers.push(StoreAnswer { ticket, result });
                continue;
            }
            let mut run = vec![(ticket, write)];
            while run.len() < TOGETHER
                && let Some(next) = rest.next_if(|(_, next)| is_beside(next, &run))
            {
                run.push(next);
            }
            let results = self.link.run_all(run.iter().map(|(_, write)| self.apply(write)));
            match results {
                Ok(results) => {
                    let tickets = run.iter().map(|(ticket, _)| *ticket);
                    answers
                        .extend(tickets.zip(results).map(|(ticket, result)| StoreAnswer { ticket, result }));
                }
                Err(trouble) => answers.extend(
                    run.iter()
                        .map(|(ticket, _)| StoreAnswer { ticket: *ticket, result: Err(trouble.clone()) }),
                ),
            }
        }
        answers
    }

    fn close(&mut self) {
        self.heartbeat.iter().for_each(JoinHandle::abort);
        let (now, heartbeat) = (SystemTime::now(), std::mem::take(&mut self.heartbeat));
        let held: Vec<Uuid> = self.server.turns().keys().copied().collect();
        // What can't be given back now is taken over as a dead server's.
        let _ = self.link.run(async {
            // A beat under way would show again that it lives.
            join_all(heartbeat).await;
            join_all(held.into_iter().map(|id| self.release(id, now, true))).await;
            remove(&self.link.tables.servers, &self.server.name).await
        });
    }

    fn brake(&self) -> Option<Brake> {
        let link = Arc::clone(&self.link);
        Some(Arc::new(move || link.brake()))
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// Whether this change can be made beside all of those.
fn is_beside(next: &StoreWrite, run: &[(u64, StoreWrite)]) -> bool {
    let next = subject(next);
    next.is_some()
        && run.iter().map(|(_, write)| subject(write)).all(|other| other.is_some() && other != next)
}

impl Drop for MongoWriter {
    fn drop(&mut self) {
        self.heartbeat.iter().for_each(JoinHandle::abort);
    }
}
