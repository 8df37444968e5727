//! The image bank: a collection for each folder, documents in the format that existing programs read and write.
//!
//! Rules: a unique index keeps names unique; it is created before the first face. Documents that are no faces are
//! skipped.
use std::collections::HashSet;

use bytes::Bytes;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, Database, IndexModel};

use super::error::MongoError;
use super::link::{all, insert as insert_one, limit, step};
use crate::model::face::{FACE_SAMPLES, Face, FolderPage, Page};

/// `vector` has samples divided by this.
const UNIT: f64 = 1000.0;

/// Faces of a folder deleted per request.
const REMOVED_MAX: usize = 100;

/// Creates the unique index of a folder; false if existing documents repeat a name.
pub(super) async fn prepare(bank: &Database, folder: &str) -> Result<bool, MongoError> {
    let make = async || {
        let unique = IndexOptions::builder().unique(true).build();
        let index = IndexModel::builder().keys(doc! { "nombre": 1 }).options(unique).build();
        step(table(bank, folder).create_index(index)).await
    };
    // If two servers create it at once, the first may have made the second fail.
    let made = match make().await {
        Err(fault) if fault.is_repeated() => make().await,
        made => made,
    };
    match made {
        Ok(_) => Ok(true),
        Err(fault) if fault.is_repeated() => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Adds a face unless its folder has one of that name.
pub(super) async fn insert(
    bank: &Database,
    folder: &str,
    new: &Face,
    is_unique: bool,
) -> Result<bool, MongoError> {
    let Face { name, image, samples } = new;
    let table = table(bank, folder);
    if !is_unique && step(table.find_one(doc! { "nombre": name })).await?.is_some() {
        return Ok(false);
    }
    let vector: Vec<Bson> = samples.iter().map(|&sample| Bson::Double(f64::from(sample) / UNIT)).collect();
    insert_one(&table, doc! { "nombre": name, "imagen_str": image, "vector": vector }).await
}

fn table(bank: &Database, folder: &str) -> Collection<Document> {
    bank.collection(folder)
}

/// How many faces a folder has, counted along the index of names; None if there is no such folder.
async fn count(bank: &Database, folder: &str) -> Result<Option<u64>, MongoError> {
    let table = table(bank, folder);
    // Only strings: a document without a name is not ours.
    let count = step(table.count_documents(doc! { "nombre": { "$gte": "" } })).await?;
    let is_empty = count == 0 && step(table.find_one(doc! {})).await?.is_none();
    Ok((!is_empty).then_some(count))
}

/// The given names that a folder lacks.
pub(super) async fn missing(
    bank: &Database,
    folder: &str,
    names: Vec<String>,
) -> Result<Vec<String>, MongoError> {
    if names.is_empty() {
        return Ok(names);
    }
    let file_request = doc! { "nombre": { "$in": &names } };
    let known = names_of(all(table(bank, folder).find(file_request).projection(only_names())).await?);
    let known: HashSet<String> = known.collect();
    Ok(names.into_iter().filter(|name| !known.contains(name)).collect())
}

/// Folders in order of their names, from `from` on, and how many faces each has.
pub(super) async fn folders(
    bank: &Database,
    from: Option<&str>,
    max: usize,
) -> Result<FolderPage, MongoError> {
    let mut names = step(bank.list_collection_names()).await?;
    names.retain(|name| !name.starts_with("system.") && from.is_none_or(|from| name.as_str() >= from));
    names.sort_unstable();
    let mut folders = Vec::new();
    for name in names {
        if let Some(faces) = count(bank, &name).await? {
            if folders.len() >= max {
                return Ok(FolderPage { folders, next: Some(name) });
            }
            folders.push((name, faces));
        }
    }
    Ok(FolderPage { folders, next: None })
}

/// Deletes a face; whether there was one.
pub(super) async fn remove_face(bank: &Database, folder: &str, name: &str) -> Result<bool, MongoError> {
    let removed = step(table(bank, folder).delete_many(doc! { "nombre": name })).await?;
    Ok(removed.deleted_count > 0)
}

/// Deletes a bounded number of faces of a folder: whether there was such a folder, and whether it has more. The
/// collection stays, with its unique index: other servers may rely on it.
pub(super) async fn remove_faces(bank: &Database, folder: &str) -> Result<(bool, bool), MongoError> {
    let table = table(bank, folder);
    // A document without a name is not ours.
    let faces = table.find(doc! { "nombre": { "$gte": "" } }).sort(doc! { "nombre": 1 });
    let names: Vec<String> =
        names_of(all(faces.projection(only_names()).limit(limit(REMOVED_MAX))).await?).collect();
    let Some(last) = names.last() else { return Ok((false, false)) };
    step(table.delete_many(doc! { "nombre": { "$gte": "", "$lte": last } })).await?;
    let more = names.len() == REMOVED_MAX;
    Ok((true, more))
}

/// Names in a folder, from `from` on.
pub(super) async fn names(
    bank: &Database,
    folder: &str,
    from: Option<String>,
    max: usize,
) -> Result<Option<Page>, MongoError> {
    let Some(total) = count(bank, folder).await? else { return Ok(None) };
    // Only strings, all of which sort after the empty one: a document without a name is not ours.
    let file_request = doc! { "nombre": { "$gte": from.unwrap_or_default() } };
    // One more: the next part begins there.
    let table = table(bank, folder);
    let found = table.find(file_request).sort(doc! { "nombre": 1 }).limit(limit(max.saturating_add(1)));
    let mut names: Vec<String> = names_of(all(found.projection(only_names())).await?).collect();
    let next = (names.len() > max).then(|| names.pop()).flatten();
    Ok(Some(Page { total, names, next }))
}

/// One face, or none; None if there is no such folder.
pub(super) async fn face(bank: &Database, folder: &str, name: &str) -> Result<Option<Vec<Face>>, MongoError> {
    if let Some(document) = step(table(bank, folder).find_one(doc! { "nombre": name })).await? {
        return Ok(Some(face_of(&document).into_iter().collect()));
    }
    Ok(count(bank, folder).await?.map(|_| Vec::new()))
}

pub(super) async fn faces(
    bank: &Database,
    folder: &str,
    after: Option<String>,
    max: usize,
) -> Result<Option<Vec<Face>>, MongoError> {
    if count(bank, folder).await?.is_none() {
        return Ok(None);
    }
    // MongoDB takes a limit of 0 for no limit.
    if max == 0 {
        return Ok(Some(Vec::new()));
    }
    let mut after = after.unwrap_or_default();
    loop {
        let file_request = doc! { "nombre": { "$gt": after } };
        let found =
            all(table(bank, folder).find(file_request).sort(doc! { "nombre": 1 }).limit(limit(max))).await?;
        let faces: Vec<Face> = found.iter().filter_map(face_of).collect();
        let last = found.last().and_then(|last| last.get_str("nombre").ok());
        match last {
            // The caller takes an empty list for the end: after documents that are all no faces, the search goes on
            // behind them.
            Some(last) if faces.is_empty() => after = last.to_owned(),
            _ => return Ok(Some(faces)),
        }
    }
}

/// Leaves out all fields but the name.
fn only_names() -> Document {
    doc! { "nombre": 1, "_id": 0 }
}

fn names_of(documents: Vec<Document>) -> impl Iterator<Item = String> {
    let name = |document: Document| document.get_str("nombre").ok().map(str::to_owned);
    documents.into_iter().filter_map(name)
}

/// None if it is no face, or has invalid values.
fn face_of(document: &Document) -> Option<Face> {
    let (name, image) = (document.get_str("nombre").ok()?, document.get_str("imagen_str").ok()?);
    let samples: Option<Vec<u8>> = document.get_array("vector").ok()?.iter().map(sample_of).collect();
    let samples = samples.filter(|samples| samples.len() == FACE_SAMPLES)?;
    Some(Face { name: name.into(), image: image.into(), samples: Bytes::from(samples) })
}

/// A sample from 0 to 255, of a number from 0 to 0.255.
fn sample_of(number: &Bson) -> Option<u8> {
    let number = match number {
        Bson::Double(number) => *number,
        Bson::Int32(number) => f64::from(*number),
        _ => return None,
    };
    let sample = (number * UNIT).round();
    // In the range of a byte, so nothing is cut off.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 255, and no NaN")]
    (0.0..=255.0).contains(&sample).then_some(sample as u8)
}
