//! Whose turn it is to work on a task: the queue, and who has taken what from it.
//!
//! A turn is `<id>/<intento>` in `turnos`; who inserts it has it. Each time a task waits again it is the next
//! attempt's, so that who comes late with an old turn takes nothing from who has the new one. Places in the queue are
//! only ever taken away by who has a turn, and by nobody because he did not get it: the turn may be given back at that
//! moment.
use std::time::{Duration, SystemTime};

use mongodb::bson::{Bson, Document, doc};
use uuid::Uuid;

use super::chunks;
use super::end::{EXPIRED, is_of};
use super::error::MongoError;
use super::kept::{KeptDocument, count, date, name};
use super::link::{Tables, all, find, insert, put, remove, step};
use crate::model::admission::{Full, Reservation};
use crate::model::transform::Transform;
use crate::store::Claimed;

/// Places that are fetched at once: so many servers may be ahead.
const FETCHED: i64 = 64;
/// Places that one claim looks at: some may lead to nothing.
pub(super) const LOOKED_AT: u64 = 1024;
/// A place whose task has not come for so long belongs to one that never was accepted.
const ORPHANED: Duration = Duration::from_secs(600);

/// A task's place in the queue, and, once somebody has it, his turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueuePlace {
    pub(super) id: Uuid,
    /// How often its turn was given back or taken over.
    pub(super) attempt: i64,
    /// Servers that fell while they had it in work.
    pub(super) fallen: Vec<String>,
    /// How often the task was tried in vain; each of those counts.
    pub(super) tries: u32,
    /// Where in the order of acceptance.
    pub(super) order: i64,
    /// Bytes of the picture that was handed in; of a place not known.
    pub(super) received: u64,
}

impl QueuePlace {
    pub(super) fn task(&self) -> String {
        name(self.id)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.task(), self.attempt)
    }

    /// As a place in the queue, taken at that time.
    pub(super) fn place(&self, at: SystemTime) -> Document {
        let fallen: Vec<Bson> = self.fallen.iter().map(Bson::from).collect();
        doc! {
            "_id": self.task(),
            "intento": self.attempt,
            "caidas": i32::try_from(fallen.len()).unwrap_or(i32::MAX),
            "fallidos": i64::from(self.tries),
            "orden": self.order,
            "caidos": fallen,
            "puesta": date(at),
        }
    }

    /// As the turn of a server.
    fn taken(&self, server: &str) -> Document {
        let fallen: Vec<Bson> = self.fallen.iter().map(Bson::from).collect();
        doc! {
            "_id": self.name(),
            "tarea": self.task(),
            "intento": self.attempt,
            "orden": self.order,
            "caidos": fallen,
            "fallidos": i64::from(self.tries),
            "recibidos": count(self.received),
            "servidor": server,
        }
    }

    /// Of a document in the queue.
    pub(super) fn of_place(document: &Document) -> Result<Self, MongoError> {
        let kept = KeptDocument(document);
        let (id, attempt, order) = (kept.id("_id")?, kept.number("intento")?, kept.number("orden")?);
        let fallen = kept.texts("caidos")?;
        Ok(Self { id, attempt, tries: tries(&kept, &fallen)?, fallen, order, received: 0 })
    }

    /// Of a document in `turnos`, with the server that has it.
    pub(super) fn of_taken(document: &Document) -> Result<(Self, String), MongoError> {
        let kept = KeptDocument(document);
        let (id, order, received) = (kept.id("tarea")?, kept.number("orden")?, kept.number("recibidos")?);
        let (attempt, fallen) = (kept.number("intento")?, kept.texts("caidos")?);
        let turn = Self { id, attempt, tries: tries(&kept, &fallen)?, fallen, order, received };
        Ok((turn, kept.text("servidor")?.to_owned()))
    }
}

/// Of a document; those of the version before have no such field.
fn tries(kept: &KeptDocument<'_>, fallen: &[String]) -> Result<u32, MongoError> {
    let known = kept.maybe_number("fallidos")?;
    Ok(known.unwrap_or_else(|| u32::try_from(fallen.len()).unwrap_or(u32::MAX)))
}

