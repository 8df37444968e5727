//! The bank of faces in MongoDB, in the format that existing programs read and write; tasks are kept elsewhere.
//!
//! Rules: a face is one document of its folder's collection; a unique index keeps names unique. Writes wait for a
//! majority of the replica set and its journals, unless the URI says otherwise. Filters are of the kinds that every
//! server with MongoDB's protocol supports.
//!
//! What it refuses to do: to wait without end. Each step has a time limit; when the database does not answer, further
//! requests are refused at once for a moment, so that a queue of requests does not time out one by one. To keep a
//! task.
//!
//! Known limits: where another program's documents repeat a name in a folder, or its index allows repeated names, our
//! index can't be created, and two servers at once may add a name twice.
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use self::error::MongoError;
use self::link::MongoLink;
use self::refusal::MongoRefusal;
use super::{Backend, Brake, Reader, StoreAnswer, StoreError, StoreRead, StoreReply, StoreWrite, Writer};
use crate::model::face::Face;

mod bank;
mod error;
mod link;
mod refusal;

pub use refusal::MongoOpenError;

/// The database's name, which existing programs expect.
const BANK: &str = "BancoImagenes";
/// The database in which earlier versions kept tasks.
const TASKS: &str = "Tp2";
/// Changes in progress at once.
const TOGETHER: usize = 16;

/// Opens the bank of all servers whose `--banco` is this URI; also whether tasks of an older version are there.
///
/// # Errors
/// The database does not answer within some seconds, or refuses; the error says which server and why, without a
/// password.
pub fn open(uri: &str) -> Result<(Backend, bool), MongoOpenError> {
    open_as(uri, BANK).map_err(|reason| reason.of(uri))
}

fn open_as(uri: &str, name: &str) -> Result<(Backend, bool), MongoRefusal> {
    let link = Arc::new(MongoLink::open(uri, name)?);
    let has_tasks = link.run(async {
        ping(&link).await?;
        // A user who may not list it has no tasks there.
        Ok(link::step(link.bank.client().database(TASKS).list_collection_names())
            .await
            .is_ok_and(|names| !names.is_empty()))
    })?;
    let writer = MongoWriter { link: Arc::clone(&link), folders: Mutex::default() };
    Ok(((Box::new(writer), Box::new(MongoReader { link })), has_tasks))
}

/// Asks for something that a server answers only if this user may read.
async fn ping(link: &MongoLink) -> Result<(), MongoError> {
    link::step(link.bank.list_collection_names()).await?;
    Ok(())
}

struct MongoWriter {
    link: Arc<MongoLink>,
    /// Folders whose unique index is known to exist.
    folders: Mutex<HashSet<String>>,
}

impl MongoWriter {
    async fn apply(&self, write: &StoreWrite) -> Result<StoreReply, MongoError> {
        match write {
            StoreWrite::Insert { folder, face } => Ok(StoreReply::Inserted(self.insert(folder, face).await?)),
            StoreWrite::RemoveFace { folder, name } => {
                Ok(StoreReply::Known(bank::remove_face(&self.link.bank, folder, name).await?))
            }
            StoreWrite::RemoveFolder { folder } => {
                let (known, more) = bank::remove_faces(&self.link.bank, folder).await?;
                Ok(StoreReply::Removed { known, more })
            }
            // Requests about tasks do not come here.
            _ => ping(&self.link).await.map(|()| StoreReply::Nothing),
        }
    }

    async fn insert(&self, folder: &str, face: &Face) -> Result<bool, MongoError> {
        let images = &self.link.bank;
        let is_known = self.folders.lock().unwrap_or_else(PoisonError::into_inner).contains(folder);
        // If it can't be created now, a later try may succeed.
        let is_unique = is_known || bank::prepare(images, folder).await?;
        if is_unique && !is_known {
            self.folders.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
        }
        bank::insert(images, folder, face, is_unique).await
    }
}

impl Writer for MongoWriter {
    fn write(&mut self, batch: Vec<(u64, StoreWrite)>) -> Vec<StoreAnswer> {
        let mut answers = Vec::with_capacity(batch.len());
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            // Changes of different faces run together: of two with one name the first is kept. A removal starts when
            // all before it are done, and all after it wait.
            let mut seen = HashSet::new();
            let is_new = |(_, write): &&(u64, StoreWrite)| match write {
                StoreWrite::Insert { folder, face } => seen.insert((folder.clone(), face.name.clone())),
                StoreWrite::RemoveFace { .. } | StoreWrite::RemoveFolder { .. } => false,
                _ => true,
            };
            let count = rest.iter().take(TOGETHER).take_while(is_new).count().max(1);
            let (run, left) = rest.split_at(count);
            rest = left;
            match self.link.run_all(run.iter().map(|(_, write)| self.apply(write))) {
                Ok(results) => answers.extend(
                    run.iter()
                        .zip(results)
                        .map(|((ticket, _), result)| StoreAnswer { ticket: *ticket, result }),
                ),
                Err(trouble) => answers.extend(
                    run.iter()
                        .map(|(ticket, _)| StoreAnswer { ticket: *ticket, result: Err(trouble.clone()) }),
                ),
            }
        }
        answers
    }

    fn close(&mut self) {}

    fn brake(&self) -> Option<Brake> {
        let link = Arc::clone(&self.link);
        Some(Arc::new(move || link.brake()))
    }
}

struct MongoReader {
    link: Arc<MongoLink>,
}

impl Reader for MongoReader {
    fn read(&mut self, read: StoreRead) -> Result<StoreReply, StoreError> {
        let images = &self.link.bank;
        self.link.run(async {
            Ok(match read {
                StoreRead::Missing { folder, names } => {
                    StoreReply::Names(bank::missing(images, &folder, names).await?)
                }
                StoreRead::Folders { from, max } => {
                    StoreReply::Folders(bank::folders(images, from.as_deref(), max).await?)
                }
                StoreRead::Names { folder, from, max } => {
                    StoreReply::Page(bank::names(images, &folder, from, max).await?)
                }
                StoreRead::Face { folder, name } => {
                    StoreReply::Faces(bank::face(images, &folder, &name).await?)
                }
                StoreRead::Faces { folder, after, max } => {
                    StoreReply::Faces(bank::faces(images, &folder, after, max).await?)
                }
                // Requests about tasks do not come here.
                _ => StoreReply::Nothing,
            })
        })
    }
}

#[cfg(test)]
mod tests;
