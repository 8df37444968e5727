//! Changes, one after the other where they are about the same thing, and at once where they are not.
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use mongodb::IndexModel;
use mongodb::bson::doc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::kept::name;
use super::life::{Life, Sightings};
use super::link::{Link, Tables, step};
use super::pulse::{self, Server};
use super::trouble::Fault;
use super::turns::{self, Granted, Look};
use super::{accept, bank, end, retention};
use crate::exchange::bank::Face;
use crate::exchange::gate::Lease;
use crate::exchange::task::Claim;
use crate::store::{Answer, Claimed, End, Retention, Told, Trouble, Write, Writer, rules};

/// Changes that are under way at once.
const TOGETHER: usize = 16;

/// What this server changes, and what it holds.
pub(super) struct MongoWriter {
    pub(super) link: Arc<Link>,
    pub(super) server: Arc<Server>,
    retention: Retention,
    /// Bytes of all results, as far as is known: never too few but for what other servers have added since the last sweep.
    kept: AtomicU64,
    /// The last place that was given out.
    order: AtomicI64,
    /// Folders that were seen to; whether an index sees to their names.
    folders: Mutex<HashMap<String, bool>>,
    pulse: JoinHandle<()>,
}

/// What a change is about. Two that are about the same thing keep their order.
#[derive(PartialEq, Eq, Hash)]
enum Subject<'a> {
    Task(Uuid),
    Face(&'a str, &'a str),
}

/// None if it is about everything.
fn subject(write: &Write) -> Option<Subject<'_>> {
    match write {
        Write::Accept(submission) if submission.key.is_none() => Some(Subject::Task(submission.id)),
        Write::End { id, .. } | Write::Release { id } | Write::Delete { id } => Some(Subject::Task(*id)),
        Write::Insert { folder, face } => Some(Subject::Face(folder, &face.name)),
        Write::Accept(_) | Write::Claim { .. } | Write::Sweep { .. } | Write::Probe => None,
    }
}

impl MongoWriter {
    pub(super) fn open(
        link: Arc<Link>,
        life: Life,
        retention: Retention,
        at: SystemTime,
    ) -> Result<Self, Trouble> {
        let server = Arc::new(Server::new());
        let mut sightings = Sightings::new(life.lease);
        let tables = link.tables.clone();
        let kept = link.run(async {
            prepare(&tables).await?;
            server.beat(&tables).await?;
            pulse::watch(&tables, &server, &mut sightings, at).await?;
            retention::sum(&tables).await
        })?;
        let pulse = link.spawn(pulse::run(tables, Arc::clone(&server), sightings, life.beat));
        let (kept, order, folders) = (AtomicU64::new(kept), AtomicI64::new(0), Mutex::default());
        Ok(Self { link, server, retention, kept, order, folders, pulse })
    }

    async fn apply(&self, write: &Write) -> Result<Told, Fault> {
        let tables = &self.link.tables;
        Ok(match write {
            Write::Accept(submission) => {
                Told::Accepted(accept::accept(tables, submission, self.next_order()).await?)
            }
            Write::End { id, at, end } => Told::Known(self.end(*id, *at, end).await?),
            Write::Release { id } => Told::Known(self.release(*id, SystemTime::now()).await?),
            Write::Delete { id } => {
                let was_there = accept::delete(tables, *id).await?;
                self.server.turns().remove(id);
                Told::Known(was_there)
            }
            Write::Sweep { at } => {
                let swept = retention::sweep(tables, &self.retention, *at).await?;
                self.kept.store(swept.kept, Ordering::Relaxed);
                Told::Swept { expired: swept.expired, more: swept.more }
            }
            Write::Probe => {
                self.server.beat(tables).await?;
                Told::Nothing
            }
            Write::Insert { folder, face } => Told::Inserted(self.insert(folder, face).await?),
            // It holds a lease, and is made by itself.
            Write::Claim { .. } => Told::Claimed(Claimed::Nothing),
        })
    }