/// A claim that was granted.
pub(super) struct Granted {
    pub(super) turn: QueuePlace,
    pub(super) transform: Transform,
    pub(super) picture: Vec<u8>,
}

/// What came of a look at one place.
pub(super) enum Look {
    /// Somebody else has it, or it leads to nothing.
    Nothing,
    /// It is ours.
    Granted(Box<Granted>),
    /// It is ours, and no reservation could ever hold its picture.
    TooLarge(QueuePlace),
    /// It is not, and the claim is answered so.
    Answer(Claimed),
    /// It is ours, and can't be read.
    Unreadable(QueuePlace),
}

/// Some of the places that may be claimed, the first first, after so many others.
pub(super) async fn places(
    tables: &Tables,
    crashes_max: u32,
    after: u64,
) -> Result<Vec<Document>, MongoError> {
    let allowed = doc! { "caidas": { "$lte": i64::from(crashes_max) } };
    // Of several suspects the one with most falls comes first: it is the likeliest culprit.
    let sorted = tables.queue.find(allowed).sort(doc! { "caidas": -1, "orden": 1 });
    all(sorted.skip(after).limit(FETCHED)).await
}

/// Tries to take a task at its place into work; `reservation` is charged for its picture, and for nothing if it is not taken.
pub(super) async fn take(
    tables: &Tables,
    server: &str,
    (place, mut turn): (&Document, QueuePlace),
    in_work: usize,
    at: SystemTime,
    reservation: &mut Reservation,
) -> Result<Look, MongoError> {
    let task = turn.task();
    if find(&tables.turns, &turn.name()).await?.is_some() {
        return Ok(Look::Nothing);
    }
    let Some(document) = find(&tables.tasks, &task).await? else {
        let age = at.duration_since(KeptDocument(place).time("puesta")?).unwrap_or_default();
        if age > ORPHANED {
            bury_orphan(tables, &turn, at).await?;
        }
        return Ok(Look::Nothing);
    };
    if is_grave(&document) {
        bury_orphan(tables, &turn, at).await?;
        return Ok(Look::Nothing);
    }
    if !turn.fallen.is_empty() && in_work > 0 {
        return Ok(Look::Answer(Claimed::MustBeAlone));
    }
    let kept = KeptDocument(&document);
    turn.received = kept.number("recibidos")?;
    let length = turn.received;
    let is_too_large = length > reservation.bytes_max();
    if !is_too_large && let Err(Full) = reservation.charge(length) {
        return Ok(Look::Answer(Claimed::NoRoom { length }));
    }
    let look = take_free(tables, server, &turn, &kept, at, !is_too_large).await;
    if !matches!(look, Ok(Look::Granted(_))) {
        reservation.shrink_to(0);
    }
    look
}

/// The same, once there is memory for it, or it is known that there never will be.
async fn take_free(
    tables: &Tables,
    server: &str,
    turn: &QueuePlace,
    document: &KeptDocument<'_>,
    at: SystemTime,
    with_picture: bool,
) -> Result<Look, MongoError> {
    let task = turn.task();
    if !insert(&tables.turns, turn.taken(server)).await? {
        return Ok(Look::Nothing);
    }
    if find(&tables.results, &task).await?.is_some() {
        // It had ended; who ended it did not come to tidying up.
        tidy(tables, turn).await?;
        return Ok(Look::Nothing);
    }
    let begun = doc! { "$set": { "comenzada": date(at) } };
    let (gone, begun) = tokio::join!(
        remove(&tables.queue, &task),
        step(tables.tasks.update_one(doc! { "_id": &task }, begun)),
    );
    gone?;
    begun?;
    if !with_picture {
        return Ok(Look::TooLarge(turn.clone()));
    }
    let picture = chunks::read(tables, &chunks::upload(&task), 0..turn.received).await;
    match (picture, document.transform("plan")) {
        (Ok(picture), Ok(transform)) => {
            Ok(Look::Granted(Box::new(Granted { turn: turn.clone(), transform, picture })))
        }
        (Err(MongoError::NoRoom { length }), _) => {
            give_back(tables, turn, at, false).await?;
            Ok(Look::Answer(Claimed::NoRoom { length }))
        }
        (Err(MongoError::Strange), _) | (_, Err(MongoError::Strange)) => {
            if find(&tables.tasks, &task).await?.is_some() {
                return Ok(Look::Unreadable(turn.clone()));
            }
            // It was deleted meanwhile.
            tidy(tables, turn).await?;
            Ok(Look::Nothing)
        }
        (Err(fault), _) | (_, Err(fault)) => Err(fault),
    }
}

