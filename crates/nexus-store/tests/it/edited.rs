//! People who edit the file by hand, with an SQL shell.

use std::fmt::Debug;

use nexus_core::overrides::Section;
use nexus_core::{Environment, Overrides, Role, Standing};
use nexus_store::{Purpose, StoreError};
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use crate::contract::Place;
use crate::contract::messages::walk;
use crate::embedded::Folder;
use crate::samples::{at, key, message, run, session, set, template, unset};

#[tokio::test]
async fn keys_that_nexus_does_not_know_survive_every_write() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shell = folder.shell();
    store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap();
    shell
        .execute_batch(
            r#"UPDATE identities SET
                 config_overrides = '{"zebra":{"a":[1.50,null]},"temperature":"hot","ant":1e40}',
                 prompt_overrides = '{"$where":"1","persona":{"content":"x"}}',
                 metadata = '{"note":"by hand"}'"#,
        )
        .unwrap();
    let mut identity = store.identity(key(1)).await.unwrap().unwrap();
    assert_eq!(identity.metadata["note"], "by hand");
    for write in [
        set("max_tokens", 5),
        set("prompts.2nd-block_x", "text"),
        unset("prompts.persona"),
    ] {
        identity = store.write_override(&identity, &write).await.unwrap();
    }
    identity = store
        .write_override(&identity, &set("temperature", 0.5))
        .await
        .unwrap();
    store
        .write_override(&identity, &unset("max_tokens"))
        .await
        .unwrap();
    let stored = "SELECT config_overrides || prompt_overrides || metadata FROM identities";
    let stored: String = shell.query_row(stored, [], |row| row.get(0)).unwrap();
    assert_eq!(
        stored,
        r#"{"zebra":{"a":[1.50,null]},"temperature":0.5,"ant":1e40}{"$where":"1","2nd-block_x":"text"}{"note":"by hand"}"#
    );
}

#[tokio::test]
async fn keys_that_nexus_does_not_know_can_be_removed_one_by_one() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shell = folder.shell();
    let created = store.create_identity(key(1), Standing::Active, at(0)).await;
    created.unwrap();
    let unknown = crate::samples::unknown_keys();
    let sql = "UPDATE identities SET config_overrides = ?1, prompt_overrides = ?1, metadata = '{\"note\":1}'";
    let mut rest = unknown.clone();
    rest.insert("kept".to_owned(), [1.5, 1e40].into());
    let text = serde_json::to_string(&rest).unwrap();
    assert_eq!(shell.execute(sql, [text]).unwrap(), 1);
    let mut identity = store.identity(key(1)).await.unwrap().unwrap();
    for name in unknown.keys() {
        for section in [Section::Config, Section::Prompts] {
            let write = identity.overrides.unset_unknown(section, name).unwrap();
            identity = store.write_override(&identity, &write).await.unwrap();
            assert_eq!(identity.overrides.unset_unknown(section, name), None);
        }
        rest.remove(name);
        let stored = "SELECT config_overrides, prompt_overrides FROM identities";
        let stored: [String; 2] = shell
            .query_row(stored, [], |row| Ok([row.get(0)?, row.get(1)?]))
            .unwrap();
        for stored in stored {
            let stored: Map<String, Value> = serde_json::from_str(&stored).unwrap();
            assert_eq!(stored, rest, "{name:?}");
        }
    }
    let zone = Overrides::time_zone(Some("Europe/Berlin".parse().unwrap()));
    identity = store.write_override(&identity, &zone).await.unwrap();
    assert_eq!(
        identity.metadata,
        *json!({"note": 1, "time_zone": "Europe/Berlin"})
            .as_object()
            .unwrap()
    );
    let zone = Overrides::time_zone(None);
    identity = store.write_override(&identity, &zone).await.unwrap();
    assert_eq!(identity.metadata, *json!({"note": 1}).as_object().unwrap());
}

/// Changes one row into something that the file itself would refuse.
fn edit(shell: &Connection, change: &str) {
    shell
        .pragma_update(None, "ignore_check_constraints", true)
        .unwrap();
    assert_eq!(shell.execute(change, []).unwrap(), 1, "{change}");
}

fn assert_corrupt<T: Debug>(result: Result<T, StoreError>, expected: &str) {
    match result {
        Err(StoreError::Corrupt { what, .. }) => assert_eq!(what, expected),
        other => panic!("{expected} was read as {other:?}"),
    }
}

