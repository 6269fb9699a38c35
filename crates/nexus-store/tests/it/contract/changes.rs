//! Who has to read again.

use std::sync::Arc;
use std::time::Duration;

use nexus_core::{Environment, IdentityWrite, NonceId, Role, Standing, UsageCount};
use nexus_store::{AsOf, Store, Subject};
use tokio::time::{sleep, timeout};

use super::{Place, member};
use crate::samples::{
    api_key, at, audit, counter, far, key, message, new_run, session, set, template, used,
};

pub(crate) async fn own_changes_are_known_when_the_write_returns(place: &impl Place) {
    let store = place.open().await;
    let freshness = store.freshness();
    let templates = store.template_changes();
    store
        .put_template(template(Environment::Development), None)
        .await
        .unwrap();
    assert!(templates.has_changed().unwrap());

    let mut as_of = vouched(&store).await;
    let mut are_known = |subjects: &[Subject], what| {
        for subject in subjects {
            assert!(!freshness.holds(*subject, as_of), "{what}");
        }
        as_of = freshness.as_of();
    };
    let (identity, session_of) = (key(1).into(), session(1, key(1)).digest.into());
    let owner = member(&store, 1).await;
    are_known(&[identity], "an identity");
    store
        .write_override(&owner, &set("temperature", 0.5))
        .await
        .unwrap();
    are_known(&[identity], "an override");
    store.create_session(session(1, key(1))).await.unwrap();
    are_known(&[session_of], "a session");
    let owner = store.identity(key(1)).await.unwrap().unwrap();
    let admin = IdentityWrite::Admin(true);
    let owner = store.write_identity(&owner, admin).await.unwrap();
    are_known(&[identity], "an administrator");
    let disabled = IdentityWrite::Standing(Standing::Disabled);
    let owner = store.write_identity(&owner, disabled).await.unwrap();
    are_known(&[identity], "a standing");
    let id = api_key(1, key(1)).id;
    store
        .create_api_key(&owner, api_key(1, key(1)))
        .await
        .unwrap();
    are_known(&[id.into()], "an API key");
    store.revoke_api_key(key(1), id, far(2)).await.unwrap();
    are_known(&[id.into()], "a revoked API key");
    let name = session(1, key(1)).id();
    assert!(store.revoke_session(key(1), name).await.unwrap());
    are_known(&[session_of], "a revoked session");
    let two = [2, 3].map(|number| session(number, key(1)));
    let both = two.each_ref().map(|session| session.digest.into());
    for session in two {
        store.create_session(session).await.unwrap();
    }
    are_known(&both, "other sessions");
    assert_eq!(store.revoke_sessions(key(1), None).await.unwrap(), 2);
    are_known(&both, "revoked sessions");
    store.create_session(session(1, key(1))).await.unwrap();
    are_known(&[session_of], "a session again");
    store.erase_identity(key(1)).await.unwrap();
    are_known(&[identity, session_of, id.into()], "an erasure");
}

pub(crate) async fn a_change_leaves_everybody_else_fresh(place: &impl Place) {
    let store = place.open().await;
    stays_fresh(&store, async |number| {
        let owner = member(&store, number).await;
        let changed = store
            .write_override(&owner, &set("temperature", 0.5))
            .await
            .unwrap();
        let waits = IdentityWrite::Standing(Standing::Pending);
        let changed = store.write_identity(&changed, waits).await.unwrap();
        for number in [number, number + 1000] {
            let session = session(number, owner.public_key);
            store.create_session(session).await.unwrap();
        }
        let name = session(number, owner.public_key).id();
        assert!(store.revoke_session(owner.public_key, name).await.unwrap());
        let revoked = store.revoke_sessions(owner.public_key, None).await.unwrap();
        assert_eq!(revoked, 1);
        let new = api_key(u8::try_from(number).unwrap(), owner.public_key);
        let id = new.id;
        store.create_api_key(&changed, new).await.unwrap();
        let revoked = store.revoke_api_key(owner.public_key, id, far(2));
        assert!(revoked.await.unwrap());
    })
    .await;
}

pub(crate) async fn messages_are_no_change(place: &impl Place) {
    let (store, other) = (place.open().await, place.open().await);
    let owner = member(&store, 1).await;
    stays_fresh(&store, async |_| {
        for store in [&store, &other] {
            store
                .append(&owner, message(&owner, Role::Human, "hello"))
                .await
                .unwrap();
        }
        // It has looked at what happened since.
        sleep(Duration::from_millis(300)).await;
    })
    .await;
}