/// Sees to it that a task which never was accepted never will be, and removes what there is of it. Decided by the
/// insertion of a tombstone under its name, which stays as long as those of tasks that have expired: who still accepts it
/// is late.
async fn bury_orphan(tables: &Tables, place: &QueuePlace, at: SystemTime) -> Result<(), MongoError> {
    let task = place.task();
    if !insert(&tables.tasks, doc! { "_id": &task, "nunca": true }).await? {
        let document = find(&tables.tasks, &task).await?;
        if !document.as_ref().is_some_and(is_grave) {
            return Ok(());
        }
    }
    let expired = doc! {
        "_id": &task, "estado": EXPIRED, "terminada": date(at), "vencida": date(at), "orden": place.order,
    };
    insert(&tables.results, expired).await?;
    chunks::forget_all(tables, &chunks::upload(&task)).await?;
    remove(&tables.queue, &task).await?;
    Ok(())
}

/// Whether this document in `tareas` says that there is no such task.
pub(super) fn is_grave(document: &Document) -> bool {
    document.contains_key("nunca")
}

/// Lets a task wait again at its old place; whether it was `tried` in vain is counted.
pub(super) async fn give_back(
    tables: &Tables,
    turn: &QueuePlace,
    at: SystemTime,
    tried: bool,
) -> Result<(), MongoError> {
    let tries = turn.tries.saturating_add(tried.into());
    pass_on(tables, turn, QueuePlace { tries, ..turn.clone() }, at).await
}

/// Lets the task of a dead server wait again as a suspect. What the old turn says is gone last.
pub(super) async fn take_over(
    tables: &Tables,
    turn: &QueuePlace,
    dead: String,
    at: SystemTime,
) -> Result<(), MongoError> {
    let mut next = QueuePlace { tries: turn.tries.saturating_add(1), ..turn.clone() };
    next.fallen.push(dead);
    pass_on(tables, turn, next, at).await
}

/// The next attempt may be anybody's.
async fn pass_on(
    tables: &Tables,
    turn: &QueuePlace,
    next: QueuePlace,
    at: SystemTime,
) -> Result<(), MongoError> {
    let next = QueuePlace { attempt: turn.attempt.saturating_add(1), ..next };
    let task = turn.task();
    put(&tables.queue, &task, next.place(at)).await?;
    let waits = doc! { "$unset": { "comenzada": "" } };
    step(tables.tasks.update_one(doc! { "_id": &task }, waits)).await?;
    remove(&tables.turns, &turn.name()).await?;
    Ok(())
}

/// Removes what a task needs no longer once it has ended: its place, its turn, its picture, and the beginnings of
/// results whose makers fell.
pub(super) async fn tidy(tables: &Tables, turn: &QueuePlace) -> Result<(), MongoError> {
    let task = turn.task();
    remove(&tables.queue, &task).await?;
    chunks::forget(tables, &chunks::upload(&task), turn.received).await?;
    if !turn.fallen.is_empty() {
        let winner = find(&tables.results, &task).await?;
        let has_won = |server: &str| winner.as_ref().is_some_and(|winner| is_of(winner, server));
        for fallen in turn.fallen.iter().filter(|fallen| !has_won(fallen)) {
            chunks::forget_all(tables, &chunks::result(&task, fallen)).await?;
        }
    }
    remove(&tables.turns, &turn.name()).await?;
    Ok(())
}

/// Removes all turns of a task. There are no more of them than tasks in work, and so they have no index.
pub(super) async fn forget(tables: &Tables, task: &str) -> Result<(), MongoError> {
    step(tables.turns.delete_many(doc! { "tarea": task })).await?;
    Ok(())
}