#[tokio::test]
async fn an_identity_that_cannot_be_read_is_named_and_others_are_not_affected() {
    let folder = Folder::new();
    let store = folder.open().await;
    let broken = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    let whole = store
        .create_identity(key(2), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    let shell = folder.shell();
    let name = format!("identity {}", key(1));
    let this = format!("WHERE public_key = '{}'", key(1));
    for change in [
        "config_overrides = '[1]'",
        "config_overrides = '{\"a\":'",
        "prompt_overrides = '\"text\"'",
        "metadata = 'null'",
        "created_at = 9223372036854775807",
        "version = -1",
        "standing = 'Active'",
    ] {
        edit(&shell, &format!("UPDATE identities SET {change} {this}"));
        assert_corrupt(store.identity(key(1)).await, &name);
        assert_corrupt(
            store.create_identity(key(1), Standing::Active, at(0)).await,
            &name,
        );
        let page = store.identities(None, 10).await.unwrap();
        assert_eq!(page.identities, std::slice::from_ref(&whole));
        assert_eq!(page.unreadable[0].what, name);
        assert_eq!(store.identity(key(2)).await.unwrap(), Some(whole.clone()));
        let repair = format!(
            "config_overrides = '{{}}', prompt_overrides = '{{}}', metadata = '{{}}', \
             created_at = {}, version = 1, standing = 'active'",
            broken.created_at.timestamp_millis()
        );
        edit(&shell, &format!("UPDATE identities SET {repair} {this}"));
        assert_eq!(store.identity(key(1)).await.unwrap(), Some(broken.clone()));
    }
    edit(
        &shell,
        &format!("UPDATE identities SET public_key = 'me' {this}"),
    );
    let page = store.identities(None, 10).await.unwrap();
    assert_eq!(page.unreadable[0].what, "identity me");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_named_and_other_people_are_not_affected() {
    let folder = Folder::new();
    let store = folder.open().await;
    let owner = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    let other = store
        .create_identity(key(2), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    let broken = message(&owner, Role::Human, "hello");
    let name = format!("message {}", broken.id);
    let this = format!("WHERE id = '{}'", broken.id);
    store.append(&owner, broken).await.unwrap();
    let said = message(&other, Role::Human, "hello");
    store.append(&other, said).await.unwrap();
    let shell = folder.shell();
    for change in [
        "role = 'assistant'",
        "metadata = '[]'",
        "metadata = '{'",
        "run_id = 'x'",
        "timestamp = 9223372036854775807",
        "content = CAST(x'ff' AS TEXT)",
    ] {
        edit(&shell, &format!("UPDATE messages SET {change} {this}"));
        let page = store.messages(&owner, 10, None).await.unwrap();
        assert_eq!(page.unreadable[0].what, name);
        assert_eq!(walk(&store, &other, 10).await.len(), 1);
        let repair = "role = 'human', metadata = '{}', run_id = 'run_x', timestamp = 1, \
                      content = 'hello'";
        edit(&shell, &format!("UPDATE messages SET {repair} {this}"));
        assert_eq!(walk(&store, &owner, 10).await.len(), 1);
    }
}

#[tokio::test]
async fn a_template_that_cannot_be_read_is_named_and_the_other_one_is_not_affected() {
    let folder = Folder::new();
    let store = folder.open().await;
    for environment in [Environment::Development, Environment::Production] {
        store
            .put_template(template(environment), None)
            .await
            .unwrap();
    }
    let this = "WHERE environment = 'development'";
    edit(
        &folder.shell(),
        &format!("UPDATE configurations SET doc = '7' {this}"),
    );
    let found = store.template(Environment::Development).await;
    assert_corrupt(found, "the development template, version 1");
    let listed = store.template_versions(Environment::Development, None, 10);
    assert_eq!(listed.await.unwrap().len(), 1);
    let repaired = store.put_template(template(Environment::Development), Some(1));
    assert_eq!(repaired.await.unwrap().version, 2);
    let other = store.template(Environment::Production).await.unwrap();
    assert!(other.is_some());
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_named_and_others_are_not_affected() {
    let folder = Folder::new();
    let store = folder.open().await;
    for number in 1..=2 {
        store
            .create_session(session(number, key(number)))
            .await
            .unwrap();
    }
    let this = format!("WHERE owner_key = '{}'", key(1));
    edit(
        &folder.shell(),
        &format!("UPDATE sessions SET owner_key = 'me' {this}"),
    );
    assert_corrupt(
        store.session(session(1, key(1)).digest).await,
        "a session of me",
    );
    let other = store.session(session(2, key(2)).digest).await.unwrap();
    assert!(other.is_some());
    edit(
        &folder.shell(),
        &format!(
            "UPDATE sessions SET scope = 'root' WHERE owner_key = '{}'",
            key(2)
        ),
    );
    assert_corrupt(
        store.session(session(2, key(2)).digest).await,
        &format!("a session of {}", key(2)),
    );
}

#[tokio::test]
async fn what_cannot_be_read_can_still_be_erased() {
    let folder = Folder::new();
    let store = folder.open().await;
    store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap();
    folder
        .shell()
        .execute_batch("UPDATE identities SET metadata = '[]'")
        .unwrap();
    assert!(store.identity(key(1)).await.is_err());
    assert_eq!(store.erase_identity(key(1)).await.unwrap().identities, 1);
    assert_eq!(store.identity(key(1)).await.unwrap(), None);
}

#[tokio::test]
async fn roles_in_upper_case_are_read_and_are_part_of_history() {
    let folder = Folder::new();
    let store = folder.open().await;
    let owner = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    store
        .append(&owner, message(&owner, Role::Human, "hello"))
        .await
        .unwrap();
    store
        .append(&owner, message(&owner, Role::Ai, "good day"))
        .await
        .unwrap();
    folder
        .shell()
        .execute_batch("UPDATE messages SET role = upper(role)")
        .unwrap();
    let history = store.history(&owner, 10, &run("other")).await.unwrap();
    assert_eq!(
        history.iter().map(|said| said.role).collect::<Vec<_>>(),
        [Role::Human, Role::Ai]
    );
}

#[tokio::test]
async fn every_version_of_a_template_is_kept_and_an_edit_by_hand_shows() {
    let folder = Folder::new();
    let store = folder.open().await;
    for expected in [None, Some(1), Some(2)] {
        store
            .put_template(template(Environment::Development), expected)
            .await
            .unwrap();
    }
    let shell = folder.shell();
    let kept: i64 = shell
        .query_row("SELECT count(*) FROM configurations", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 3);
    store.lease(Purpose::Recall).await.unwrap();
    let known = store.evictions().template();
    let edit = "UPDATE configurations SET doc = json_set(doc, '$.system.app_name', 'Mine') WHERE version = 3";
    shell.execute_batch(edit).unwrap();
    store.lease(Purpose::Recall).await.unwrap();
    assert!(store.evictions().template() > known);
    let edited = store
        .template(Environment::Development)
        .await
        .unwrap()
        .unwrap();
    assert_ne!(edited.hash, edited.doc.hash());
}
