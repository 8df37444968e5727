//! Looking at tasks.
use std::ops::Range;

use bytes::Bytes;
use mongodb::bson::doc;
use uuid::Uuid;

use super::chunks;
use super::end::{DONE, EXPIRED, FAILED};
use super::error::MongoError;
use super::kept::{KeptDocument, name};
use super::link::{Tables, all, find, step};
use super::queue::is_grave;
use crate::model::admission::{Full, Reservation};
use crate::model::task::{Problem, Shape, Status, TaskState};

/// What is known of a task.
pub(super) async fn status(tables: &Tables, id: Uuid) -> Result<Option<Status>, MongoError> {
    let task = name(id);
    let (document, result) = tokio::join!(find(&tables.tasks, &task), find(&tables.results, &task));
    let (Some(document), result) = (document?, result?) else { return Ok(None) };
    if is_grave(&document) {
        return Ok(None);
    }
    let document = KeptDocument(&document);
    let begun_at = document.maybe_time("comenzada")?;
    let mut status = Status {
        id,
        state: if begun_at.is_some() { TaskState::Running } else { TaskState::Pending },
        received: document.number("recibidos")?,
        accepted_at: document.time("aceptada")?,
        begun_at,
        ended_at: None,
        result: None,
        problem: None,
    };
    if let Some(result) = &result {
        let result = KeptDocument(result);
        status.ended_at = Some(result.time("terminada")?);
        status.state = match result.number("estado")? {
            DONE => {
                status.result = Some(shape(&result)?);
                TaskState::Done
            }
            FAILED => {
                status.problem = Some(problem(&result)?);
                TaskState::Failed
            }
            EXPIRED => TaskState::Expired,
            _ => return Err(MongoError::Strange),
        };
    }
    Ok(Some(status))
}

fn shape(result: &KeptDocument<'_>) -> Result<Shape, MongoError> {
    Ok(Shape {
        format: result.format("formato")?,
        width: result.number("ancho")?,
        height: result.number("alto")?,
        length: result.number("bytes")?,
    })
}

fn problem(result: &KeptDocument<'_>) -> Result<Problem, MongoError> {
    let (slug, detail) = (result.text("tipo")?.to_owned(), result.text("detalle")?.to_owned());
    Ok(Problem { code: result.number("codigo")?, slug, detail })
}

/// Which of these have ended.
pub(super) async fn ended(tables: &Tables, ids: &[Uuid]) -> Result<Vec<Uuid>, MongoError> {
    let names: Vec<String> = ids.iter().copied().map(name).collect();
    let search = tables.results.find(doc! { "_id": { "$in": names } }).projection(doc! { "_id": 1 });
    all(search).await?.iter().map(|result| KeptDocument(result).id("_id")).collect()
}

/// How many tasks there are in each state, nearly: the database counts while others work.
pub(super) async fn counts(tables: &Tables) -> Result<[(TaskState, u64); 5], MongoError> {
    let by_state = [doc! { "$group": { "_id": "$estado", "tareas": { "$sum": 1 } } }];
    let (waiting, running, ended) = tokio::join!(
        step(tables.queue.estimated_document_count()),
        step(tables.turns.estimated_document_count()),
        all(tables.results.aggregate(by_state)),
    );
    let ended = ended?;
    let count = |state| {
        let found =
            ended.iter().map(KeptDocument).find(|group| group.number("_id").is_ok_and(|of: i32| of == state));
        found.map_or(Ok(0), |group| group.number("tareas"))
    };
    Ok([
        (TaskState::Pending, waiting?),
        (TaskState::Running, running?),
        (TaskState::Done, count(DONE)?),
        (TaskState::Failed, count(FAILED)?),
        (TaskState::Expired, count(EXPIRED)?),
    ])
}

/// Bytes of a task's result; None if there is none, or not so many.
pub(super) async fn file(
    tables: &Tables,
    id: Uuid,
    range: Range<u64>,
    mut reservation: Reservation,
) -> Result<Option<(Bytes, Reservation)>, MongoError> {
    let Some(owner) = owner_of(tables, id, &range).await? else { return Ok(None) };
    let length = range.end - range.start;
    reservation.charge(length).map_err(|Full| MongoError::NoRoom { length })?;
    match chunks::read(tables, &owner, range.clone()).await {
        Ok(bytes) => Ok(Some((bytes.into(), reservation))),
        // It has expired meanwhile, or was deleted.
        Err(MongoError::Strange) if owner_of(tables, id, &range).await?.is_none() => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Whose file a result is, if there is one that has these bytes.
async fn owner_of(tables: &Tables, id: Uuid, range: &Range<u64>) -> Result<Option<String>, MongoError> {
    let Some(result) = find(&tables.results, &name(id)).await? else { return Ok(None) };
    let result = KeptDocument(&result);
    if result.number::<i32>("estado")? != DONE {
        return Ok(None);
    }
    let is_within = range.start <= range.end && range.end <= result.number("bytes")?;
    if is_within { chunks::result_of(&result).map(Some) } else { Ok(None) }
}
