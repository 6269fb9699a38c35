//! Groups in which something goes wrong.

use std::sync::mpsc;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::Writer;
use crate::StoreError;
use crate::embedded::changes::Changes;
use crate::embedded::presence::Presence;
use crate::embedded::{fault, open};

fn writer() -> (TempDir, Writer) {
    let folder = tempfile::tempdir().unwrap();
    let (path, connection) = open::open(folder.path()).unwrap();
    let presence = Presence::new(&path).unwrap();
    let writer = Writer::start(connection, Changes::new(0), presence).unwrap();
    (folder, writer)
}

fn add(name: &str) -> impl FnOnce(&Connection) -> Result<(), StoreError> + use<> {
    let sql = format!("INSERT INTO identities (public_key, created_at) VALUES ('{name}', 1)");
    move |connection| Ok(connection.execute_batch(&sql)?)
}

async fn names(writer: &Writer) -> String {
    let read = |connection: &Connection| {
        let sql = "SELECT group_concat(public_key, '') FROM identities";
        Ok(connection.query_row(sql, [], |row| row.get::<_, Option<String>>(0))?)
    };
    writer.write(read).await.unwrap().unwrap_or_default()
}

/// Runs `a`, `failing` and `c` in one group.
async fn group(
    writer: &Writer,
    failing: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
) -> [Result<(), StoreError>; 3] {
    let (begun, has_begun) = oneshot::channel();
    let (open_gate, gate) = mpsc::channel::<()>();
    let first = writer.write(move |_| {
        _ = begun.send(());
        _ = gate.recv();
        Ok(())
    });
    let others = async {
        has_begun.await.unwrap();
        let (a, b, c) = (
            writer.write(add("a")),
            writer.write(failing),
            writer.write(add("c")),
        );
        // Each is handed in when it is first polled, in this order; then the gate opens.
        let (a, b, c, ()) = tokio::join!(biased; a, b, c, async { drop(open_gate) });
        [a, b, c]
    };
    let (first, others) = tokio::join!(first, others);
    first.unwrap();
    others
}

#[tokio::test]
async fn a_job_that_fails_takes_back_only_its_own_changes() {
    let (_folder, writer) = writer();
    let outcomes = group(&writer, |connection| {
        add("b")(connection)?;
        Err(fault::conflict("b"))
    })
    .await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    assert!(
        matches!(outcomes[1], Err(StoreError::Conflict { .. })),
        "{outcomes:?}"
    );
    assert_eq!(names(&writer).await, "ac");
}

#[tokio::test]
async fn when_the_transaction_is_lost_nobody_is_told_that_it_was_written() {
    let (_folder, writer) = writer();
    let outcomes = group(&writer, |connection| {
        connection.execute_batch("ROLLBACK")?;
        Err(StoreError::Unavailable {
            reason: "the disk broke".to_owned(),
        })
    })
    .await;
    for outcome in outcomes {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("the disk broke"), "{error}");
    }
    assert_eq!(names(&writer).await, "");
    writer.write(add("d")).await.unwrap();
    assert_eq!(names(&writer).await, "d");
}

#[tokio::test]
async fn when_the_commit_fails_nobody_is_told_that_it_was_written() {
    let (_folder, writer) = writer();
    // A broken reference that is only looked at in the commit.
    let outcomes = group(&writer, |connection| {
        Ok(connection.execute_batch(
            "CREATE TABLE child (parent TEXT REFERENCES identities DEFERRABLE INITIALLY DEFERRED);
             INSERT INTO child VALUES ('nobody')",
        )?)
    })
    .await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(names(&writer).await, "");
    writer.write(add("d")).await.unwrap();
    assert_eq!(names(&writer).await, "d");
}

#[tokio::test]
async fn a_full_disk_is_said_and_the_store_goes_on_when_there_is_space() {
    let (_folder, writer) = writer();
    let limit = |pages: &'static str| {
        writer.write(move |connection| {
            let set = format!("PRAGMA max_page_count = {pages}");
            Ok(connection.query_row(&set, [], |row| row.get::<_, i64>(0))?)
        })
    };
    limit("1").await.unwrap();
    let big = || add(&"x".repeat(100_000));
    let refused = writer.write(big()).await.unwrap_err();
    assert!(
        refused.to_string().contains("the disk is full"),
        "{refused}"
    );
    limit("1000000").await.unwrap();
    writer.write(big()).await.unwrap();
}