    async fn end(&self, id: Uuid, at: SystemTime, end: &End) -> Result<bool, Fault> {
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
                let left = retention::make_room(tables, &self.retention, at, &name(id), length).await;
                self.kept.store(left.unwrap_or(kept), Ordering::Relaxed);
            }
        }
        Ok(is_first)
    }

    async fn release(&self, id: Uuid, at: SystemTime) -> Result<bool, Fault> {
        let turn = self.server.turns().get(&id).cloned();
        let Some(turn) = turn else { return Ok(false) };
        turns::give_back(&self.link.tables, &turn, at).await?;
        self.server.turns().remove(&id);
        Ok(true)
    }

    async fn insert(&self, folder: &str, face: &Face) -> Result<bool, Fault> {
        let images = &self.link.bank;
        let known = self.folders().get(folder).copied();
        let is_unique = match known {
            Some(is_unique) => is_unique,
            None => {
                let is_unique = bank::prepare(images, folder).await?;
                self.folders().insert(folder.to_owned(), is_unique);
                is_unique
            }
        };
        bank::insert(images, folder, face, is_unique).await
    }

    fn folders(&self) -> MutexGuard<'_, HashMap<String, bool>> {
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
        mut lease: Lease,
    ) -> Result<Told, Fault> {
        let (tables, server) = (&self.link.tables, &self.server);
        for place in turns::places(tables, crashes_max).await? {
            let Some(id) = place.get_str("_id").ok().and_then(|id| Uuid::try_parse(id).ok()) else {
                continue;
            };
            // One that is ours already is still being ended.
            if server.turns().contains_key(&id) {
                continue;
            }
            let turn = turns::Turn { id, fallen: Vec::new(), order: 0, received: 0 };
            server.turns().insert(id, turn);
            let look = turns::take(tables, &server.name, &place, in_work, at, &mut lease).await;
            let hold = |turn: Option<turns::Turn>| match turn {
                Some(turn) => server.turns().insert(id, turn),
                None => server.turns().remove(&id),
            };
            let claimed = match look {
                Ok(Look::Granted(granted)) => {
                    let Granted { turn, plan, picture } = *granted;
                    let suspect = !turn.fallen.is_empty();
                    hold(Some(turn));
                    Claimed::Task(Box::new(Claim { id, picture, plan, suspect, lease }))
                }
                Ok(Look::Ours(turn, claimed)) => {
                    hold(Some(turn));
                    claimed
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
                Ok(Look::Nothing) | Err(Fault::Strange) => {
                    hold(None);
                    continue;
                }
                Err(fault) => {
                    hold(None);
                    return Err(fault);
                }
            };
            return Ok(Told::Claimed(claimed));
        }
        Ok(Told::Claimed(Claimed::Nothing))
    }
}

/// What the searches look through, so that no search reads what it does not want.
async fn prepare(tables: &Tables) -> Result<(), Fault> {
    let index = |keys| IndexModel::builder().keys(keys).build();
    step(tables.queue.create_index(index(doc! { "caidas": -1, "orden": 1 }))).await?;
    step(tables.results.create_index(index(doc! { "estado": 1, "terminada": 1, "orden": 1 }))).await?;
    step(tables.results.create_index(index(doc! { "estado": 1, "vencida": 1 }))).await?;
    Ok(())
}

impl Writer for MongoWriter {
    fn write(&mut self, batch: Vec<(u64, Write)>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut rest = batch.into_iter().peekable();
        while let Some((ticket, write)) = rest.next() {
            if let Write::Claim { crashes_max, in_work, at, lease } = write {
                let result = self.link.run(self.claim(crashes_max, in_work, at, lease));
                answers.push(Answer { ticket, result });
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
                    answers.extend(tickets.zip(results).map(|(ticket, result)| Answer { ticket, result }));
                }
                Err(trouble) => answers.extend(
                    run.iter().map(|(ticket, _)| Answer { ticket: *ticket, result: Err(trouble.clone()) }),
                ),
            }
        }
        answers
    }

    fn close(&mut self) {
        self.pulse.abort();
        let held: Vec<Uuid> = self.server.turns().keys().copied().collect();
        // What can't be given back now is taken over as a dead server's.
        let now = SystemTime::now();
        let _ = self.link.run_all(held.into_iter().map(|id| self.release(id, now)));
        let _ = self.link.run(super::link::remove(&self.link.tables.servers, &self.server.name));
    }

    fn is_shared(&self) -> bool {
        true
    }
}

/// Whether this change can be made beside all of those.
fn is_beside(next: &Write, run: &[(u64, Write)]) -> bool {
    let next = subject(next);
    next.is_some()
        && run.iter().map(|(_, write)| subject(write)).all(|other| other.is_some() && other != next)
}

impl Drop for MongoWriter {
    fn drop(&mut self) {
        self.pulse.abort();
    }
}
