//! A document that cannot be read hides only itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use nexus_core::{Environment, Identity, Role, UsageCount};
use nexus_store::{Collection, Store, StoreError};

use super::{Place, member};
use crate::samples::{api_key, at, audit, key, message, new_run, run, session, template, used};

/// In how many ways each document is spoilt.
const WAYS: u8 = 3;

/// The ids of everything that cannot be read, read in small parts.
async fn quarantine(store: &Arc<dyn Store>, collection: Collection) -> Vec<String> {
    let (mut ids, mut looked_at, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.unreadable(collection, after, 1).await.unwrap();
        ids.extend(page.unreadable.into_iter().map(|it| it.id));
        looked_at += page.looked_at;
        after = page.next;
        if after.is_none() {
            assert!(looked_at >= 1, "nothing of {collection} was looked at");
            return ids;
        }
    }
}

/// The one document that cannot be read is found and deleted, and no other can be.
async fn delete(store: &Arc<dyn Store>, collection: Collection, readable: &str) {
    let ids = quarantine(store, collection).await;
    assert_eq!(ids.len(), 1, "{collection}: {ids:?}");
    for other in [readable, "", "nothing", "hex:00", "bson:00", "[]"] {
        let deleted = store.delete_unreadable(collection, other.to_owned());
        assert_eq!(deleted.await.unwrap(), None, "{collection} {other}");
    }
    let deleted = store.delete_unreadable(collection, ids[0].clone());
    assert!(deleted.await.unwrap().is_some(), "{collection} {ids:?}");
    assert_eq!(quarantine(store, collection).await, [""; 0]);
}

pub(crate) async fn an_unreadable_identity_hides_only_itself(place: &impl Place) {
    let store = place.open().await;
    for way in 0..WAYS {
        let mut people = Vec::new();
        for number in 1..=3 {
            let person = member(&store, number).await;
            let said = message(&person, Role::Human, "hello");
            store.append(&person, said).await.unwrap();
            people.push(person);
        }
        let name = key(2).to_string();
        place.spoil(Collection::Identities, &name, way).await;
        for limit in 1..=4 {
            let (mut seen, mut unreadable, mut after) = (Vec::new(), Vec::new(), None);
            loop {
                let page = store.identities(after, limit).await.unwrap();
                seen.extend(page.identities.iter().map(|it| it.public_key));
                unreadable.extend(page.unreadable);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, [key(1), key(3)], "way {way}, pages of {limit}");
            assert_eq!(unreadable.len(), 1, "way {way}, pages of {limit}");
            assert!(
                unreadable[0].what.starts_with("identity "),
                "{unreadable:?}"
            );
        }
        for readable in [1, 3] {
            let found = store.identity(key(readable)).await.unwrap();
            assert_eq!(found.unwrap().public_key, key(readable));
        }
        assert_ne!(
            store.identity(key(2)).await.ok().flatten(),
            Some(people[1].clone())
        );
        delete(&store, Collection::Identities, &key(1).to_string()).await;
        assert_eq!(said_by(&store, &people[0]).await, way as usize + 1);
        // Whoever was registered under a key that is none has no messages under this one.
        store.erase_identity(key(2)).await.unwrap();
        assert_eq!(said_by(&store, &people[1]).await, 0);
    }
}

async fn said_by(store: &Arc<dyn Store>, person: &Identity) -> usize {
    store
        .messages(person, 100, None)
        .await
        .unwrap()
        .messages
        .len()
}

pub(crate) async fn an_unreadable_message_hides_only_itself(place: &impl Place) {
    let store = place.open().await;
    for way in 0..WAYS {
        let owner = member(&store, way.into()).await;
        let said: Vec<_> = ["a", "b", "c"]
            .map(|it| message(&owner, Role::Human, it))
            .into();
        for said in &said {
            store.append(&owner, said.clone()).await.unwrap();
        }
        let name = said[1].id.to_string();
        place.spoil(Collection::Messages, &name, way).await;
        let history = store.history(&owner, 3, &run("x")).await.unwrap();
        let texts: Vec<_> = history.iter().map(|it| &*it.content).collect();
        assert_eq!(texts, ["a", "c"], "way {way}");
        for limit in 1..=4 {
            let (mut texts, mut unreadable, mut before) = (Vec::new(), Vec::new(), None);
            loop {
                let page = store.messages(&owner, limit, before).await.unwrap();
                texts.extend(page.messages.into_iter().map(|it| it.content));
                unreadable.extend(page.unreadable);
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(texts, ["c", "a"], "way {way}, pages of {limit}");
            assert_eq!(unreadable.len(), 1, "way {way}, pages of {limit}");
            assert_eq!(unreadable[0].id, name);
        }
        let later = message(&owner, Role::Ai, "d");
        store.append(&owner, later).await.unwrap();
        delete(&store, Collection::Messages, &said[0].id.to_string()).await;
        assert_eq!(said_by(&store, &owner).await, 3);
    }
}

pub(crate) async fn an_unreadable_credential_hides_only_itself(place: &impl Place) {
    let store = place.open().await;
    for way in 0..WAYS {
        let number = u64::from(way) + 1;
        let owner = member(&store, number).await;
        let sessions = [10, 20, 30].map(|it| session(number + it, owner.public_key));
        for session in &sessions {
            store.create_session(session.clone()).await.unwrap();
        }
        let keys = [10, 20, 30].map(|it| api_key(way + it, owner.public_key));
        for key in &keys {
            store.create_api_key(&owner, key.clone()).await.unwrap();
        }
        let digest = nexus_core::hex::encode(sessions[1].digest.as_bytes());
        place.spoil(Collection::Sessions, &digest, way).await;
        let id = keys[1].id.to_string();
        place.spoil(Collection::ApiKeys, &id, way).await;

        let listed = store.sessions(owner.public_key).await.unwrap();
        let listed: BTreeSet<_> = listed.iter().map(|it| *it.digest.as_bytes()).collect();
        let whole = [&sessions[0], &sessions[2]].map(|it| *it.digest.as_bytes());
        assert_eq!(listed, whole.into(), "way {way}");
        let listed = store.api_keys(owner.public_key).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|it| it.id).collect();
        assert_eq!(listed, [keys[2].id, keys[0].id], "way {way}");
        delete(&store, Collection::Sessions, "").await;
        delete(&store, Collection::ApiKeys, &keys[0].id.to_string()).await;
        assert_eq!(store.sessions(owner.public_key).await.unwrap().len(), 2);
        assert_eq!(store.api_keys(owner.public_key).await.unwrap().len(), 2);
    }
}

