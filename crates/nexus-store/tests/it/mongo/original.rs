//! A database that the original Python NEXUS wrote, and people who edit one by hand.

use std::fmt::Debug;
use std::sync::Arc;

use mongodb::bson::{Bson, DateTime, Document, Timestamp, doc};
use nexus_core::overrides::Section;
use nexus_core::{Environment, Overrides, Role, Standing};
use nexus_store::{ConfigStore, IdentityStore, MessageStore, SessionStore, Store, StoreError};

use super::Mongo;
use crate::contract::Place;
use crate::contract::messages::walk;
use crate::samples::{
    at, document, key, message, run, session, set, template, unknown_keys, unset,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_of_the_original_is_read_and_written_and_keeps_what_nexus_does_not_know() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    let identities = place.shell().await.collection::<Document>("identities");
    let written = DateTime::from_millis(1_760_000_000_123);
    let original = doc! {
        "public_key": key(1).to_string(), "created_at": written, "metadata": {"invited_by": "me"},
        "nickname": {"since": written},
    };
    identities.insert_one(&original).await.unwrap();
    let identity = store.identity(key(1)).await.unwrap().unwrap();
    assert_eq!(identity.version, 0);
    assert_eq!(identity.metadata["invited_by"], "me");
    // It was let in when there was nothing else, and is listed with those who are.
    assert_eq!(identity.standing, Standing::Active);
    assert!(!identity.is_admin);
    let active = store.identities_by_standing(Standing::Active, None, 10);
    let active = active.await.unwrap().identities;
    assert_eq!(active, std::slice::from_ref(&identity));
    assert!(
        !store
            .create_identity(key(1), Standing::Active, at(0))
            .await
            .unwrap()
            .is_new
    );

    let mut now = identity.clone();
    for write in [
        set("temperature", 0.5),
        set("prompts.persona", "mine"),
        unset("temperature"),
    ] {
        now = store.write_override(&now, &write).await.unwrap();
    }
    assert_eq!(now.version, 3);
    let late = set("max_tokens", 5);
    let late = store.write_override(&identity, &late).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })));

    let mut stored = identities.find_one(doc! {}).await.unwrap().unwrap();
    stored.remove("_id");
    let mut expected = original;
    expected.extend(doc! {
        "config_overrides": {}, "version": 3, "prompt_overrides": {"persona": "mine"},
    });
    let sorted = |document: &Document| {
        let mut fields: Vec<_> = document.clone().into_iter().collect();
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        fields
    };
    assert_eq!(sorted(&stored), sorted(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn overrides_that_nexus_does_not_know_survive_every_write() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    let mut identity = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    let identities = place.shell().await.collection::<Document>("identities");
    let unknown = doc! {"zebra": {"a.b": [1.5, null]}, "temperature": "hot", "ant": 1e40};
    let edit = doc! {"$set": {"config_overrides": unknown}};
    identities.update_one(doc! {}, edit).await.unwrap();
    for write in [
        set("temperature", 0.5),
        set("max_tokens", 5),
        unset("max_tokens"),
    ] {
        identity = store.write_override(&identity, &write).await.unwrap();
    }
    let stored = identities.find_one(doc! {}).await.unwrap().unwrap();
    assert_eq!(
        stored.get_document("config_overrides").unwrap(),
        &doc! {"zebra": {"a.b": [1.5, null]}, "temperature": 0.5, "ant": 1e40}
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_nexus_does_not_know_can_be_removed_one_by_one() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    let created = store.create_identity(key(1), Standing::Active, at(0)).await;
    created.unwrap();
    let identities = place.shell().await.collection::<Document>("identities");
    let unknown = unknown_keys();
    let mut rest = Document::new();
    for name in unknown.keys() {
        rest.insert(name, doc! {"a.b": [name]});
    }
    rest.insert("kept", 1.5);
    // As the original stored it: without a version.
    let edit = doc! {
        "$set": {
            "config_overrides": {"$literal": &rest},
            "prompt_overrides": {"$literal": &rest},
            "metadata": {"note": 1},
        },
    };
    let edit = vec![edit, doc! {"$unset": "version"}];
    identities.update_one(doc! {}, edit).await.unwrap();
    let mut identity = store.identity(key(1)).await.unwrap().unwrap();
    for name in unknown.keys() {
        for section in [Section::Config, Section::Prompts] {
            let write = identity.overrides.unset_unknown(section, name).unwrap();
            let before = identity;
            identity = store.write_override(&before, &write).await.unwrap();
            assert_eq!(identity.version, before.version + 1);
            assert_eq!(identity.overrides.unset_unknown(section, name), None);
            let late = store.write_override(&before, &write).await;
            assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
        }
        rest.remove(name);
        let stored = identities.find_one(doc! {}).await.unwrap().unwrap();
        for map in ["config_overrides", "prompt_overrides"] {
            assert_eq!(stored.get_document(map).unwrap(), &rest, "{name:?}");
        }
    }
    // The original may have left null there.
    for (metadata, kept) in [(doc! {"note": 1}.into(), 1), (Bson::Null, 0)] {
        let edit = doc! {"$set": {"metadata": metadata}};
        identities.update_one(doc! {}, edit).await.unwrap();
        let zone = Overrides::time_zone(Some("Europe/Berlin".parse().unwrap()));
        identity = store.write_override(&identity, &zone).await.unwrap();
        assert_eq!(identity.metadata["time_zone"], "Europe/Berlin");
        assert_eq!(identity.metadata.len(), 1 + kept);
        let zone = Overrides::time_zone(None);
        identity = store.write_override(&identity, &zone).await.unwrap();
        assert_eq!(identity.metadata.len(), kept);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_an_operator_is_a_text() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    let mut identity = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    for text in [
        "$metadata",
        "{\"$gt\": \"\"}",
        "a.b",
        "$$ROOT",
        "\u{0}$where",
    ] {
        let said = message(&identity, Role::Human, text);
        store.append(&identity, said).await.unwrap();
        let page = store.messages(&identity, 1, None).await.unwrap();
        assert_eq!(page.messages[0].content, text);
        if text.contains('\0') {
            continue; // No prompt may hold it.
        }
        let write = set("prompts.persona", text);
        identity = store.write_override(&identity, &write).await.unwrap();
        let persona = "prompts.persona".parse().unwrap();
        assert_eq!(identity.overrides.get(&persona), Some(text.into()));
    }
    assert_eq!(identity.metadata.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_the_original_come_in_the_order_of_their_time_and_before_all_newer_ones() {
    let place = Mongo::shared().await;
    let store: Arc<dyn Store> = place.open().await;
    let owner = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap()
        .identity;
    let messages = place.shell().await.collection::<Document>("messages");
    // Three have the same time, and one lies in the future.
    let times = [5, 1, 3, 3, 2, 3, 4_000_000_000_000];
    let roles = ["HUMAN", "AI", "TOOL"];
    let old = times.iter().enumerate().map(|(number, time)| {
        doc! {
            "id": format!("msg_old-{number}"), "run_id": "run_old",
            "owner_key": key(1).to_string(), "role": roles[number % 3],
            "content": format!("old {number}"), "timestamp": DateTime::from_millis(*time),
        }
    });
    messages.insert_many(old).await.unwrap();
    for content in ["new 1", "new 2"] {
        let said = message(&owner, Role::Human, content);
        store.append(&owner, said).await.unwrap();
    }
    let whole = walk(&store, &owner, 100).await;
    let times: Vec<_> = whole[2..]
        .iter()
        .map(|message| message.timestamp.timestamp_millis())
        .collect();
    assert_eq!(
        (whole[0].content.as_str(), whole[1].content.as_str()),
        ("new 2", "new 1")
    );
    assert_eq!(times, [4_000_000_000_000, 5, 3, 3, 3, 2, 1]);
    let ids = |messages: &[nexus_core::Message]| {
        messages
            .iter()
            .map(|message| message.id.clone())
            .collect::<Vec<_>>()
    };
    for limit in 0..=10 {
        assert_eq!(
            ids(&walk(&store, &owner, limit).await),
            ids(&whole),
            "pages of {limit}"
        );
    }
    let history = store.history(&owner, 100, &run("other")).await.unwrap();
    assert_eq!(history.len(), 7, "all but the two results of tools");
    assert_eq!(history.last().unwrap().content, "new 2");
    assert_eq!(store.erase_identity(key(1)).await.unwrap().messages, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_of_the_original_is_unwrapped_and_kept_when_it_is_replaced() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    let shell = place.shell().await;
    let original = doc! {
        "environment": "development",
        "config_data": {"system": {"app_name": "YX Nexus"}, "llm": {"catalog": {"gpt-4.1": {}}}},
    };
    let configurations = shell.collection::<Document>("configurations");
    configurations.insert_one(&original).await.unwrap();
    let environment = Environment::Development;
    let read = store.template(environment).await.unwrap().unwrap();
    assert_eq!((read.version, read.hash), (0, read.doc.hash()));
    assert_eq!(read.doc.as_map()["system"]["app_name"], "YX Nexus");

    let put = store.put_template(template(environment), Some(0)).await;
    assert_eq!(put.unwrap().version, 1);
    let stored = configurations.find_one(doc! {}).await.unwrap().unwrap();
    let top: Vec<_> = stored.keys().map(String::as_str).collect();
    let books = ["version", "author", "created_at", "hash"];
    let fields = document();
    let fields = fields.as_map().keys().map(String::as_str);
    let expected: Vec<_> = ["_id", "environment"]
        .into_iter()
        .chain(fields)
        .chain(books)
        .collect();
    assert_eq!(top, expected, "fields at top level");

    let versions = shell.collection::<Document>("configuration_versions");
    let kept = versions
        .find_one(doc! {"version": 0})
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.get("config_data"), original.get("config_data"));
    let first = versions
        .find_one(doc! {"version": 1})
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.get("hash"), stored.get("hash"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_a_stopped_writer_did_not_archive_is_archived_by_the_next() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    let shell = place.shell().await;
    let environment = Environment::Production;
    store
        .put_template(template(environment), None)
        .await
        .unwrap();
    let versions = shell.collection::<Document>("configuration_versions");
    versions.delete_many(doc! {}).await.unwrap();
    store
        .put_template(template(environment), Some(1))
        .await
        .unwrap();
    assert_eq!(versions.count_documents(doc! {}).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_and_others_are_not_affected() {
    let place = Mongo::shared().await;
    let store = place.store().await;
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
    let identities = place.shell().await.collection::<Document>("identities");
    let this = doc! {"public_key": key(1).to_string()};
    let good = identities.find_one(this.clone()).await.unwrap().unwrap();
    let name = format!("identity {}", key(1));
    for change in [
        doc! {"config_overrides": [1]},
        doc! {"prompt_overrides": "text"},
        doc! {"metadata": 1},
        doc! {"created_at": "yesterday"},
        doc! {"created_at": Timestamp { time: 1, increment: 1 }},
        doc! {"version": -1},
        doc! {"version": "1"},
    ] {
        let edit = doc! {"$set": change.clone()};
        identities.update_one(this.clone(), edit).await.unwrap();
        assert_corrupt(store.identity(key(1)).await, &name);
        let page = store.identities(None, 10).await.unwrap();
        assert_eq!(page.identities, std::slice::from_ref(&whole));
        assert_eq!(page.unreadable[0].what, name);
        assert_eq!(
            store.identity(key(2)).await.unwrap(),
            Some(whole.clone()),
            "{change}"
        );
        identities.replace_one(this.clone(), &good).await.unwrap();
        assert_eq!(store.identity(key(1)).await.unwrap(), Some(broken.clone()));
    }

    let said = message(&broken, Role::Human, "hello");
    let name = format!("message {}", said.id);
    store.append(&broken, said).await.unwrap();
    let messages = place.shell().await.collection::<Document>("messages");
    for change in [
        doc! {"role": "assistant"},
        doc! {"content": 7},
        doc! {"run_id": "x"},
    ] {
        messages
            .update_one(doc! {}, doc! {"$set": change})
            .await
            .unwrap();
        let page = store.messages(&broken, 10, None).await.unwrap();
        assert_eq!(page.unreadable[0].what, name);
        let repair = doc! {"role": "human", "content": "hello", "run_id": "run_x"};
        messages
            .update_one(doc! {}, doc! {"$set": repair})
            .await
            .unwrap();
        store.messages(&broken, 10, None).await.unwrap();
    }

    store.create_session(session(1, key(1))).await.unwrap();
    let sessions = place.shell().await.collection::<Document>("sessions");
    // As it was written before sessions could be idle.
    let edit = doc! {"$unset": {"last_seen_at": "", "client": ""}};
    sessions.update_one(doc! {}, edit).await.unwrap();
    let opened = session(1, key(1));
    let found = store.session(opened.digest).await.unwrap();
    assert_eq!(found, Some(opened.clone()));
    let edit = doc! {"$unset": {"expires_at": ""}};
    sessions.update_one(doc! {}, edit).await.unwrap();
    let name = format!("a session of {}", key(1));
    assert_corrupt(store.session(opened.digest).await, &name);
    assert_eq!(store.sessions(key(1)).await.unwrap(), []);
    assert!(store.revoke_session(key(1), opened.id()).await.unwrap());
}

fn assert_corrupt<T: Debug>(result: Result<T, StoreError>, expected: &str) {
    match result {
        Err(StoreError::Corrupt { what, .. }) => assert_eq!(what, expected),
        other => panic!("{expected} was read as {other:?}"),
    }
}
