//! What expires: results that are old, then the oldest of those that take too much room. The same rules as in SQLite;
//! every server of the fleet follows them, and what two do at once is done once.
//!
//! Order: a result is marked as expired before its bytes go, so that nobody reads half of them; while it says what its
//! bytes were, they may still be there.
use std::time::SystemTime;

use mongodb::bson::{Document, doc};

use super::accept::{forget_key, forget_result};
use super::chunks;
use super::end::{DONE, EXPIRED, FAILED};
use super::error::MongoError;
use super::kept::{KeptDocument, date};
use super::link::{Tables, all, find, limit, remove, step};
use crate::store::Retention;
use crate::store::rules::{PASS_BYTES, PASS_MAX, TOMBSTONE, before};

/// Results that are fetched at once where each may be the last that has to go.
const FETCHED: i64 = 32;

/// What a pass has done.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub(super) expired: usize,
    pub(super) more: bool,
    /// Bytes of all results that are left.
    pub(super) kept: u64,
}

/// A bounded number of expiries at one time.
struct MongoPass<'a> {
    tables: &'a Tables,
    at: SystemTime,
    bytes_max: u64,
    expired: usize,
    bytes: u64,
}

/// Lets expire what is old, what takes too much room, and what has long been expired.
pub(super) async fn sweep(
    tables: &Tables,
    retention: &Retention,
    at: SystemTime,
) -> Result<Swept, MongoError> {
    let mut pass = MongoPass { tables, at, bytes_max: PASS_BYTES, expired: 0, bytes: 0 };
    for state in [DONE, FAILED] {
        let old = doc! { "estado": state, "terminada": { "$lte": date(before(at, retention.age)) } };
        for result in all(tables.results.find(old).limit(limit(PASS_MAX))).await? {
            if !pass.is_over() {
                pass.expire(&result).await?;
            }
        }
    }
    let newest = tables.results.find(doc! { "estado": DONE }).sort(doc! { "terminada": -1, "orden": -1 });
    let newest = all(newest.limit(1)).await?.pop();
    let kept = match newest.as_ref().map(|newest| KeptDocument(newest).text("_id")).transpose()? {
        Some(newest) => pass.expire_oldest(retention.bytes_max, newest, sum(tables).await?).await?,
        None => 0,
    };
    let buried = bury(tables, before(at, TOMBSTONE)).await?;
    Ok(Swept { expired: pass.expired, more: pass.is_over() || buried == PASS_MAX, kept })
}

/// Makes room for the result of this task, which is there already, where all together have so many bytes; how many of
/// them have gone.
pub(super) async fn make_room(
    tables: &Tables,
    retention: &Retention,
    at: SystemTime,
    newest: &str,
    (length, kept): (u64, u64),
) -> Result<u64, MongoError> {
    // At least as much as has come, or the results would grow beyond their limit.
    let mut pass = MongoPass { tables, at, bytes_max: PASS_BYTES.max(length), expired: 0, bytes: 0 };
    Ok(kept - pass.expire_oldest(retention.bytes_max, newest, kept).await?)
}

/// Bytes of all results.
pub(super) async fn sum(tables: &Tables) -> Result<u64, MongoError> {
    let sum = [
        doc! { "$match": { "estado": DONE } },
        doc! { "$group": { "_id": null, "bytes": { "$sum": "$bytes" } } },
    ];
    let sums = all(tables.results.aggregate(sum)).await?;
    sums.first().map_or(Ok(0), |sum| KeptDocument(sum).number("bytes"))
}

impl MongoPass<'_> {
    fn is_over(&self) -> bool {
        self.expired >= PASS_MAX || self.bytes >= self.bytes_max
    }

    /// Lets the oldest results expire, but for the newest, until they fit, of so many bytes; the bytes that are left.
    async fn expire_oldest(
        &mut self,
        bytes_max: u64,
        newest: &str,
        mut kept: u64,
    ) -> Result<u64, MongoError> {
        while !self.is_over() && kept > bytes_max {
            let oldest = self.tables.results.find(doc! { "estado": DONE });
            let oldest = all(oldest.sort(doc! { "terminada": 1, "orden": 1 }).limit(FETCHED)).await?;
            let before = self.expired;
            for result in &oldest {
                if kept > bytes_max && !self.is_over() && KeptDocument(result).text("_id")? != newest {
                    kept = kept.saturating_sub(self.expire(result).await?);
                }
            }
            if self.expired == before {
                break;
            }
        }
        Ok(kept)
    }

    /// Lets this result expire; its bytes. One that can't be read keeps no other from expiring.
    async fn expire(&mut self, result: &Document) -> Result<u64, MongoError> {
        match self.expire_sound(result).await {
            Err(MongoError::Strange) => Ok(0),
            done => done,
        }
    }

    async fn expire_sound(&mut self, result: &Document) -> Result<u64, MongoError> {
        let (tables, kept) = (self.tables, KeptDocument(result));
        let task = kept.text("_id")?;
        let expired = doc! {
            "$set": { "estado": EXPIRED, "vencida": date(self.at) },
            "$unset": { "codigo": "", "tipo": "", "detalle": "" },
        };
        let done = step(tables.results.update_one(doc! { "_id": task }, expired)).await?;
        self.expired += usize::try_from(done.matched_count).unwrap_or_default();
        let mut length = 0;
        if kept.maybe_text("formato")?.is_some() {
            length = kept.number("bytes")?;
            chunks::forget(tables, &chunks::result_of(&kept)?, length).await?;
            let gone = doc! { "$unset": { "formato": "", "ancho": "", "alto": "", "bytes": "" } };
            step(tables.results.update_one(doc! { "_id": task }, gone)).await?;
        }
        let key = find(&tables.tasks, task).await?;
        if let Some(key) = key.as_ref().and_then(|document| document.get_str("clave").ok()) {
            forget_key(tables, key, task).await?;
        }
        self.bytes = self.bytes.saturating_add(length);
        Ok(length)
    }
}

/// Forgets a bounded number of tasks that expired by then; how many.
async fn bury(tables: &Tables, by: SystemTime) -> Result<usize, MongoError> {
    let long_expired = doc! { "estado": EXPIRED, "vencida": { "$lte": date(by) } };
    let buried = all(tables.results.find(long_expired).limit(limit(PASS_MAX))).await?;
    for result in &buried {
        let task = KeptDocument(result).text("_id")?;
        remove(&tables.tasks, task).await?;
        forget_result(tables, task).await?;
    }
    Ok(buried.len())
}
