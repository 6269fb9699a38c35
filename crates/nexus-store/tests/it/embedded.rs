//! What is special to the embedded store: its file and its threads.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use nexus_core::Role;
use nexus_store::{EmbeddedStore, IdentityStore, MessageStore, Store, StoreError};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::contract::Place;
use crate::contract::changes::nothing_is_fresh_while_changes_are_not_heard;
use crate::contract::messages::walk;
use crate::samples::{at, key, message, set};

mod contract {
    crate::contract::contract!(super::Folder::new());
}

/// A data folder.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.0.path().join(format!("nexus.db{ending}"))
    }

    /// The file as an SQL shell sees it.
    pub(crate) fn shell(&self) -> Connection {
        Connection::open(self.file("")).unwrap()
    }
}

impl Place for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(EmbeddedStore::open(self.0.path()).unwrap())
    }
}

#[tokio::test]
async fn under_load_many_messages_share_a_commit() {
    let folder = Folder::new();
    let store = folder.open().await;
    let owner = store.create_identity(key(1), at(0)).await.unwrap().identity;
    // A reader that stays keeps the log whole, so that the commits in it can be counted.
    let shell = folder.shell();
    shell
        .execute_batch("BEGIN; SELECT count(*) FROM messages")
        .unwrap();
    let before = commits(&folder);
    // While another process writes, work piles up.
    let other = folder.shell();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut appends = JoinSet::new();
    for _ in 0..500 {
        let (store, owner) = (Arc::clone(&store), owner.clone());
        appends.spawn(async move {
            store
                .append(&owner, message(&owner, Role::Human, "hello"))
                .await
                .unwrap();
        });
    }
    // One turn for each task: all of them have handed in their message then.
    tokio::task::yield_now().await;
    other.execute_batch("COMMIT").unwrap();
    appends.join_all().await;
    assert_eq!(walk(&store, &owner, 1000).await.len(), 500);
    let commits = commits(&folder) - before;
    // 500 in groups of 64, the first of which may have been a small one.
    assert!(
        (8..=10).contains(&commits),
        "{commits} commits for 500 messages"
    );
}

/// The commits in the write-ahead log: the frames that carry a database size
/// (<https://sqlite.org/fileformat2.html#the_write_ahead_log>).
fn commits(folder: &Folder) -> usize {
    const HEADER: usize = 32;
    const FRAME_HEADER: usize = 24;
    let log = fs::read(folder.file("-wal")).unwrap();
    let page = u32::from_be_bytes(log[8..12].try_into().unwrap()) as usize;
    let salt = &log[16..24];
    let frames = log[HEADER..].chunks_exact(FRAME_HEADER + page);
    frames
        .filter(|frame| &frame[8..16] == salt && frame[4..8] != [0; 4])
        .count()
}

#[tokio::test]
async fn erased_text_is_in_no_file() {
    let folder = Folder::new();
    let store = folder.open().await;
    let owner = store.create_identity(key(1), at(0)).await.unwrap().identity;
    for number in 0..200 {
        let secret = format!("a secret {number} ").repeat(number % 50 * 10 + 1);
        store
            .append(&owner, message(&owner, Role::Human, &secret))
            .await
            .unwrap();
    }
    store
        .write_override(&owner, &set("prompts.persona", "a secret persona"))
        .await
        .unwrap();
    let found = |text: &str| {
        let holds = |ending| {
            let bytes = fs::read(folder.file(ending)).unwrap_or_default();
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        ["", "-wal"].map(holds)
    };
    assert!(found("a secret").contains(&true));
    store.erase_identity(key(1)).await.unwrap();
    assert_eq!(found("a secret"), [false, false]);
    assert_eq!(found(&key(1).to_string()), [false, false]);
}

#[tokio::test]
async fn a_reader_in_the_middle_delays_the_emptying_of_the_log_and_nothing_else() {
    let folder = Folder::new();
    let store = folder.open().await;
    let owner = store.create_identity(key(1), at(0)).await.unwrap().identity;
    store
        .append(&owner, message(&owner, Role::Human, "a secret"))
        .await
        .unwrap();
    let shell = folder.shell();
    shell
        .execute_batch("BEGIN; SELECT count(*) FROM messages")
        .unwrap();
    let size = || fs::metadata(folder.file("-wal")).unwrap().len();
    store.erase_identity(key(1)).await.unwrap();
    assert!(size() > 0);
    shell.execute_batch("COMMIT").unwrap();
    store.create_identity(key(2), at(0)).await.unwrap();
    assert_eq!(size(), 0);
}

#[tokio::test]
async fn a_write_whose_caller_leaves_is_finished_and_so_is_what_is_queued_at_the_end() {
    let folder = Folder::new();
    let store = EmbeddedStore::open(folder.0.path()).unwrap();
    let owner = store.create_identity(key(1), at(0)).await.unwrap().identity;
    for _ in 0..100 {
        tokio::select! {
            biased;
            _ = store.append(&owner, message(&owner, Role::Human, "hello")) => {}
            () = std::future::ready(()) => {}
        }
    }
    drop(store);
    let store = folder.open().await;
    assert_eq!(walk(&store, &owner, 1000).await.len(), 100);
    assert!(
        store
            .messages(&owner, 1, None)
            .await
            .unwrap()
            .next
            .is_some()
    );
}

#[tokio::test]
async fn a_closed_store_leaves_one_file() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.create_identity(key(1), at(0)).await.unwrap();
    drop(store);
    let names: Vec<_> = fs::read_dir(folder.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["nexus.db"]);
}

#[tokio::test]
async fn a_file_that_a_newer_nexus_takes_over_is_not_written_any_more() {
    let folder = Folder::new();
    let store = folder.open().await;
    folder
        .shell()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let refused = store.create_identity(key(1), at(0)).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::TooNew { found: 99, .. }),
        "{refused}"
    );
    assert_eq!(store.identity(key(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_process_that_writes_for_too_long_makes_the_store_unavailable_and_it_comes_back() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shell = folder.shell();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.create_identity(key(1), at(0)).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("another process"), "{refused}");
    // Reading goes on.
    assert_eq!(store.identity(key(1)).await.unwrap(), None);
    shell.execute_batch("COMMIT").unwrap();
    assert!(store.create_identity(key(1), at(0)).await.unwrap().is_new);
}

#[tokio::test]
async fn a_store_that_cannot_look_for_changes_trusts_nothing() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shell = folder.shell();
    nothing_is_fresh_while_changes_are_not_heard(&store, async |is_deaf| {
        let (from, to) = if is_deaf {
            ("generations", "hidden")
        } else {
            ("hidden", "generations")
        };
        let rename = format!("ALTER TABLE {from} RENAME TO {to}");
        shell.execute_batch(&rename).unwrap();
    })
    .await;
}
