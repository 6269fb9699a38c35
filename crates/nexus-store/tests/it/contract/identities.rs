//! Registered keys and what each of them changed.

use std::sync::Arc;

use nexus_core::{Field, Overrides, Role, Standing};
use nexus_store::{Erased, StoreError};
use serde_json::{Map, json};
use tokio::task::JoinSet;

use super::{Place, member};
use crate::samples::{at, key, message, session, set, unset};

pub(crate) async fn an_unknown_key_is_no_identity(place: &impl Place) {
    assert_eq!(place.open().await.identity(key(1)).await.unwrap(), None);
}

pub(crate) async fn a_key_is_registered_once(place: &impl Place) {
    let store = place.open().await;
    let first = store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap();
    assert!(first.is_new);
    assert_eq!(first.identity.public_key, key(1));
    assert_eq!(
        first.identity.created_at.timestamp_millis(),
        at(0).timestamp_millis()
    );
    assert_eq!(first.identity.overrides, Overrides::default());
    let again = store
        .create_identity(key(1), Standing::Active, at(5))
        .await
        .unwrap();
    assert!(!again.is_new);
    assert_eq!(again.identity, first.identity);
    assert_eq!(store.identity(key(1)).await.unwrap(), Some(first.identity));
}

pub(crate) async fn of_fifty_registrations_at_once_one_is_new(place: &impl Place) {
    let stores = [place.open().await, place.open().await];
    let mut registrations = JoinSet::new();
    for number in 0..50 {
        let store = Arc::clone(&stores[number % 2]);
        registrations.spawn(async move {
            store
                .create_identity(key(1), Standing::Active, at(0))
                .await
                .unwrap()
        });
    }
    let outcomes = registrations.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_new).count(), 1);
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.identity == outcomes[0].identity)
    );
}

