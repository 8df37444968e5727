//! Taking tasks on, and forgetting them.
//!
//! Of a key the document in `claves` comes first, and names the task: who finds one whose task never came finishes what was
//! begun there, so that two servers that are handed the same under one key accept one task.
use mongodb::bson::doc;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::kept::{Kept, count, date, hex, name, plan};
use super::link::{Tables, find, insert, remove, step};
use super::trouble::Fault;
use super::turns::{self, Turn};
use super::{chunks, status};
use crate::exchange::task::Submission;
use crate::store::{Acceptance, rules};

/// How often a key is looked at that others take and give up at the same time.
const TRIES: u32 = 8;

/// A key, and what was handed in under it.
struct Key {
    /// SHA-256 of the client's word.
    name: String,
    digest: String,
}

/// Keeps a submission, unless its key has been seen.
pub(super) async fn accept(
    tables: &Tables,
    submission: &Submission,
    order: i64,
) -> Result<Acceptance, Fault> {
    let Submission { id, picture, key: word, plan, .. } = submission;
    let Some(word) = word else {
        let is_new = keep(tables, *id, submission, None, order).await?;
        return if is_new { Ok(Acceptance::New) } else { Err(Fault::Strange) };
    };
    let key = Key { name: hex(&Sha256::digest(word)), digest: hex(&rules::digest(picture, plan)) };
    for _ in 0..TRIES {
        let ours = doc! { "_id": &key.name, "tarea": name(*id), "huella": &key.digest };
        if insert(&tables.keys, ours).await? {
            return match keep(tables, *id, submission, Some(&key), order).await {
                Ok(true) => Ok(Acceptance::New),
                Ok(false) => {
                    forget_key(tables, &key.name, &name(*id)).await?;
                    Err(Fault::Strange)
                }
                // Whoever hands it in again finishes what was begun.
                Err(fault) => Err(fault),
            };
        }
        let Some(known) = find(&tables.keys, &key.name).await? else { continue };
        let known = Kept(&known);
        let (task, is_same) = (known.id("tarea")?, known.text("huella")? == key.digest);
        match status::status(tables, task).await? {
            Some(status) if is_same => return Ok(Acceptance::Same(status)),
            Some(_) => return Ok(Acceptance::Different),
            None if is_same => {
                keep(tables, task, submission, Some(&key), order).await?;
            }
            // Something else was begun under this key, and told nobody.
            None => forget_key(tables, &key.name, &name(task)).await?,
        }
    }
    Err(Fault::Late)
}

/// Keeps this as the task `id`; false if there is another of that name.
async fn keep(
    tables: &Tables,
    id: Uuid,
    submission: &Submission,
    key: Option<&Key>,
    order: i64,
) -> Result<bool, Fault> {
    let Submission { picture, plan: wanted, at, .. } = submission;
    let task = name(id);
    let place = Turn { id, fallen: Vec::new(), order, received: 0 };
    insert(&tables.queue, place.place(*at)).await?;
    chunks::write(tables, &chunks::upload(&task), picture).await?;
    let mut document = doc! {
        "_id": &task,
        "orden": order,
        "recibidos": count(picture.len() as u64),
        "aceptada": date(*at),
        "plan": plan(wanted),
    };
    if let Some(key) = key {
        document.insert("clave", &key.name);
    }
    if insert(&tables.tasks, document).await? {
        return Ok(true);
    }
    // The same, by somebody who has finished what was begun here; or another.
    let other = find(&tables.tasks, &task).await?;
    let other_key = other.as_ref().and_then(|other| other.get_str("clave").ok());
    Ok(key.is_some() && other_key == key.map(|key| key.name.as_str()))
}

/// A key stands for nothing any more, if this is the task that it stood for.
pub(super) async fn forget_key(tables: &Tables, key: &str, task: &str) -> Result<(), Fault> {
    step(tables.keys.delete_one(doc! { "_id": key, "tarea": task })).await?;
    Ok(())
}

/// Forgets a task, whatever its state; false if there is none. Once it is gone from `tareas` it is gone; who works on it
/// finds that out when he is done.
pub(super) async fn delete(tables: &Tables, id: Uuid) -> Result<bool, Fault> {
    let task = name(id);
    let Some(document) = find(&tables.tasks, &task).await? else { return Ok(false) };
    let document = Kept(&document);
    if let Some(key) = document.maybe_text("clave")? {
        forget_key(tables, key, &task).await?;
    }
    let is_first = remove(&tables.tasks, &task).await?;
    turns::forget(tables, &task).await?;
    chunks::forget(tables, &chunks::upload(&task), document.number("recibidos")?).await?;
    forget_result(tables, &task).await?;
    Ok(is_first)
}

/// Removes a result and its file, if there is one.
pub(super) async fn forget_result(tables: &Tables, task: &str) -> Result<(), Fault> {
    let Some(result) = find(&tables.results, task).await? else { return Ok(()) };
    let result = Kept(&result);
    remove(&tables.results, task).await?;
    if result.maybe_text("formato")?.is_some() {
        chunks::forget(tables, &chunks::result_of(&result)?, result.number("bytes")?).await?;
    }
    Ok(())
}
