//! The end of a task, which comes once.
use std::time::SystemTime;

use mongodb::bson::{Document, doc};

use super::accept::forget_result;
use super::chunks;
use super::error::MongoError;
use super::kept::{count, date};
use super::link::{Tables, find, insert};
use super::queue::{QueuePlace, take_over, tidy};
use crate::model::picture::Picture;
use crate::model::task::Problem;
use crate::store::{CRASHES_MAX, End, rules};

/// States of a document in `resultados`.
pub(super) const DONE: i32 = 2;
/// It came to nothing.
pub(super) const FAILED: i32 = 3;
/// It had ended, and what it led to is no longer kept.
pub(super) const EXPIRED: i32 = 4;

/// Ends a task that this server has the turn of; false, and nothing is kept, if somebody was faster or it was deleted.
///
/// Asked again because the answer was lost it is true again.
pub(super) async fn end(
    tables: &Tables,
    server: &str,
    turn: &QueuePlace,
    at: SystemTime,
    end: &End,
) -> Result<bool, MongoError> {
    let task = turn.task();
    let document = match end {
        End::Failed(problem) => failure(turn, server, at, problem),
        End::Done(picture) => {
            chunks::write(tables, &chunks::result(&task, server), &picture.file).await?;
            success(turn, server, at, picture)
        }
    };
    if !insert(&tables.results, document).await? {
        let winner = find(&tables.results, &task).await?;
        if !winner.is_some_and(|winner| is_of(&winner, server)) {
            if let End::Done(picture) = end {
                let owner = chunks::result(&task, server);
                chunks::forget(tables, &owner, picture.file.len() as u64).await?;
            }
            tidy(tables, turn).await?;
            return Ok(false);
        }
    }
    let is_there = find(&tables.tasks, &task).await?.is_some();
    if !is_there {
        forget_result(tables, &task).await?;
    }
    tidy(tables, turn).await?;
    Ok(is_there)
}

/// Whether this result, or turn, is this server's.
pub(super) fn is_of(document: &Document, server: &str) -> bool {
    document.get_str("servidor").is_ok_and(|of| of == server)
}

fn success(turn: &QueuePlace, server: &str, at: SystemTime, picture: &Picture) -> Document {
    let Picture { file, format, width, height, .. } = picture;
    doc! {
        "_id": turn.task(),
        "estado": DONE,
        "terminada": date(at),
        "orden": turn.order,
        "servidor": server,
        "formato": format.extension(),
        "ancho": i64::from(*width),
        "alto": i64::from(*height),
        "bytes": count(file.len() as u64),
    }
}

fn failure(turn: &QueuePlace, server: &str, at: SystemTime, problem: &Problem) -> Document {
    let Problem { code, slug, detail } = problem;
    doc! {
        "_id": turn.task(),
        "estado": FAILED,
        "terminada": date(at),
        "orden": turn.order,
        "servidor": server,
        "codigo": i32::from(*code),
        "tipo": slug,
        "detalle": detail,
    }
}

/// What was in work at a server that fell waits again as a suspect, or has failed for good.
pub(super) async fn recover(
    tables: &Tables,
    server: &str,
    turn: &QueuePlace,
    dead: String,
    at: SystemTime,
) -> Result<(), MongoError> {
    if turn.fallen.len() + 1 < CRASHES_MAX as usize {
        return take_over(tables, turn, dead, at).await;
    }
    let task = turn.task();
    insert(&tables.results, failure(turn, server, at, &rules::hopeless())).await?;
    if find(&tables.tasks, &task).await?.is_none() {
        forget_result(tables, &task).await?;
    }
    // Had it ended well after all, its result is not touched.
    let winner = find(&tables.results, &task).await?;
    if !winner.is_some_and(|winner| is_of(&winner, &dead)) {
        chunks::forget_all(tables, &chunks::result(&task, &dead)).await?;
    }
    tidy(tables, turn).await
}
