//! What is left in the data, looked at from the outside.

use std::sync::Arc;

use nexus_core::{ApiKey, Identity, Label, Role, Session, UsageCount};
use nexus_store::{Erased, Store, StoreError};

use super::{Place, holding, member};
use crate::samples::{api_key, audit, counter, far, key, message, session, set, token, used};

/// Stores something of every kind for an owner.
async fn furnish(store: &Arc<dyn Store>, owner: &Identity, number: u8) {
    let key = owner.public_key;
    let said = message(owner, Role::Human, "hello");
    store.append(owner, said).await.unwrap();
    let write = set("prompts.persona", "mine");
    store.write_override(owner, &write).await.unwrap();
    let opened = session(number.into(), key);
    store.create_session(opened).await.unwrap();
    let new = api_key(number, key);
    store.create_api_key(owner, new).await.unwrap();
    let used = used(key, "2026-01-31", "calm");
    let count = UsageCount::default();
    store.add_usage(used, count).await.unwrap();
    let counted = counter(number, Some(key));
    store.add_to_counter(counted, 1, far(0)).await.unwrap();
    store.append_audit(audit(key)).await.unwrap();
}

pub(crate) async fn nothing_of_an_erased_identity_is_left_but_the_audit(place: &impl Place) {
    let store = place.open().await;
    let (erased, kept) = (member(&store, 1).await, member(&store, 2).await);
    furnish(&store, &erased, 1).await;
    furnish(&store, &kept, 2).await;
    let mut everywhere = vec![
        "api_keys",
        "audit",
        "counters",
        "identities",
        "messages",
        "sessions",
        "usage",
    ];
    for number in [1, 2] {
        let found = holding(place, &key(number).to_string()).await;
        assert_eq!(found, everywhere);
    }
    let counts = store.erase_identity(key(1)).await.unwrap();
    let expected = Erased {
        identities: 1,
        messages: 1,
        sessions: 1,
        api_keys: 1,
        usage: 1,
        counters: 1,
    };
    assert_eq!(counts, expected);
    assert_eq!(holding(place, &key(1).to_string()).await, ["audit"]);
    everywhere.sort_unstable();
    assert_eq!(holding(place, &key(2).to_string()).await, everywhere);
}

pub(crate) async fn what_comes_late_for_an_erased_identity_is_refused(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    store.erase_identity(key(1)).await.unwrap();
    let new = api_key(1, key(1));
    let late = [
        store.create_api_key(&owner, new).await,
        store
            .add_usage(used(key(1), "2026-01-31", "calm"), UsageCount::default())
            .await,
        store
            .append(&owner, message(&owner, Role::Ai, "late"))
            .await,
    ];
    for outcome in late {
        let refused = outcome.unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    }
    let found = holding(place, &key(1).to_string()).await;
    assert!(found.is_empty(), "{found:?}");
}

pub(crate) async fn no_stored_value_contains_a_token(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    let tokens = [token(), token()];
    let opened = Session {
        digest: tokens[0].digest(),
        client: Label::cut("a client that names itself"),
        ..session(1, key(1))
    };
    store.create_session(opened).await.unwrap();
    let new = ApiKey {
        digest: tokens[1].digest(),
        ..api_key(1, key(1))
    };
    store.create_api_key(&owner, new).await.unwrap();
    // The dump would show it.
    let named = holding(place, "a client that names itself").await;
    assert_eq!(named, ["sessions"]);
    for token in &tokens {
        let secret = &token.reveal()[4..47];
        let found = holding(place, secret).await;
        assert!(found.is_empty(), "{found:?}");
    }
}
