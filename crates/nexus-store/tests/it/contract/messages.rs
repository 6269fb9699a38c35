//! Conversations.

use std::collections::HashSet;
use std::sync::Arc;

use nexus_core::{Identity, Message, Metadata, Role};
use nexus_store::{Store, StoreError};
use tokio::task::JoinSet;

use super::{Place, member};
use crate::samples::{key, message, run};

pub(crate) async fn a_message_is_read_as_it_was_stored(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    for role in [Role::Human, Role::Ai, Role::Tool, Role::System] {
        let stored = Message {
            metadata: Metadata::from_json(r#"{"model":"echo","usage":{"cost":1.50}}"#.into())
                .unwrap(),
            ..message(&owner, role, "\u{0}Grüße \u{1f600}\n'quoted' \"twice\"")
        };
        store.append(&owner, stored.clone()).await.unwrap();
        let read = store
            .messages(&owner, 1, None)
            .await
            .unwrap()
            .messages
            .remove(0);
        assert_eq!(
            (
                &read.id,
                &read.run_id,
                read.owner_key,
                read.role,
                &read.content
            ),
            (
                &stored.id,
                &stored.run_id,
                stored.owner_key,
                stored.role,
                &stored.content
            )
        );
        assert_eq!(
            read.timestamp.timestamp_millis(),
            stored.timestamp.timestamp_millis()
        );
        assert_eq!(read.metadata, stored.metadata);
    }
}

pub(crate) async fn history_is_the_newest_of_people_and_models_in_order(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    let spoken = [
        (Role::Human, "1"),
        (Role::Ai, "2"),
        (Role::Human, "3"),
        (Role::Ai, ""),
        (Role::Tool, "a result"),
        (Role::System, "a notice"),
        (Role::Ai, "4"),
        (Role::Human, ""),
    ];
    for (role, content) in spoken {
        store
            .append(&owner, message(&owner, role, content))
            .await
            .unwrap();
    }
    for (limit, expected) in [(0, ""), (1, "4"), (3, "234"), (4, "1234"), (100, "1234")] {
        let history = store.history(&owner, limit, &run("other")).await.unwrap();
        assert_eq!(contents(&history).concat(), expected, "limit {limit}");
    }
}

pub(crate) async fn history_leaves_out_the_run_that_asks(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    for (content, run_id) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "z")] {
        let spoken = Message {
            run_id: run(run_id),
            ..message(&owner, Role::Human, content)
        };
        store.append(&owner, spoken).await.unwrap();
    }
    let history = store.history(&owner, 2, &run("z")).await.unwrap();
    assert_eq!(contents(&history), ["b", "c"]);
    let history = store.history(&owner, 9, &run("x")).await.unwrap();
    assert_eq!(contents(&history), ["b", "d"]);
}

pub(crate) async fn a_message_is_stored_and_what_came_before_it_recalled_in_one_go(
    place: &impl Place,
) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    let said = |content, run_id| Message {
        run_id: run(run_id),
        ..message(&owner, Role::Human, content)
    };
    for (content, run_id) in [("a", "1"), ("b", "2"), ("", "2"), ("c", "9")] {
        store.append(&owner, said(content, run_id)).await.unwrap();
    }
    for (limit, expected) in [(0, ""), (1, "b"), (64, "ab"), (1000, "ab")] {
        let question = said("q", "9");
        let id = question.id.clone();
        let history = store.append_and_recall(&owner, question, limit).await;
        assert_eq!(contents(&history.unwrap()).concat(), expected, "{limit}");
        let newest = store.messages(&owner, 1, None).await.unwrap().messages;
        assert_eq!(newest[0].id, id);
    }
    let stranger = member(&store, 2).await;
    store.erase_identity(key(1)).await.unwrap();
    for (who, limit) in [
        (&owner, 1),
        (&owner, 1000),
        (&stranger, 1),
        (&stranger, 1000),
    ] {
        let refused = store.append_and_recall(who, said("q", "9"), limit).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    }
    assert!(walk(&store, &owner, 10).await.is_empty());
}