pub(crate) async fn an_unreadable_count_hides_only_itself(place: &impl Place) {
    let store = place.open().await;
    let count = UsageCount {
        runs: 1,
        ..UsageCount::default()
    };
    for way in 0..WAYS {
        let owner = member(&store, way.into()).await.public_key;
        for day in ["2026-01-01", "2026-01-02", "2026-01-03"] {
            let used = used(owner, day, "calm");
            store
                .add_usage(at(0), &new_run(), used, count)
                .await
                .unwrap();
        }
        let name = format!("{owner} 2026-01-02");
        place.spoil(Collection::Usage, &name, way).await;
        let days = ("2026-01-01".parse().unwrap(), "2026-01-03".parse().unwrap());
        let listed = async || store.usage(owner, days.0, days.1).await.unwrap().len();
        assert_eq!(listed().await, 2, "way {way}");
        delete(&store, Collection::Usage, "").await;
        assert_eq!(listed().await, 2, "way {way}");
    }
}

pub(crate) async fn an_unreadable_entry_of_the_audit_hides_only_itself(place: &impl Place) {
    let store = place.open().await;
    let me = key(1);
    for _ in 0..=WAYS {
        store.append_audit(audit(me)).await.unwrap();
    }
    for way in 0..WAYS {
        let entry = (way + 1).to_string();
        place.spoil(Collection::Audit, &entry, way).await;
        for limit in 1..=5 {
            let (mut seen, mut unreadable, mut after) = (0, Vec::new(), 0);
            loop {
                let page = store.audit(after, limit).await.unwrap();
                seen += page.entries.len();
                unreadable.extend(page.unreadable.into_iter().map(|it| it.id));
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
            let hidden = usize::from(way) + 1;
            assert_eq!(seen, usize::from(WAYS) + 1 - hidden, "pages of {limit}");
            assert_eq!(unreadable.len(), hidden, "pages of {limit}");
            assert_eq!(unreadable.last(), Some(&entry));
        }
        assert_eq!(
            quarantine(&store, Collection::Audit).await.len(),
            usize::from(way) + 1
        );
        // Nothing is ever deleted of it, and it goes on.
        let deleted = store.delete_unreadable(Collection::Audit, entry);
        assert_eq!(deleted.await.unwrap(), None);
    }
    let next = store.append_audit(audit(me)).await.unwrap();
    assert_eq!(next.seq, u64::from(WAYS) + 2);
}

pub(crate) async fn an_unreadable_template_is_followed_by_another(place: &impl Place) {
    const HERE: Environment = Environment::Development;
    let store = place.open().await;
    store.put_template(template(HERE), None).await.unwrap();
    for way in 0..WAYS {
        let newest = async || store.template_versions(HERE, None, 9).await.unwrap();
        let before = newest().await;
        let current = before[0].version;
        place
            .spoil(Collection::Configurations, &current.to_string(), way)
            .await;
        assert_eq!(newest().await.len(), before.len(), "way {way}");
        let found = store.template(HERE).await;
        assert!(
            matches!(found, Err(StoreError::Corrupt { .. })),
            "way {way}: {found:?}"
        );
        assert!(
            !quarantine(&store, Collection::Configurations)
                .await
                .is_empty()
        );
        // Its number may be what is spoilt.
        let current = newest().await[0].version;
        let next = store
            .put_template(template(HERE), Some(current))
            .await
            .unwrap();
        assert_eq!(next.version, current + 1, "way {way}");
        assert!(store.template(HERE).await.unwrap().is_some());
    }
}
