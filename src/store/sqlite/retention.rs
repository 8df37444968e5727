//! Expiry: old results first, then the oldest of those that exceed the space limit. Where the newest is large
//! ([`LARGE`](crate::store::rules::LARGE)), large ones go first.
//!
//! Rules: what has expired stays known for [`TOMBSTONE`]. The newest result evicts others and is never itself evicted
//! for space, so that it can be fetched whatever the limit: one that alone is larger stays until the next one comes,
//! or until its age. One pass is bounded in tasks and in bytes, because deleting a file reads where its pages are.
//!
//! Known limit: only a sweep returns free pages to the disk, by [`vacuum`]; an eighth of the file, and 4 MiB, stay
//! for later writes.
use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension};

use super::bank;
use super::kept::KeptRow;
use crate::store::rules::{PASS_BYTES, PASS_MAX, TOMBSTONE, before};
use crate::store::{Retention, StoreError, StoreReply};

/// Pages that one pass returns to the disk.
const VACUUM_MAX: i64 = 1024;

/// A bounded number of expiries at one time.
struct SqlitePass<'a> {
    conn: &'a Connection,
    at: SystemTime,
    bytes_max: u64,
    expired: usize,
    bytes: u64,
}

/// Expires old results and those beyond the space limit, and deletes old tombstones.
pub(super) fn sweep(
    conn: &Connection,
    retention: &Retention,
    at: SystemTime,
) -> Result<StoreReply, StoreError> {
    let mut pass = SqlitePass { conn, at, bytes_max: PASS_BYTES, expired: 0, bytes: 0 };
    let is_old = before(at, retention.age);
    pass.expire_older("SELECT seq FROM task WHERE state = 2 AND ended_at <= ?1 LIMIT ?2", is_old)?;
    pass.expire_older("SELECT seq FROM task WHERE state = 3 AND ended_at <= ?1 LIMIT ?2", is_old)?;
    let newest = conn
        .prepare_cached("SELECT seq FROM task WHERE state = 2 ORDER BY ended_at DESC, seq DESC LIMIT 1")?
        .query_row((), |row| row.get(0))
        .optional()?;
    if let Some(newest) = newest {
        pass.expire_oldest(retention.bytes_max, newest)?;
    }
    let buried = conn
        .prepare_cached(
            "DELETE FROM task WHERE seq IN (SELECT seq FROM task WHERE state = 4 AND expired_at <= ?1 LIMIT ?2)",
        )?
        .execute((KeptRow(before(at, TOMBSTONE)), PASS_MAX))?;
    let buries_more = bank::bury(conn)?;
    let vacuumed_all = vacuum(conn)?;
    Ok(StoreReply::Swept {
        expired: pass.expired,
        more: pass.is_over() || buried == PASS_MAX || buries_more || !vacuumed_all,
    })
}

/// Makes room for the result of this task, which is stored already.
pub(super) fn make_room(
    conn: &Connection,
    retention: &Retention,
    at: SystemTime,
    newest: i64,
) -> Result<(), StoreError> {
    let length = conn
        .prepare_cached("SELECT length FROM result WHERE task = ?1")?
        .query_row([newest], |row| row.get(0))?;
    // At least as much as was added, or the results would grow beyond their limit.
    let mut pass = SqlitePass { conn, at, bytes_max: PASS_BYTES.max(length), expired: 0, bytes: 0 };
    pass.expire_oldest(retention.bytes_max, newest)
}

impl SqlitePass<'_> {
    fn is_over(&self) -> bool {
        self.expired >= PASS_MAX || self.bytes >= self.bytes_max
    }

    /// Expires the tasks that this statement finds, given a time and a limit.
    fn expire_older(&mut self, found_by: &str, is_old: SystemTime) -> Result<(), StoreError> {
        let left = PASS_MAX - self.expired.min(PASS_MAX);
        let old: Vec<i64> = self
            .conn
            .prepare_cached(found_by)?
            .query_map((KeptRow(is_old), left), |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for seq in old {
            if !self.is_over() {
                self.expire(seq)?;
            }
        }
        Ok(())
    }

    /// Expires the oldest results, but for the newest, until they fit.
    fn expire_oldest(&mut self, bytes_max: u64, newest: i64) -> Result<(), StoreError> {
        let is_large: bool = self
            .conn
            .prepare_cached("SELECT large FROM task WHERE seq = ?1")?
            .query_row([newest], |row| row.get(0))?;
        if is_large {
            let large = "SELECT seq FROM task WHERE state = 2 AND large = 1 AND seq <> ?1 ORDER BY ended_at, seq LIMIT 1";
            self.expire_found(large, bytes_max, newest)?;
        }
        let any = "SELECT seq FROM task WHERE state = 2 AND seq <> ?1 ORDER BY ended_at, seq LIMIT 1";
        self.expire_found(any, bytes_max, newest)
    }

    /// Expires what this statement finds, which is given the newest, until the results fit.
    fn expire_found(&mut self, found_by: &str, bytes_max: u64, newest: i64) -> Result<(), StoreError> {
        let mut sum = self.conn.prepare_cached("SELECT result_bytes FROM ledger")?;
        let mut found = self.conn.prepare_cached(found_by)?;
        while !self.is_over() && sum.query_row((), |row| row.get::<_, u64>(0))? > bytes_max {
            let Some(seq) = found.query_row([newest], |row| row.get(0)).optional()? else { break };
            self.expire(seq)?;
        }
        Ok(())
    }

    fn expire(&mut self, seq: i64) -> Result<(), StoreError> {
        let length = self
            .conn
            .prepare_cached("SELECT length FROM result WHERE task = ?1")?
            .query_row([seq], |row| row.get(0))
            .optional()?;
        self.conn
            .prepare_cached(
                "UPDATE task SET state = 4, expired_at = ?2, key = NULL, digest = NULL, sums = NULL,
                        code = NULL, slug = NULL, detail = NULL WHERE seq = ?1",
            )?
            .execute((seq, KeptRow(self.at)))?;
        self.conn.prepare_cached("DELETE FROM result WHERE task = ?1")?.execute([seq])?;
        self.expired += 1;
        self.bytes = self.bytes.saturating_add(length.unwrap_or(0));
        Ok(())
    }
}

/// Returns a bounded number of free pages to the disk; whether none are left.
fn vacuum(conn: &Connection) -> Result<bool, StoreError> {
    let count = |pragma| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let spare = count("freelist_count")? - count("page_count")? / 8 - VACUUM_MAX;
    if spare > 0 {
        // Each step returns one page.
        let mut freeing = conn.prepare(&format!("PRAGMA incremental_vacuum({})", spare.min(VACUUM_MAX)))?;
        let mut rows = freeing.query(())?;
        while rows.next()?.is_some() {}
    }
    Ok(spare <= VACUUM_MAX)
}
