//! What is special to the embedded store: its file and its threads.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::TimeDelta;
use nexus_core::audit::verify;
use nexus_core::{Label, NonceId, Role, Session, Standing};
use nexus_store::{
    Collection, Counter, EmbeddedStore, IdentityStore, MessageStore, Purpose, Store, StoreError,
};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::contract::Place;
use crate::contract::changes::{Kept, leased};
use crate::contract::messages::walk;
use crate::samples::{at, audit, counter, far, key, message, session, set, token};

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

    async fn spoil(&self, collection: Collection, name: &str, way: u8) {
        let (owner, day) = name.split_once(' ').unwrap_or_default();
        let which = match collection {
            Collection::Identities => format!("identities SET * WHERE public_key = '{name}'"),
            Collection::Messages => format!("messages SET * WHERE id = '{name}'"),
            Collection::Sessions => format!("sessions SET * WHERE digest = x'{name}'"),
            Collection::ApiKeys => format!("api_keys SET * WHERE id = '{name}'"),
            Collection::Usage => {
                format!("usage SET * WHERE owner_key = '{owner}' AND day = '{day}'")
            }
            Collection::Configurations => format!("configurations SET * WHERE version = {name}"),
            Collection::Audit => format!("audit SET * WHERE seq = {name}"),
        };
        let change = match collection {
            Collection::Identities => [
                "metadata = '[]'",
                "created_at = 9223372036854775807",
                "public_key = CAST(x'3078ff20' AS TEXT)",
            ],
            Collection::Messages => [
                "timestamp = 9223372036854775807",
                "role = 'assistant'",
                "content = CAST(x'ff' AS TEXT)",
            ],
            Collection::Sessions => [
                "scope = 'root'",
                "expires_at = 9223372036854775807",
                "client = CAST(x'ff' AS TEXT)",
            ],
            Collection::ApiKeys => ["scopes = '7'", "digest = x'00'", "models = '{'"],
            Collection::Usage => ["runs = -1", "day = '2026-01-02x'", "cost_micros = -7"],
            Collection::Configurations => {
                ["doc = '7'", "created_at = 9223372036854775807", "doc = '{'"]
            }
            Collection::Audit => ["details = '7'", "at = 9223372036854775807", "actor = 'it'"],
        };
        let shell = self.shell();
        shell
            .execute_batch(
                "DROP TRIGGER IF EXISTS audit_update; PRAGMA ignore_check_constraints = 1",
            )
            .unwrap();
        let edit = format!("UPDATE {}", which.replace('*', change[usize::from(way)]));
        assert_eq!(shell.execute(&edit, []).unwrap(), 1, "{edit}");
    }

    async fn dump(&self) -> BTreeMap<String, Vec<u8>> {
        let shell = self.shell();
        let tables = "SELECT name FROM pragma_table_list WHERE schema = 'main'";
        let mut tables = shell.prepare(tables).unwrap();
        let names = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
        names
            .map(|name| {
                let name = name.unwrap();
                let bytes = values(&shell, &name);
                (name, bytes)
            })
            .collect()
    }
}

/// The bytes of every text and blob in a table.
fn values(shell: &Connection, table: &str) -> Vec<u8> {
    let all = format!("SELECT * FROM {table}");
    let mut statement = shell.prepare(&all).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut bytes = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        for column in 0..columns {
            if let ValueRef::Text(value) | ValueRef::Blob(value) = row.get_ref(column).unwrap() {
                bytes.extend_from_slice(value);
                bytes.push(0);
            }
        }
    }
    bytes
}

#[tokio::test]
async fn no_byte_of_any_file_is_of_a_token() {
    let folder = Folder::new();
    let store = folder.open().await;
    let token = token();
    let opened = Session {
        digest: token.digest(),
        client: Label::cut("a client that names itself"),
        ..session(1, key(1))
    };
    store.create_session(opened).await.unwrap();
    let found = |text: &[u8]| {
        let files = fs::read_dir(folder.0.path()).unwrap();
        let mut files = files.map(|file| fs::read(file.unwrap().path()).unwrap());
        files.any(|bytes| bytes.windows(text.len()).any(|window| window == text))
    };
    assert!(found(b"a client that names itself"));
    assert!(found(token.digest().as_bytes()));
    assert!(!found(&token.reveal().as_bytes()[4..47]));
    store.revoke_sessions(key(1), None).await.unwrap();
    drop(store);
    assert!(!found(b"a client that names itself"));
    assert!(!found(token.digest().as_bytes()));
}

#[tokio::test]
async fn a_session_is_forgotten_a_day_after_its_end_when_another_one_begins() {
    let folder = Folder::new();
    let store = folder.open().await;
    let expired = session(1, key(1));
    let unused = Session {
        idle: Some(TimeDelta::hours(12)),
        ..session(2, key(2))
    };
    let end = unused.last_seen_at + TimeDelta::hours(12);
    for (number, begins, left) in [
        (3, end + TimeDelta::hours(24), [true, true]),
        (
            4,
            end + TimeDelta::hours(24) + TimeDelta::seconds(1),
            [true, false],
        ),
        (5, expired.expires_at + TimeDelta::hours(24), [true, false]),
        (6, expired.expires_at + TimeDelta::hours(25), [false, false]),
    ] {
        if number == 3 {
            store.create_session(expired.clone()).await.unwrap();
            store.create_session(unused.clone()).await.unwrap();
        }
        let next = Session {
            created_at: begins,
            last_seen_at: begins,
            expires_at: begins + TimeDelta::days(30),
            ..session(number, key(3))
        };
        store.create_session(next).await.unwrap();
        for (old, is_left) in [&expired, &unused].into_iter().zip(left) {
            let found = store.session(old.digest).await.unwrap();
            assert_eq!(found.is_some(), is_left, "{number}");
        }
    }
}

