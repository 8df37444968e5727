//! The file's schema, and its migration from older versions.
//!
//! Rules: `application_id` marks a file as ours, `user_version` says how many of the [`MIGRATIONS`] it has; each is
//! one transaction. A file of another program, or of a later version, is refused and left as it is.
use rusqlite::{Connection, TransactionBehavior};

use super::refusal::SqliteRefusal;

/// `tp2s`, big-endian: where file(1) looks.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"tp2s");

/// Migrations from each version to the next, the first from an empty file.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
];

pub(super) fn migrate(conn: &mut Connection) -> Result<(), SqliteRefusal> {
    bring_through(conn, MIGRATIONS)
}

pub(super) fn bring_through(conn: &mut Connection, migrations: &[&str]) -> Result<(), SqliteRefusal> {
    let is_empty: bool =
        conn.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", (), |row| row.get(0))?;
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i32 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if application != APPLICATION_ID && !(is_empty && application == 0 && version == 0) {
        return Err(SqliteRefusal::Foreign);
    }
    let known = migrations.len();
    let done = usize::try_from(version).ok().filter(|&done| done <= known);
    let done = done.ok_or(SqliteRefusal::Newer { version, known })?;
    if is_empty {
        // Takes effect only before the file's first page is written, and so before WAL is enabled.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    for (version, migration) in (1..).zip(migrations).skip(done) {
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(conn: &Connection) -> i32 {
        conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    #[test]
    fn tasks_of_the_first_schema_keep_what_is_to_be_done() {
        let mut conn = Connection::open_in_memory().unwrap();
        bring_through(&mut conn, &MIGRATIONS[..1]).unwrap();
        conn.execute_batch(
            "INSERT INTO task (id, accepted_at, received, factor, format, quality, background)
             VALUES (zeroblob(16), 0, 9, 0.29, 'jpg', 85, 16777215), (randomblob(16), 0, 9, 2.0, 'pgm', 1, 2571)",
        )
        .unwrap();
        migrate(&mut conn).unwrap();
        let mut query = conn.prepare("SELECT transform FROM task ORDER BY seq").unwrap();
        let kept: Vec<String> =
            query.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let expected = [
            "escala=0.29&formato=jpeg&calidad=85&fondo=FFFFFF",
            "escala=2.0&formato=pgm&calidad=1&fondo=000A0B",
        ];
        assert_eq!(kept, expected);
        assert!(kept.iter().all(|text| crate::model::transform::Transform::parse(text).is_some()));
    }

    #[test]
    fn each_migration_is_made_once_and_whole() {
        let mut conn = Connection::open_in_memory().unwrap();
        let first = "CREATE TABLE a (n); INSERT INTO a VALUES (1);";
        bring_through(&mut conn, &[first]).unwrap();
        bring_through(&mut conn, &[first]).unwrap();
        assert_eq!(version(&conn), 1);
        // A failed migration leaves the file as the previous one left it.
        let (second, broken) = ("UPDATE a SET n = n + 1;", "UPDATE a SET n = 10; SELECT nothing;");
        assert!(matches!(bring_through(&mut conn, &[first, second, broken]), Err(SqliteRefusal::Sqlite(_))));
        assert_eq!(version(&conn), 2);
        bring_through(&mut conn, &[first, second, "UPDATE a SET n = n * 10;"]).unwrap();
        assert_eq!(conn.query_row("SELECT n FROM a", (), |row| row.get::<_, i32>(0)).unwrap(), 20);
        assert!(matches!(
            bring_through(&mut conn, &[first]),
            Err(SqliteRefusal::Newer { version: 3, known: 1 })
        ));
    }
}
