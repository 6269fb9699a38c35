//! `kill -9` at random moments: what was acknowledged is there, once.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use nexus_core::{Role, Standing};
use nexus_store::{EmbeddedStore, Store};
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::contract::messages::walk;
use crate::samples::{at, key, message};

const WRITERS: u64 = 8;

#[tokio::test]
async fn an_acknowledged_message_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = HashSet::new();
    // How many acknowledgements are waited for before each kill: the first ones hit the creation
    // of the file and the smallest log, the largest goes past an automatic checkpoint.
    for wanted in [1, 2, 7, 30, 100, 33, 3000, 1] {
        acknowledged.extend(write_until_killed(folder.path(), wanted));

        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
        let mut stored = Vec::new();
        for number in 0..WRITERS {
            if let Some(owner) = store.identity(key(number)).await.unwrap() {
                stored.extend(
                    walk(&store, &owner, 1000)
                        .await
                        .into_iter()
                        .map(|said| said.id.to_string()),
                );
            }
        }
        let different: HashSet<_> = stored.iter().cloned().collect();
        assert_eq!(different.len(), stored.len(), "a message is there twice");
        let lost: Vec<_> = acknowledged.difference(&different).collect();
        assert!(
            lost.is_empty(),
            "{} of {} lost: {lost:?}",
            lost.len(),
            acknowledged.len()
        );
        drop(store);
        let file = Connection::open(folder.path().join("nexus.db")).unwrap();
        let verdict: String = file
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok");
    }
    assert!(acknowledged.len() >= 3174);
}

/// Lets a process write, and kills it after that many acknowledgements. Gives all of them.
fn write_until_killed(folder: &Path, wanted: usize) -> Vec<String> {
    let mut child = writer(folder);
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let mut acknowledged: Vec<_> = lines
        .by_ref()
        .filter_map(|line| id(&line))
        .take(wanted)
        .collect();
    child.kill().unwrap();
    // What it had said by then counts as well.
    acknowledged.extend(lines.filter_map(|line| id(&line)));
    child.wait().unwrap();
    assert!(acknowledged.len() >= wanted, "the writer ended by itself");
    acknowledged
}

/// This very program, told to run the one test that writes.
fn writer(folder: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::child_that_writes_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(folder.to_str().unwrap().as_bytes())
        .unwrap();
    child
}

/// The id in a whole line of the child. The test harness prints lines of its own.
fn id(line: &str) -> Option<String> {
    line.strip_suffix('.')
        .filter(|id| id.starts_with("msg_"))
        .map(str::to_owned)
}

#[tokio::test]
#[ignore = "started by an_acknowledged_message_survives_a_kill, which kills it"]
async fn child_that_writes_until_it_is_killed() {
    let mut folder = String::new();
    std::io::stdin().read_to_string(&mut folder).unwrap();
    if folder.is_empty() {
        return;
    }
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(Path::new(&folder)).unwrap());
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            let owner = store
                .create_identity(key(number), Standing::Active, at(0))
                .await
                .unwrap()
                .identity;
            loop {
                let said = message(&owner, Role::Human, &"word ".repeat(100));
                let id = said.id.clone();
                store.append(&owner, said).await.unwrap();
                // The full stop tells a whole line from one that the kill cut off.
                println!("{id}.");
            }
        });
    }
    writers.join_all().await;
}
