//! Taking tasks on, and forgetting them.
//!
//! Of a key the document in `claves` comes first, and names the task: who finds one whose task never came finishes what
//! was begun there, so that two servers that are handed the same under one key accept one task.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mongodb::bson::doc;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::error::MongoError;
use super::kept::{KeptDocument, count, date, name};
use super::link::{Tables, find, insert, remove, step};
use super::queue::{self, QueuePlace};
use super::{chunks, status};
use crate::model::task::Submission;
use crate::store::{Acceptance, rules};

/// How often a key is looked at that others take and give up at the same time.
const TRIES: u32 = 8;

/// A key, and what was handed in under it.
struct IdempotencyKey {
    /// SHA-256 of the client's word, as the digest is of what was handed in; both in base64.
    name: String,
    digest: String,
}

/// Keeps a submission, unless its key has been seen.
pub(super) async fn accept(
    tables: &Tables,
    submission: &Submission,
    order: i64,
) -> Result<Acceptance, MongoError> {
    let Submission { id, picture, key: word, transform, .. } = submission;
    let Some(word) = word else {
        return match keep(tables, *id, submission, None, order).await? {
            KeyHolder::Ours => Ok(Acceptance::New),
            KeyHolder::Never => Err(MongoError::Contended),
            KeyHolder::Other => Err(MongoError::Strange),
        };
    };
    let (name_of_key, digest) = (Sha256::digest(word), rules::digest(picture, transform));
    let key = IdempotencyKey { name: STANDARD.encode(name_of_key), digest: STANDARD.encode(digest) };
    for _ in 0..TRIES {
        let ours = doc! { "_id": &key.name, "tarea": name(*id), "huella": &key.digest };
        if insert(&tables.keys, ours).await? {
            // If it fails, whoever hands it in again finishes what was begun.
            return match keep(tables, *id, submission, Some(&key), order).await? {
                // Meanwhile somebody may have taken the key for one that nobody stands behind.
                KeyHolder::Ours if stands_for(tables, &key, *id).await? => Ok(Acceptance::New),
                KeyHolder::Ours | KeyHolder::Never => {
                    forget_key(tables, &key.name, &name(*id)).await?;
                    delete(tables, *id).await?;
                    Err(MongoError::Contended)
                }
                KeyHolder::Other => {
                    forget_key(tables, &key.name, &name(*id)).await?;
                    Err(MongoError::Strange)
                }
            };
        }
        let Some(known) = find(&tables.keys, &key.name).await? else { continue };
        let known = KeptDocument(&known);
        let (task, is_same) = (known.id("tarea")?, known.text("huella")? == key.digest);
        match status::status(tables, task).await? {
            Some(status) if is_same => return Ok(Acceptance::Same(status)),
            Some(_) => return Ok(Acceptance::Different),
            None if is_same => match keep(tables, task, submission, Some(&key), order).await? {
                // The next look finds it.
                KeyHolder::Ours if stands_for(tables, &key, task).await? => {}
                // It was deleted since the key was read.
                KeyHolder::Ours => {
                    delete(tables, task).await?;
                }
                KeyHolder::Never | KeyHolder::Other => forget_key(tables, &key.name, &name(task)).await?,
            },
            // Something else was begun under this key; who began it sees that he has lost it.
            None => forget_key(tables, &key.name, &name(task)).await?,
        }
    }
    Err(MongoError::Contended)
}

/// What the task of a name is.
enum KeyHolder {
    /// The one that was to be kept, by whomever.
    Ours,
    /// Another.
    Other,
    /// None, and there never will be.
    Never,
}

/// Whether a key still names this task.
async fn stands_for(tables: &Tables, key: &IdempotencyKey, id: Uuid) -> Result<bool, MongoError> {
    let known = find(&tables.keys, &key.name).await?;
    Ok(known.is_some_and(|known| known.get_str("tarea").is_ok_and(|task| task == name(id))))
}

/// Keeps this as the task `id`.
async fn keep(
    tables: &Tables,
    id: Uuid,
    submission: &Submission,
    key: Option<&IdempotencyKey>,
    order: i64,
) -> Result<KeyHolder, MongoError> {
    let Submission { picture, transform: file_request, at, .. } = submission;
    let task = name(id);
    let place = QueuePlace { id, attempt: 0, fallen: Vec::new(), tries: 0, order, received: 0 };
    insert(&tables.queue, place.place(*at)).await?;
    chunks::write(tables, &chunks::upload(&task), picture).await?;
    let mut document = doc! {
        "_id": &task,
        "orden": order,
        "recibidos": count(picture.len() as u64),
        "aceptada": date(*at),
        "plan": file_request.to_string(),
    };
    if let Some(key) = key {
        document.insert("clave", &key.name);
    }
    if insert(&tables.tasks, document).await? {
        return Ok(KeyHolder::Ours);
    }
    // The same, by somebody who has finished what was begun here; or another.
    let Some(other) = find(&tables.tasks, &task).await? else { return Err(MongoError::Contended) };
    if queue::is_grave(&other) {
        return Ok(KeyHolder::Never);
    }
    let is_same = key.is_some_and(|key| other.get_str("clave").is_ok_and(|other| other == key.name));
    Ok(if is_same { KeyHolder::Ours } else { KeyHolder::Other })
}

/// A key stands for nothing any more, if this is the task that it stood for.
pub(super) async fn forget_key(tables: &Tables, key: &str, task: &str) -> Result<(), MongoError> {
    step(tables.keys.delete_one(doc! { "_id": key, "tarea": task })).await?;
    Ok(())
}

/// Forgets a task, whatever its state; None if there is none, else the bytes of its result. Once it is gone from
/// `tareas` it is gone; who works on it finds that out when he is done. Its place goes last, so that what is left if
/// this ends halfway is found by who comes to it.
pub(super) async fn delete(tables: &Tables, id: Uuid) -> Result<Option<u64>, MongoError> {
    let task = name(id);
    let document = find(&tables.tasks, &task).await?.filter(|document| !queue::is_grave(document));
    let Some(document) = document else { return Ok(None) };
    let document = KeptDocument(&document);
    if let Some(key) = document.maybe_text("clave")? {
        forget_key(tables, key, &task).await?;
    }
    let is_first = remove(&tables.tasks, &task).await?;
    queue::forget(tables, &task).await?;
    chunks::forget(tables, &chunks::upload(&task), document.number("recibidos")?).await?;
    let freed = forget_result(tables, &task).await?;
    remove(&tables.queue, &task).await?;
    Ok(is_first.then_some(freed))
}

/// Removes a result and its file, if there is one; the bytes of the file.
pub(super) async fn forget_result(tables: &Tables, task: &str) -> Result<u64, MongoError> {
    let Some(result) = find(&tables.results, task).await? else { return Ok(0) };
    let result = KeptDocument(&result);
    remove(&tables.results, task).await?;
    if result.maybe_text("formato")?.is_none() {
        return Ok(0);
    }
    let length = result.number("bytes")?;
    chunks::forget(tables, &chunks::result_of(&result)?, length).await?;
    Ok(length)
}
