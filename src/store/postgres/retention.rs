//! Expiry: old results first, then the oldest of those that exceed the space limit.
//!
//! Rules as SQLite's: what has expired stays known for [`TOMBSTONE`]; the newest result evicts others, large ones first if
//! it is large, and is never itself evicted for space. One server sweeps at a time. Nothing is summed up or counted:
//! `tp2_ledger` has the sums, and each search goes along an index from the oldest on.
use std::time::SystemTime;

use uuid::Uuid;

use super::Server;
use super::error::PgError;
use super::link::{Conn, get, signed};
use crate::store::Retention;
use crate::store::rules::{PASS_BYTES, PASS_MAX, TOMBSTONE};

/// Locks one row until the end of the transaction, so that one server sweeps at a time.
const TURN: &str = "SELECT version FROM tp2_schema FOR UPDATE SKIP LOCKED";
const OLD_DONE: &str = "SELECT id, coalesce(length, 0) AS length FROM tp2_task
    WHERE state = 2 AND ended_at <= coalesce($1::timestamptz, now()) - $2::float8 * interval '1 second'
    ORDER BY ended_at, seq LIMIT $3";
const OLD_FAILED: &str = "SELECT id, 0::bigint AS length FROM tp2_task
    WHERE state = 3 AND ended_at <= coalesce($1::timestamptz, now()) - $2::float8 * interval '1 second'
    ORDER BY ended_at LIMIT $3";
const NEWEST: &str = "SELECT id FROM tp2_task WHERE state = 2 ORDER BY ended_at DESC, seq DESC LIMIT 1";
const OLDEST: &str = "SELECT id, coalesce(length, 0) AS length FROM tp2_task
    WHERE state = 2 AND id <> $1 ORDER BY ended_at, seq LIMIT $2";
/// The same among large ones, more bytes than [`LARGE`](crate::store::rules::LARGE): the index has the number.
const OLDEST_LARGE: &str = "SELECT id, length FROM tp2_task
    WHERE state = 2 AND length > 1048576 AND id <> $1 ORDER BY ended_at, seq LIMIT $2";
const IS_LARGE: &str = "SELECT coalesce(length > 1048576, false) AS large FROM tp2_task WHERE id = $1";
const SUM: &str = "SELECT sum(bytes)::bigint AS bytes FROM tp2_ledger";
const EXPIRE: &str = "WITH old AS (SELECT id, state, length FROM tp2_task WHERE id = ANY($1::uuid[]) AND state IN (2, 3) FOR UPDATE),
gone AS (UPDATE tp2_task t SET state = 4, expired_at = coalesce($2::timestamptz, now()), key = NULL, digest = NULL,
    code = NULL, slug = NULL, detail = NULL, format = NULL, width = NULL, height = NULL, length = NULL
    FROM old WHERE t.id = old.id RETURNING old.state AS was, old.length AS had),
freed AS (DELETE FROM tp2_result WHERE task IN (SELECT id FROM old)),
sums AS (UPDATE tp2_ledger SET done = done - (SELECT count(*) FROM gone WHERE was = 2),
    failed = failed - (SELECT count(*) FROM gone WHERE was = 3), expired = expired + (SELECT count(*) FROM gone),
    bytes = bytes - (SELECT coalesce(sum(had), 0) FROM gone WHERE was = 2) WHERE slot = $3)
SELECT count(*) AS expired FROM gone";
const BURY: &str = "WITH buried AS (DELETE FROM tp2_task WHERE id IN (
        SELECT id FROM tp2_task WHERE state = 4
        AND expired_at <= coalesce($1::timestamptz, now()) - $2::float8 * interval '1 second' LIMIT $3) RETURNING id),
sums AS (UPDATE tp2_ledger SET expired = expired - (SELECT count(*) FROM buried)
    WHERE slot = $4 AND EXISTS (SELECT FROM buried))
SELECT count(*) AS buried FROM buried";

pub(super) struct Swept {
    pub(super) expired: usize,
    pub(super) more: bool,
}

/// A bounded number of expiries.
struct Pass {
    ids: Vec<Uuid>,
    bytes: u64,
    bytes_max: u64,
}

