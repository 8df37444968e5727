//! The database's tables, and their migration from older versions.
//!
//! Rules: the one row of `tp2_schema` says how many of the [`MIGRATIONS`] were applied. All are applied in one
//! transaction under an advisory lock: of servers that start together one migrates and the others wait. Tables of a
//! later version are refused and left as they are. The tables are in the first schema of the connection's
//! `search_path`.
use tokio_postgres::Transaction;

use super::error::PgError;
use super::link::Conn;

/// Migrations from each version to the next, the first from nothing.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// `tp2s`, big-endian: the key of the advisory lock.
const LOCK: i64 = i32::from_be_bytes(*b"tp2s") as i64;

pub(super) async fn migrate(conn: &mut Conn) -> Result<(), PgError> {
    bring_through(conn, MIGRATIONS).await
}

pub(super) async fn bring_through(conn: &mut Conn, migrations: &[&str]) -> Result<(), PgError> {
    let transaction = conn.client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let known = migrations.len();
    let version = version(&transaction).await?;
    let done = usize::try_from(version).ok().filter(|&done| done <= known);
    let done = done.ok_or(PgError::Newer { version, known })?;
    for (version, migration) in (1_i32..).zip(migrations).skip(done) {
        transaction.batch_execute(migration).await?;
        transaction.execute("UPDATE tp2_schema SET version = $1", &[&version]).await?;
    }
    Ok(transaction.commit().await?)
}

async fn version(transaction: &Transaction<'_>) -> Result<i32, PgError> {
    let exists = transaction.query_one("SELECT to_regclass('tp2_schema') IS NOT NULL", &[]).await?;
    if !exists.try_get::<_, bool>(0)? {
        transaction
            .batch_execute(
                "CREATE TABLE tp2_schema (version integer NOT NULL); INSERT INTO tp2_schema VALUES (0)",
            )
            .await?;
    }
    Ok(transaction.query_one("SELECT version FROM tp2_schema", &[]).await?.try_get(0)?)
}
