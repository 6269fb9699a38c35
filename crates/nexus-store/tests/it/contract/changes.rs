//! Who has to read again.

use std::time::Duration;

use nexus_core::{Environment, IdentityWrite, NonceId, Role, Standing, UsageCount};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Place, member};
use crate::samples::{
    api_key, at, audit, counter, far, key, message, session, set, template, used,
};

pub(crate) async fn own_changes_are_known_when_the_write_returns(place: &impl Place) {
    let store = place.open().await;
    let mut changes = store.changes();
    let mut last = *changes.borrow_and_update();
    let mut grew = |what| {
        assert!(changes.has_changed().unwrap(), "{what}");
        let now = *changes.borrow_and_update();
        assert!(now > last, "{what}");
        last = now;
    };

    store
        .put_template(template(Environment::Development), None)
        .await
        .unwrap();
    grew("a template");
    let owner = member(&store, 1).await;
    grew("an identity");
    store
        .write_override(&owner, &set("temperature", 0.5))
        .await
        .unwrap();
    grew("an override");
    store.create_session(session(1, key(1))).await.unwrap();
    grew("a session");
    let owner = store.identity(key(1)).await.unwrap().unwrap();
    let admin = IdentityWrite::Admin(true);
    let owner = store.write_identity(&owner, admin).await.unwrap();
    grew("an administrator");
    let new = api_key(1, key(1));
    let id = new.id;
    store.create_api_key(&owner, new).await.unwrap();
    grew("an API key");
    store.revoke_api_key(key(1), id, far(2)).await.unwrap();
    grew("a revoked API key");
    let id = session(1, key(1)).id();
    assert!(store.revoke_session(key(1), id).await.unwrap());
    grew("a revoked session");
    store.create_session(session(2, key(1))).await.unwrap();
    grew("another session");
    assert_eq!(store.revoke_sessions(key(1), None).await.unwrap(), 1);
    grew("revoked sessions");
    store.erase_identity(key(1)).await.unwrap();
    grew("an erasure");
}

pub(crate) async fn messages_are_no_change(place: &impl Place) {
    let (store, other) = (place.open().await, place.open().await);
    let owner = member(&store, 1).await;
    settle(&store.changes(), &mut other.changes()).await;
    let (mine, mut theirs) = (store.changes(), other.changes());
    store
        .append(&owner, message(&owner, Role::Human, "hello"))
        .await
        .unwrap();
    assert!(!mine.has_changed().unwrap());
    // The other one looks at what happened; what it finds next is this, and not the message.
    store.create_session(session(1, key(1))).await.unwrap();
    noticed(&mut theirs).await;
    assert_eq!(*theirs.borrow(), *mine.borrow());
}

pub(crate) async fn that_something_was_used_is_no_change(place: &impl Place) {
    let (store, other) = (place.open().await, place.open().await);
    let owner = member(&store, 1).await;
    store.create_session(session(1, key(1))).await.unwrap();
    let used_key = api_key(1, key(1));
    let id = used_key.id;
    store.create_api_key(&owner, used_key).await.unwrap();
    settle(&store.changes(), &mut other.changes()).await;
    let (mine, mut theirs) = (store.changes(), other.changes());

    let digest = session(1, key(1)).digest;
    store.touch_session(digest, far(1)).await.unwrap();
    store.touch_api_key(id, far(1)).await.unwrap();
    let nonce = NonceId::from_bytes([1; 32]);
    assert!(store.use_nonce(nonce, far(0), far(1)).await.unwrap());
    store.append_audit(audit(key(1))).await.unwrap();
    let used = used(key(1), "2026-01-31", "calm");
    store.add_usage(used, UsageCount::default()).await.unwrap();
    let counter = counter(1, Some(key(1)));
    store.add_to_counter(counter, 1, far(0)).await.unwrap();
    assert!(!mine.has_changed().unwrap());
    // What the other one finds next is this, and nothing of the above.
    store.create_session(session(2, key(1))).await.unwrap();
    noticed(&mut theirs).await;
    assert_eq!(*theirs.borrow(), *mine.borrow());
}

pub(crate) async fn another_process_is_noticed_within_a_second(place: &impl Place) {
    let (store, other) = (place.open().await, place.open().await);
    let mut changes = other.changes();
    store
        .put_template(template(Environment::Development), None)
        .await
        .unwrap();
    noticed(&mut changes).await;
    let owner = member(&store, 1).await;
    noticed(&mut changes).await;
    store
        .write_override(&owner, &set("temperature", 0.5))
        .await
        .unwrap();
    noticed(&mut changes).await;
    store.create_session(session(1, key(1))).await.unwrap();
    noticed(&mut changes).await;
    store.erase_identity(key(1)).await.unwrap();
    noticed(&mut changes).await;
}

pub(crate) async fn what_another_process_wrote_is_read_at_once(place: &impl Place) {
    let (store, other) = (place.open().await, place.open().await);
    let owner = member(&store, 1).await;
    assert_eq!(other.identity(key(1)).await.unwrap(), Some(owner.clone()));
    other
        .append(&owner, message(&owner, Role::Human, "from there"))
        .await
        .unwrap();
    let page = store.messages(&owner, 10, None).await.unwrap();
    assert_eq!(page.messages[0].content, "from there");
    let changed = other
        .write_override(&owner, &set("temperature", 0.5))
        .await
        .unwrap();
    assert_eq!(store.identity(key(1)).await.unwrap(), Some(changed));
}

pub(crate) async fn a_store_says_what_it_is(place: &impl Place) {
    let store = place.open().await;
    store.ping().await.unwrap();
    for number in 0..3 {
        let owner = store
            .create_identity(key(number), Standing::Active, at(0))
            .await
            .unwrap()
            .identity;
        store
            .append(&owner, message(&owner, Role::Human, "hello"))
            .await
            .unwrap();
    }
    let facts = store.facts().await.unwrap();
    assert_eq!((facts.identities, facts.messages), (3, 3));
    assert!(!facts.kind.is_empty() && !facts.location.is_empty());
}

/// It takes less than a second on a machine that has nothing else to do. The tests are about what
/// happens, not about how busy their machine is.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for a change.
async fn noticed(changes: &mut watch::Receiver<u64>) {
    timeout(PATIENCE, changes.changed())
        .await
        .expect("soon")
        .unwrap();
}

/// Waits until the other one knows what this one knows.
async fn settle(one: &watch::Receiver<u64>, other: &mut watch::Receiver<u64>) {
    let known = *one.borrow();
    let same = other.wait_for(|theirs| *theirs >= known);
    timeout(PATIENCE, same).await.expect("soon").unwrap();
}
