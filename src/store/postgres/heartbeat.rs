//! A server's background work for the fleet: shows that it lives, takes over the tasks of dead servers, and listens
//! to notifications of the others.
//!
//! All times are the database's. A server is dead when it has not been seen for a lease, but only for a server that
//! was itself seen all that time: after the database was unreachable, or its clock was set, no server is declared
//! dead at once. Taking over is one statement. `LISTEN` only saves waiting: without it, everything is found by
//! polling.
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::error::PgError;
use super::link::{Conn, PgLink, get};
use super::tasks::{self, Held};
use super::{Lease, Server};
use crate::store::{CRASHES_MAX, DeliverAnswer, NEWS, News, StoreAnswer, StoreReply, rules};

/// A server shows that it lives; it was seen without a gap since `steady_since`. `due`: it has to take something over,
/// and may.
const BEAT: &str = "INSERT INTO tp2_server AS s (id, seen_at, steady_since) VALUES ($1::uuid, now(), now())
    ON CONFLICT (id) DO UPDATE SET seen_at = now(), steady_since = CASE
        WHEN s.seen_at BETWEEN now() - $2::float8 / 2 * interval '1 second' AND now() + interval '1 second'
        THEN s.steady_since ELSE now() END
    RETURNING steady_since <= now() - $2::float8 * interval '1 second' AND (
        EXISTS (SELECT FROM tp2_server WHERE id <> $1::uuid AND (seen_at <= now() - $2::float8 * interval '1 second'
            OR seen_at > now() + $2::float8 * interval '1 second'))
        OR EXISTS (SELECT FROM tp2_queue WHERE server IS NOT NULL AND server <> $1::uuid
            AND server NOT IN (SELECT id FROM tp2_server))) AS due";

/// Requeues what dead servers had in work, and deletes their rows. Also for a server that came back just then.
const TAKE_OVER: &str = "WITH dead AS (
    DELETE FROM tp2_server WHERE id <> $1::uuid AND (seen_at <= now() - $2::float8 * interval '1 second'
        OR seen_at > now() + $2::float8 * interval '1 second') RETURNING id
), left_by AS (
    UPDATE tp2_queue q SET server = NULL, begun_at = NULL, crashes = crashes + 1, tries = tries + 1
    WHERE q.server IS NOT NULL AND q.server <> $1::uuid
        AND (q.server IN (SELECT id FROM dead) OR q.server NOT IN (SELECT id FROM tp2_server))
    RETURNING q.id, q.attempt, q.crashes
)
SELECT id, attempt FROM left_by WHERE crashes >= $3::integer";

/// Pause before a failed connection is made again.
const PAUSE: Duration = Duration::from_millis(500);
const BEAT_MAX: Duration = Duration::from_secs(5);

/// Shows that this server lives, and checks the others. `at` is the end time of their tasks that have caused too many
/// crashes.
pub(super) async fn beat(
    conn: &mut Conn,
    server: &Server,
    lease: Lease,
    at: SystemTime,
) -> Result<(), PgError> {
    let seconds = lease.lease.as_secs_f64();
    let beat = conn.prepare(BEAT).await?;
    let seen = conn.client.query_one(&beat, &[&server.id, &seconds]).await?;
    if !get::<bool>(&seen, "due")? {
        return Ok(());
    }
    conn.client.batch_execute("BEGIN").await?;
    let taken = take_over(conn, server, seconds, at).await;
    conn.client.batch_execute(if taken.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    taken
}

async fn take_over(conn: &mut Conn, server: &Server, seconds: f64, at: SystemTime) -> Result<(), PgError> {
    let crashes_max = i32::try_from(CRASHES_MAX).unwrap_or(i32::MAX);
    let statement = conn.prepare(TAKE_OVER).await?;
    let hopeless = conn.client.query(&statement, &[&server.id, &seconds, &crashes_max]).await?;
    if !hopeless.is_empty() {
        tasks::prepare_failure(conn).await?;
    }
    for row in hopeless {
        let held = Held { id: get(&row, "id")?, attempt: get(&row, "attempt")? };
        tasks::fail(conn, server, None, held, at, &rules::hopeless()).await?;
    }
    Ok(())
}

/// Beats and listens for ever, over a connection of its own.
pub(super) async fn run(
    link: Arc<PgLink>,
    server: Arc<Server>,
    lease: Lease,
    deliver: Arc<OnceLock<DeliverAnswer>>,
) {
    loop {
        // Repeated at the next beat; requests to the database report that it is unreachable.
        let _ = listen(&link, &server, lease, &deliver).await;
        tokio::time::sleep(PAUSE.min(lease.beat)).await;
    }
}

async fn listen(
    link: &PgLink,
    server: &Server,
    lease: Lease,
    deliver: &OnceLock<DeliverAnswer>,
) -> Result<(), PgError> {
    let (heard, mut inbox) = mpsc::unbounded_channel();
    let mut conn = link.connect(Some(heard)).await?;
    // Without it the others' tasks are found a little later.
    match conn.client.batch_execute("LISTEN tp2").await.map_err(PgError::from) {
        Err(fault) if fault.is_absence() => return Err(fault),
        _ => {}
    }
    let mut next = Instant::now();
    loop {
        let wait = next.saturating_duration_since(Instant::now());
        match tokio::time::timeout(wait, inbox.recv()).await {
            Ok(Some(payload)) => {
                if let (Some(news), Some(deliver)) = (read(&payload, server.id), deliver.get()) {
                    deliver(StoreAnswer { ticket: NEWS, result: Ok(StoreReply::News(news)) });
                }
            }
            Ok(None) => return Err(PgError::Late),
            Err(_) => {
                next = Instant::now() + lease.beat;
                let beat = beat(&mut conn, server, lease, SystemTime::now());
                tokio::time::timeout(BEAT_MAX, beat).await.unwrap_or(Err(PgError::Late))?;
            }
        }
    }
}

/// What a notification means to this server; None: nothing.
fn read(payload: &str, own: Uuid) -> Option<News> {
    let (kind, id) = payload.split_at_checked(1)?;
    let id: Uuid = id.parse().ok()?;
    match kind {
        "w" if id == own => Some(News::Waiting),
        "e" => Some(News::Ended(id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_is_for_this_server_or_about_a_task() {
        let (own, other) = (Uuid::from_u128(7), Uuid::from_u128(8));
        assert_eq!(read(&format!("w{own}"), own), Some(News::Waiting));
        assert_eq!(read(&format!("w{other}"), own), None);
        assert_eq!(read(&format!("e{other}"), own), Some(News::Ended(other)));
        for nothing in ["", "e", "x", "ñ", "e1234", "wño"] {
            assert_eq!(read(nothing, own), None, "{nothing}");
        }
    }
}