impl Pass {
    fn is_over(&self) -> bool {
        self.ids.len() >= PASS_MAX || self.bytes >= self.bytes_max
    }

    fn take(&mut self, id: Uuid, length: i64) {
        self.ids.push(id);
        self.bytes = self.bytes.saturating_add(length.max(0).unsigned_abs());
    }
}

/// Expires old results and those beyond the space limit, and deletes old tombstones; within a transaction.
pub(super) async fn sweep(
    conn: &mut Conn,
    server: &Server,
    retention: &Retention,
    at: SystemTime,
) -> Result<Swept, PgError> {
    if conn.client.query(TURN, &[]).await?.is_empty() {
        return Ok(Swept { expired: 0, more: false });
    }
    let (time, age) = (server.time(at), retention.age.as_secs_f64());
    let mut pass = Pass { ids: Vec::new(), bytes: 0, bytes_max: PASS_BYTES };
    for text in [OLD_DONE, OLD_FAILED] {
        let left = signed((PASS_MAX - pass.ids.len().min(PASS_MAX)) as u64);
        for row in conn.client.query(text, &[&time, &age, &left]).await? {
            if !pass.is_over() {
                pass.take(get(&row, "id")?, get(&row, "length")?);
            }
        }
    }
    let mut expired = expire(conn, server, &pass.ids, at).await?;
    let newest = conn.client.query_opt(NEWEST, &[]).await?;
    if let Some(newest) = newest {
        expired += expire_oldest(conn, server, retention, at, (get(&newest, "id")?, &mut pass)).await?;
    }
    let (tombstone, most) = (TOMBSTONE.as_secs_f64(), signed(PASS_MAX as u64));
    let buried = conn.client.query_one(BURY, &[&time, &tombstone, &most, &server.slot]).await?;
    let more = pass.is_over() || get::<i64>(&buried, "buried")? == most;
    Ok(Swept { expired, more })
}

/// Makes room for this result, which is stored already; within a transaction.
pub(super) async fn make_room(
    conn: &mut Conn,
    server: &Server,
    retention: &Retention,
    at: SystemTime,
    (newest, length): (Uuid, u64),
) -> Result<(), PgError> {
    if conn.client.query(TURN, &[]).await?.is_empty() {
        return Ok(());
    }
    // At least as much as was added, or the results would grow beyond their limit.
    let mut pass = Pass { ids: Vec::new(), bytes: 0, bytes_max: PASS_BYTES.max(length) };
    expire_oldest(conn, server, retention, at, (newest, &mut pass)).await?;
    Ok(())
}

/// Expires the oldest results, but for the newest, until they fit or the pass is over.
async fn expire_oldest(
    conn: &mut Conn,
    server: &Server,
    retention: &Retention,
    at: SystemTime,
    (newest, pass): (Uuid, &mut Pass),
) -> Result<usize, PgError> {
    let sum: i64 = get(&conn.client.query_one(SUM, &[]).await?, "bytes")?;
    let mut excess = sum.saturating_sub(signed(retention.bytes_max));
    if excess <= 0 || pass.is_over() {
        return Ok(0);
    }
    let before = pass.ids.len();
    let is_large: bool = get(&conn.client.query_one(IS_LARGE, &[&newest]).await?, "large")?;
    for text in is_large.then_some(OLDEST_LARGE).into_iter().chain([OLDEST]) {
        let left = signed((PASS_MAX - pass.ids.len().min(PASS_MAX)) as u64);
        for row in conn.client.query(text, &[&newest, &left]).await? {
            if excess <= 0 || pass.is_over() {
                break;
            }
            let (id, length): (Uuid, i64) = (get(&row, "id")?, get(&row, "length")?);
            if !pass.ids[before..].contains(&id) {
                pass.take(id, length);
                excess -= length;
            }
        }
    }
    expire(conn, server, &pass.ids[before..], at).await
}

async fn expire(conn: &mut Conn, server: &Server, ids: &[Uuid], at: SystemTime) -> Result<usize, PgError> {
    if ids.is_empty() {
        return Ok(0);
    }
    let row = conn.client.query_one(EXPIRE, &[&ids, &server.time(at), &server.slot]).await?;
    usize::try_from(get::<i64>(&row, "expired")?).map_err(|_| PgError::Strange)
}
