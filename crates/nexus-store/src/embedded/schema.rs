//! The tables, and how an older file becomes a current one: `user_version` is the number of
//! migrations that a file has been through.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// One entry per schema version, oldest first. A released entry never changes: add another.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
];

/// What `application_id` is in a file of Nexus.
const APPLICATION: i64 = 0x4e65_5875;

/// What a database file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Empty, or written by this or an older Nexus.
    Usable,
    /// Written by a newer Nexus.
    TooNew(i64),
    /// Not written by Nexus.
    Foreign,
}

/// The newest schema that this program knows.
pub(super) const fn known() -> i64 {
    MIGRATIONS.len().cast_signed() as i64
}

/// Tells what the file is, without changing anything.
pub(super) fn inspect(connection: &Connection) -> rusqlite::Result<Found> {
    // One snapshot: another process may be creating the tables right now.
    let snapshot = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
    let tables: i64 =
        snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i64 = snapshot.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(match (application, version(&snapshot)?, tables) {
        (APPLICATION, found, _) if found > known() => Found::TooNew(found),
        (APPLICATION, ..) | (0, 0, 0) => Found::Usable,
        _ => Found::Foreign,
    })
}

/// Brings the file to the current schema, each step whole or not at all. Several processes may do
/// this at once: whoever comes second finds it done.
pub(super) fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    while version(connection)? < known() {
        let step = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let from = version(&step)?;
        if let Some(migration) = usize::try_from(from)
            .ok()
            .and_then(|index| MIGRATIONS.get(index))
        {
            step.execute_batch(migration)?;
            step.pragma_update(None, "user_version", from + 1)?;
        }
        step.commit()?;
    }
    Ok(())
}

/// Marks the file, so that it is told from copies that were made of it before. The number means
/// nothing else: SQLite looks at its tables again when it grows.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<()> {
    let number: u32 = connection
        .prepare_cached("PRAGMA schema_version")?
        .query_row([], |row| row.get(0))?;
    connection.pragma_update(None, "schema_version", number.wrapping_add(1))
}

/// The schema version of the file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("PRAGMA user_version")?
        .query_row([], |row| row.get(0))
}