pub(crate) async fn that_something_was_used_is_no_change(place: &impl Place) {
    let (store, other) = (place.open().await, place.open().await);
    let owner = member(&store, 1).await;
    let digest = session(1, key(1)).digest;
    store.create_session(session(1, key(1))).await.unwrap();
    let id = api_key(1, key(1)).id;
    store
        .create_api_key(&owner, api_key(1, key(1)))
        .await
        .unwrap();
    let both = [digest.into(), id.into()];
    stay_fresh(
        &store,
        |_| both,
        async |number| {
            let number = u8::try_from(number).unwrap();
            for (store, turn) in [(&store, 0), (&other, 1)] {
                let at = far((number + turn).into());
                store.touch_session(digest, at).await.unwrap();
                store.touch_api_key(id, at).await.unwrap();
                let nonce = NonceId::from_bytes([number + turn; 32]);
                assert!(store.use_nonce(nonce, far(0), far(1)).await.unwrap());
                store.append_audit(audit(key(1))).await.unwrap();
                let used = used(key(1), "2026-01-31", "calm");
                store
                    .add_usage(owner.created_at, &new_run(), used, UsageCount::default())
                    .await
                    .unwrap();
                let counter = counter(1, Some(key(1)));
                store.add_to_counter(counter, 1, far(0)).await.unwrap();
            }
            // It has looked at what happened since.
            sleep(Duration::from_millis(300)).await;
        },
    )
    .await;
}

pub(crate) async fn another_process_is_noticed_within_a_second(place: &impl Place) {
    let (store, other) = (place.open().await, place.open().await);
    let mut templates = other.template_changes();
    store
        .put_template(template(Environment::Development), None)
        .await
        .unwrap();
    timeout(PATIENCE, templates.changed())
        .await
        .expect("soon")
        .unwrap();

    let mut as_of = vouched(&other).await;
    let owner = member(&store, 1).await;
    as_of = noticed(&other, key(1), as_of).await;
    store
        .write_override(&owner, &set("temperature", 0.5))
        .await
        .unwrap();
    as_of = noticed(&other, key(1), as_of).await;
    store.create_session(session(1, key(1))).await.unwrap();
    as_of = noticed(&other, session(1, key(1)).digest, as_of).await;
    let owner = store.identity(key(1)).await.unwrap().unwrap();
    let disabled = IdentityWrite::Standing(Standing::Disabled);
    store.write_identity(&owner, disabled).await.unwrap();
    as_of = noticed(&other, key(1), as_of).await;
    let id = api_key(1, key(1)).id;
    store
        .create_api_key(&owner, api_key(1, key(1)))
        .await
        .unwrap();
    as_of = noticed(&other, id, as_of).await;
    let revoked = store.revoke_api_key(key(1), id, far(2));
    assert!(revoked.await.unwrap());
    as_of = noticed(&other, id, as_of).await;
    assert_eq!(store.revoke_sessions(key(1), None).await.unwrap(), 1);
    as_of = noticed(&other, session(1, key(1)).digest, as_of).await;
    store.erase_identity(key(1)).await.unwrap();
    noticed(&other, id, as_of).await;
    noticed(&other, key(1), as_of).await;
}

/// `deafen` prevents the store from hearing of changes, or lets it hear again.
pub(crate) async fn nothing_is_fresh_while_changes_are_not_heard(
    store: &Arc<dyn Store>,
    deafen: impl AsyncFn(bool),
) {
    vouched(store).await;
    deafen(true).await;
    let freshness = store.freshness();
    let is_deaf = async {
        while freshness.holds(key(1), freshness.as_of()) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, is_deaf).await.expect("soon");
    // A template is looked for all the time.
    let mut templates = store.template_changes();
    for _ in 0..4 {
        templates.mark_unchanged();
        let moved = timeout(PATIENCE, templates.changed()).await;
        moved.expect("soon").unwrap();
        assert!(!freshness.holds(key(1), freshness.as_of()));
    }
    deafen(false).await;
    vouched(store).await;
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

/// Waits until the store hears of changes, and gives what it knows then.
pub(crate) async fn vouched(store: &Arc<dyn Store>) -> AsOf {
    let freshness = store.freshness();
    let vouched = async {
        loop {
            let as_of = freshness.as_of();
            if freshness.holds(key(u64::MAX), as_of) {
                return as_of;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, vouched).await.expect("soon")
}

/// Waits until a change is known, and gives what is known then.
pub(crate) async fn noticed(
    store: &Arc<dyn Store>,
    subject: impl Into<Subject> + Copy,
    before: AsOf,
) -> AsOf {
    let freshness = store.freshness();
    let noticed = async {
        while freshness.holds(subject, before) || !freshness.holds(subject, freshness.as_of()) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, noticed).await.expect("soon");
    freshness.as_of()
}

/// Somebody stays fresh through `change`, which is given a number that was not used before.
pub(crate) async fn stays_fresh(store: &Arc<dyn Store>, change: impl AsyncFn(u64)) {
    let somebody = |number: u64| {
        let somebody = key(number + 1);
        let digest = session(number + 1, somebody).digest;
        [
            somebody.into(),
            digest.into(),
            api_key(9, somebody).id.into(),
        ]
    };
    stay_fresh(store, somebody, change).await;
}

/// On a busy machine a store may stop vouching for a moment, and then it is tried again.
async fn stay_fresh<const N: usize>(
    store: &Arc<dyn Store>,
    subjects: impl Fn(u64) -> [Subject; N],
    change: impl AsyncFn(u64),
) {
    let freshness = store.freshness();
    let stay_fresh = async {
        for number in (100..).step_by(2) {
            let as_of = vouched(store).await;
            change(number).await;
            let is_fresh = |subject: &Subject| freshness.holds(*subject, as_of);
            if subjects(number).iter().all(is_fresh) {
                return;
            }
        }
    };
    timeout(PATIENCE, stay_fresh).await.expect("soon");
}