#[tokio::test]
async fn what_has_expired_is_forgotten_an_hour_later_and_not_before() {
    let folder = Folder::new();
    let store = folder.open().await;
    let nonce = |number| NonceId::from_bytes([number; 32]);
    for number in 0..40 {
        let used = store.use_nonce(nonce(number), far(0), far(5)).await;
        assert!(used.unwrap());
        let counted = counter(number, None);
        store.add_to_counter(counted, 1, far(0)).await.unwrap();
    }
    let kept = || {
        let count = "SELECT (SELECT count(*) FROM used_nonces), (SELECT count(*) FROM counters)";
        let row = folder.shell();
        row.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
    };
    // An hour later, to the millisecond.
    store.use_nonce(nonce(100), far(65), far(90)).await.unwrap();
    let counted = Counter {
        expires_at: far(90),
        ..counter(100, None)
    };
    store.add_to_counter(counted, 1, far(61)).await.unwrap();
    assert_eq!(kept(), (41, 41));
    // Then a few with each use, until none is left.
    for number in 101..104 {
        store
            .use_nonce(nonce(number), far(66), far(90))
            .await
            .unwrap();
        store.add_to_counter(counted, 1, far(66)).await.unwrap();
    }
    assert_eq!(kept(), (4, 1));
}

#[tokio::test]
async fn an_entry_of_the_audit_that_was_changed_by_hand_is_found() {
    let folder = Folder::new();
    let store = folder.open().await;
    for number in 0..5 {
        store.append_audit(audit(key(number))).await.unwrap();
    }
    let shell = folder.shell();
    let change = "UPDATE audit SET target = '0xsomebody else' WHERE seq = 3";
    for refused in [change, "DELETE FROM audit WHERE seq = 5"] {
        let refused = shell.execute(refused, []).unwrap_err().to_string();
        assert!(refused.contains("never changed"), "{refused}");
    }
    shell.execute_batch("DROP TRIGGER audit_update").unwrap();
    shell.execute(change, []).unwrap();
    let entries = crate::contract::audit::walk(&store, 2).await;
    assert_eq!(
        verify(&entries).unwrap_err().to_string(),
        "the audit is broken at entry 3: what it says was changed after it was recorded"
    );
}

#[tokio::test]
async fn under_load_many_messages_share_a_commit() {
    let folder = Folder::new();
    let store = folder.open().await;
    let owner = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
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
    let owner = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
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
    let owner = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
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
    store
        .create_identity(key(2), Standing::Active, at(0))
        .await
        .unwrap();
    assert_eq!(size(), 0);
}

#[tokio::test]
async fn a_write_whose_caller_leaves_is_finished_and_so_is_what_is_queued_at_the_end() {
    let folder = Folder::new();
    let store = EmbeddedStore::open(folder.0.path()).unwrap();
    let owner = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
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
    store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap();
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
    let refused = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap_err();
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
    let refused = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unavailable { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("another process"), "{refused}");
    // Reading goes on.
    assert_eq!(store.identity(key(1)).await.unwrap(), None);
    shell.execute_batch("COMMIT").unwrap();
    assert!(
        store
            .create_identity(key(1), Standing::Active, at(0))
            .await
            .unwrap()
            .is_new
    );
}

#[tokio::test]
async fn a_store_that_cannot_look_for_changes_trusts_nothing() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shell = folder.shell();
    let rename = |from, to| {
        let rename = format!("ALTER TABLE {from} RENAME TO {to}");
        shell.execute_batch(&rename).unwrap();
    };
    leased(&store).await;
    rename("generations", "hidden");
    let evictions = store.evictions();
    for _ in 0..4 {
        let known = evictions.template();
        let as_of = evictions.as_of(store.lease(Purpose::Read).await.unwrap());
        assert!(!evictions.allow(key(1), as_of));
        assert!(
            evictions.template() > known,
            "a template is looked for each time"
        );
    }
    rename("hidden", "generations");
    leased(&store).await;
}

#[tokio::test]
async fn what_another_process_changes_is_seen_by_the_very_next_request() {
    let folder = Folder::new();
    let (store, other) = (folder.open().await, folder.open().await);
    let mut kept = Kept::new(&store, key(1));
    let read = async || store.identity(key(1)).await.unwrap();
    let created = other.create_identity(key(1), Standing::Active, at(0)).await;
    let mut identity = created.unwrap().identity;
    assert_eq!(kept.ask(read).await.as_ref(), Some(&identity));
    for number in 1..=100 {
        let temperature = set("temperature", f64::from(number) / 100.0);
        identity = other.write_override(&identity, &temperature).await.unwrap();
        assert_eq!(kept.ask(read).await.as_ref(), Some(&identity));
    }
    other.erase_identity(key(1)).await.unwrap();
    assert_eq!(kept.ask(read).await, None);
}