pub(crate) async fn identities_come_in_pages_in_the_order_of_their_keys(place: &impl Place) {
    let store = place.open().await;
    for number in [3, 1, 4, 0, 2] {
        member(&store, number).await;
    }
    // A page of none would never end: it counts as a page of one.
    for limit in 0..=6 {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.identities(after, limit).await.unwrap();
            assert!(page.identities.len() <= limit.max(1) as usize);
            found.extend(page.identities.iter().map(|identity| identity.public_key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, [0, 1, 2, 3, 4].map(key), "pages of {limit}");
    }
    let beyond = store
        .identities(Some(key(4).to_string()), 10)
        .await
        .unwrap();
    assert!(beyond.identities.is_empty() && beyond.next.is_none());
}

pub(crate) async fn one_field_is_written_and_nothing_else(place: &impl Place) {
    let store = place.open().await;
    let mut identity = member(&store, 1).await;
    let bystander = member(&store, 2).await;
    let fields = [
        ("config.model", json!("echo")),
        ("config.temperature", json!(0.7)),
        ("config.max_tokens", json!(4096)),
        ("config.history_context_size", json!(0)),
        (
            "prompts.persona",
            json!("Du bist \"Zoë\" \\ \u{1f600}\nand '); DROP TABLE identities;--"),
        ),
    ];
    let get = |overrides: &Overrides, field: &str| overrides.get(&field.parse::<Field>().unwrap());

    for (done, (field, value)) in fields.iter().enumerate() {
        let before = identity.version;
        identity = store
            .write_override(&identity, &set(field, value.clone()))
            .await
            .unwrap();
        assert!(identity.version > before);
        for (index, (field, value)) in fields.iter().enumerate() {
            let expected = (index <= done).then_some(value);
            assert_eq!(
                get(&identity.overrides, field).as_ref(),
                expected,
                "{field}"
            );
        }
        assert_eq!(
            store.identity(key(1)).await.unwrap(),
            Some(identity.clone())
        );
    }
    for (done, (field, _)) in fields.iter().enumerate() {
        identity = store
            .write_override(&identity, &unset(field))
            .await
            .unwrap();
        for (index, (field, value)) in fields.iter().enumerate() {
            let expected = (index > done).then_some(value);
            assert_eq!(
                get(&identity.overrides, field).as_ref(),
                expected,
                "{field}"
            );
        }
    }
    assert_eq!(identity.overrides, Overrides::default());
    assert_eq!(store.identity(key(2)).await.unwrap(), Some(bystander));
}

pub(crate) async fn an_empty_prompt_is_kept(place: &impl Place) {
    let store = place.open().await;
    let identity = member(&store, 1).await;
    store
        .write_override(&identity, &set("prompts.persona", ""))
        .await
        .unwrap();
    let read = store.identity(key(1)).await.unwrap().unwrap();
    assert_eq!(
        read.overrides.get(&"prompts.persona".parse().unwrap()),
        Some(json!(""))
    );
}

pub(crate) async fn every_prompt_name_can_be_written(place: &impl Place) {
    let store = place.open().await;
    let mut identity = member(&store, 1).await;
    let name = "prompts.2nd-block_x";
    identity = store
        .write_override(&identity, &set(name, "mine"))
        .await
        .unwrap();
    assert_eq!(
        identity.overrides.get(&name.parse().unwrap()),
        Some(json!("mine"))
    );
    identity = store.write_override(&identity, &unset(name)).await.unwrap();
    assert_eq!(identity.overrides, Overrides::default());
}

pub(crate) async fn the_time_zone_of_a_person_is_written_and_nothing_else(place: &impl Place) {
    let store = place.open().await;
    let mut expected = member(&store, 1).await;
    let bystander = member(&store, 2).await;
    let old = expected.clone();
    for zone in ["Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+1"] {
        let write = Overrides::time_zone(Some(zone.parse().unwrap()));
        let written = store.write_override(&expected, &write).await.unwrap();
        expected
            .metadata
            .insert("time_zone".to_owned(), json!(zone));
        expected.version += 1;
        assert_eq!(written, expected);
        assert_eq!(
            store.identity(key(1)).await.unwrap(),
            Some(expected.clone())
        );
    }
    let unset = Overrides::time_zone(None);
    for _ in 0..2 {
        expected = store.write_override(&expected, &unset).await.unwrap();
        assert_eq!(expected.metadata, Map::new());
    }
    let refused = store.write_override(&old, &unset).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    assert_eq!(store.identity(key(2)).await.unwrap(), Some(bystander));
}

pub(crate) async fn a_decision_on_an_older_version_is_refused(place: &impl Place) {
    let store = place.open().await;
    let old = member(&store, 1).await;
    let new = store
        .write_override(&old, &set("temperature", 0.5))
        .await
        .unwrap();
    for write in [
        set("temperature", 0.6),
        set("max_tokens", 5),
        unset("temperature"),
    ] {
        let refused = store.write_override(&old, &write).await.unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    }
    assert_eq!(store.identity(key(1)).await.unwrap(), Some(new));
}

pub(crate) async fn a_write_to_an_erased_identity_is_refused(place: &impl Place) {
    let store = place.open().await;
    let identity = member(&store, 1).await;
    store.erase_identity(key(1)).await.unwrap();
    let refused = store
        .write_override(&identity, &set("temperature", 0.5))
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    assert_eq!(store.identity(key(1)).await.unwrap(), None);
}

pub(crate) async fn a_former_life_of_a_key_does_not_write_into_the_new_one(place: &impl Place) {
    let store = place.open().await;
    let former = member(&store, 1).await;
    store.erase_identity(key(1)).await.unwrap();
    let new = store
        .create_identity(key(1), Standing::Active, at(1))
        .await
        .unwrap()
        .identity;
    let refused = store
        .write_override(&former, &set("temperature", 0.5))
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    let late = message(&former, Role::Ai, "an answer that comes too late");
    let refused = store.append(&former, late).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    assert!(
        store
            .messages(&new, 10, None)
            .await
            .unwrap()
            .messages
            .is_empty()
    );
    assert_eq!(store.identity(key(1)).await.unwrap(), Some(new));
}

pub(crate) async fn a_hundred_writers_at_once_lose_nothing(place: &impl Place) {
    let stores = [place.open().await, place.open().await];
    for number in 0..25 {
        member(&stores[0], number).await;
    }
    let fields = [
        "temperature",
        "max_tokens",
        "history_context_size",
        "prompts.persona",
    ];
    let value = |field| {
        if field == "prompts.persona" {
            json!("text")
        } else {
            json!(1)
        }
    };
    let mut writers = JoinSet::new();
    for number in 0..25 {
        for (index, field) in fields.into_iter().enumerate() {
            let store = Arc::clone(&stores[index % 2]);
            let write = set(field, value(field));
            writers.spawn(async move {
                loop {
                    let identity = store.identity(key(number)).await.unwrap().unwrap();
                    match store.write_override(&identity, &write).await {
                        Ok(_) => break,
                        Err(StoreError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    }
    writers.join_all().await;
    for number in 0..25 {
        let identity = stores[0].identity(key(number)).await.unwrap().unwrap();
        for field in fields {
            assert!(
                identity.overrides.get(&field.parse().unwrap()).is_some(),
                "{number} {field}"
            );
        }
    }
}

pub(crate) async fn erasing_takes_everything_of_one_and_nothing_of_another(place: &impl Place) {
    let store = place.open().await;
    let (erased, kept) = (member(&store, 1).await, member(&store, 2).await);
    for owner in [&erased, &kept] {
        for _ in 0..3 {
            store
                .append(owner, message(owner, Role::Human, "hello"))
                .await
                .unwrap();
        }
    }
    for number in 1..=4 {
        let owner = key(1 + number / 3);
        store.create_session(session(number, owner)).await.unwrap();
    }
    let counts = store.erase_identity(key(1)).await.unwrap();
    assert_eq!(
        counts,
        Erased {
            identities: 1,
            messages: 3,
            sessions: 2,
            ..Erased::default()
        }
    );
    assert_eq!(store.identity(key(1)).await.unwrap(), None);
    assert!(
        store
            .messages(&erased, 10, None)
            .await
            .unwrap()
            .messages
            .is_empty()
    );
    assert_eq!(
        store.session(session(1, key(1)).digest).await.unwrap(),
        None
    );

    assert_eq!(store.identity(key(2)).await.unwrap(), Some(kept.clone()));
    assert_eq!(
        store
            .messages(&kept, 10, None)
            .await
            .unwrap()
            .messages
            .len(),
        3
    );
    assert!(
        store
            .session(session(3, key(2)).digest)
            .await
            .unwrap()
            .is_some()
    );

    let back = store
        .create_identity(key(1), Standing::Active, at(1))
        .await
        .unwrap();
    assert!(back.is_new);
    assert_eq!(back.identity.overrides, Overrides::default());
    assert!(
        store
            .messages(&back.identity, 10, None)
            .await
            .unwrap()
            .messages
            .is_empty()
    );
}

pub(crate) async fn erasing_an_unknown_key_removes_nothing(place: &impl Place) {
    let store = place.open().await;
    member(&store, 2).await;
    store.create_session(session(1, key(1))).await.unwrap();
    let visitor = store.erase_identity(key(1)).await.unwrap();
    assert_eq!(
        visitor,
        Erased {
            sessions: 1,
            ..Erased::default()
        }
    );
    assert_eq!(
        store.erase_identity(key(1)).await.unwrap(),
        Erased::default()
    );
    assert!(store.identity(key(2)).await.unwrap().is_some());
}