pub(crate) async fn pages_of_any_size_give_every_message_once(place: &impl Place) {
    let store = place.open().await;
    let (owner, neighbour) = (member(&store, 1).await, member(&store, 2).await);
    let mut expected = Vec::new();
    for number in 0..13 {
        let said = message(&owner, Role::Human, &number.to_string());
        expected.insert(0, said.content.clone());
        store.append(&owner, said).await.unwrap();
        if number % 3 == 0 {
            store
                .append(&neighbour, message(&neighbour, Role::Human, "no"))
                .await
                .unwrap();
        }
    }
    // A page of none would never end: it counts as a page of one.
    for limit in 0..=14 {
        let pages = walk(&store, &owner, limit).await;
        assert_eq!(contents(&pages), expected, "pages of {limit}");
    }
    let nothing = member(&store, 3).await;
    assert!(walk(&store, &nothing, 5).await.is_empty());
}

pub(crate) async fn a_page_stays_the_same_while_messages_arrive(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    for number in 0..6 {
        store
            .append(&owner, message(&owner, Role::Human, &number.to_string()))
            .await
            .unwrap();
    }
    let first = store.messages(&owner, 2, None).await.unwrap();
    let second = store.messages(&owner, 2, first.next).await.unwrap();
    store
        .append(&owner, message(&owner, Role::Human, "late"))
        .await
        .unwrap();
    let again = store.messages(&owner, 2, first.next).await.unwrap();
    assert_eq!(contents(&second.messages), ["3", "2"]);
    assert_eq!(contents(&again.messages), ["3", "2"]);
    assert_eq!(again.next, second.next);
}

pub(crate) async fn nobody_sees_the_messages_of_another(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (member(&store, 1).await, member(&store, 2).await);
    store
        .append(&one, message(&one, Role::Human, "secret"))
        .await
        .unwrap();
    let cursor = store.messages(&one, 1, None).await.unwrap();
    store
        .append(&one, message(&one, Role::Human, "secret"))
        .await
        .unwrap();
    let cursor = store
        .messages(&one, 1, None)
        .await
        .unwrap()
        .next
        .or(cursor.next);
    assert!(cursor.is_some());
    assert!(
        store
            .messages(&other, 10, None)
            .await
            .unwrap()
            .messages
            .is_empty()
    );
    assert!(
        store
            .messages(&other, 10, cursor)
            .await
            .unwrap()
            .messages
            .is_empty()
    );
    assert!(
        store
            .history(&other, 10, &run("x"))
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn a_message_of_an_erased_identity_is_refused(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    store.erase_identity(key(1)).await.unwrap();
    let refused = store
        .append(&owner, message(&owner, Role::Ai, "late"))
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    let back = member(&store, 1).await;
    assert!(
        store
            .messages(&back, 10, None)
            .await
            .unwrap()
            .messages
            .is_empty()
    );
}

pub(crate) async fn an_id_is_stored_once(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    let first = message(&owner, Role::Human, "first");
    let second = Message {
        content: "second".to_owned(),
        ..first.clone()
    };
    store.append(&owner, first).await.unwrap();
    let refused = store.append(&owner, second).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    assert_eq!(contents(&walk(&store, &owner, 10).await), ["first"]);
}

pub(crate) async fn a_message_of_somebody_else_is_refused(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (member(&store, 1).await, member(&store, 2).await);
    let refused = store
        .append(&one, message(&other, Role::Human, "mine?"))
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    for owner in [one, other] {
        assert!(walk(&store, &owner, 10).await.is_empty());
    }
}

pub(crate) async fn messages_that_arrive_at_once_are_all_stored(place: &impl Place) {
    let stores = [place.open().await, place.open().await];
    let owners = [member(&stores[0], 1).await, member(&stores[0], 2).await];
    let mut appends = JoinSet::new();
    for number in 0..200 {
        let store = Arc::clone(&stores[number / 2 % 2]);
        let owner = owners[number % 2].clone();
        let said = message(&owner, Role::Human, &number.to_string());
        appends.spawn(async move { store.append(&owner, said).await.unwrap() });
    }
    appends.join_all().await;
    for owner in &owners {
        let messages = walk(&stores[0], owner, 7).await;
        assert_eq!(messages.len(), 100);
        let different: HashSet<_> = messages.iter().map(|message| &message.id).collect();
        assert_eq!(different.len(), 100);
    }
}

fn contents(messages: &[Message]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message.content.as_str())
        .collect()
}

/// Everything, page by page.
pub(crate) async fn walk(store: &Arc<dyn Store>, owner: &Identity, limit: u32) -> Vec<Message> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store.messages(owner, limit, before).await.unwrap();
        assert!(page.messages.len() <= limit.max(1) as usize);
        all.extend(page.messages);
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

pub(crate) async fn the_metadata_of_a_message_is_replaced_and_nothing_else(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    let stranger = member(&store, 2).await;
    let noted = |json: &str| Metadata::from_json(json.into()).unwrap();
    let mut said = [
        message(&owner, Role::Human, "a"),
        message(&owner, Role::Ai, "b"),
    ];
    said[0].metadata = noted(r#"{"old":1,"error":"x"}"#);
    for message in &said {
        store.append(&owner, message.clone()).await.unwrap();
    }
    let error = r#"{"error":{"code":"a.b","message":"$no \"1\""},"usage":{"input_tokens":7}}"#;
    for json in [error, "{}", error] {
        let set = store.set_metadata(&owner, &said[0].id, noted(json));
        assert!(set.await.unwrap());
        said[0].metadata = noted(json);
        let mut stored = store.messages(&owner, 9, None).await.unwrap().messages;
        stored.reverse();
        assert_eq!(contents(&stored), ["a", "b"]);
        for (stored, said) in stored.iter().zip(&said) {
            assert_eq!(stored.metadata.to_map(), said.metadata.to_map());
            assert_eq!((stored.role, &stored.id), (said.role, &said.id));
        }
    }
    let unknown = message(&owner, Role::Human, "never stored").id;
    for (who, id) in [(&stranger, &said[0].id), (&owner, &unknown)] {
        let set = store.set_metadata(who, id, noted("{}"));
        assert!(!set.await.unwrap());
    }
    let stored = store.messages(&owner, 9, None).await.unwrap().messages;
    assert_eq!(stored[1].metadata.to_map(), said[0].metadata.to_map());
}

pub(crate) async fn the_messages_of_one_run_and_their_places_are_found_among_all(
    place: &impl Place,
) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    let stranger = member(&store, 2).await;
    let mut said = Vec::new();
    for number in 0..12 {
        let name = ["x", "y", "z"][number % 3];
        let new = Message {
            run_id: run(name),
            ..message(&owner, Role::Ai, &number.to_string())
        };
        store.append(&owner, new.clone()).await.unwrap();
        said.push(new);
    }
    for limit in [1, 3, 100] {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = store.run_messages(&owner, &run("y"), limit, before).await;
            let page = page.unwrap();
            found.extend(page.messages);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(contents(&found), ["10", "7", "4", "1"], "{limit}");
    }
    for (number, message) in said.iter().enumerate() {
        let cursor = store.place(&owner, message).await.unwrap();
        let older = store.messages(&owner, 2, cursor).await.unwrap().messages;
        let expected: Vec<_> = said[..number].iter().rev().take(2).cloned().collect();
        assert_eq!(contents(&older), contents(&expected), "{number}");
    }
    let theirs = store.run_messages(&stranger, &run("y"), 9, None).await;
    assert!(theirs.unwrap().messages.is_empty());
    let unknown = message(&owner, Role::Ai, "never stored");
    for (who, message) in [(&stranger, &said[0]), (&owner, &unknown)] {
        assert!(store.place(who, message).await.unwrap().is_none());
    }
}
