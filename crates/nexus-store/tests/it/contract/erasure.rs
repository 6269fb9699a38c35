//! What is left in the data, looked at from the outside.

use std::sync::Arc;

use nexus_core::{
    ApiKey, Identity, IdentityWrite, Label, Overrides, Role, Session, Standing, UsageCount,
};
use nexus_store::{Erased, Store, StoreError};

use super::{Place, holding, member};
use crate::samples::{
    api_key, audit, counter, far, key, message, new_run, session, set, token, used,
};

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
    store
        .add_usage(owner.created_at, &new_run(), used, count)
        .await
        .unwrap();
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
        stays_disabled: false,
    };
    assert_eq!(counts, expected);
    assert_eq!(holding(place, &key(1).to_string()).await, ["audit"]);
    everywhere.sort_unstable();
    assert_eq!(holding(place, &key(2).to_string()).await, everywhere);
}

pub(crate) async fn whoever_is_disabled_may_leave_and_does_not_come_back(place: &impl Place) {
    let store = place.open().await;
    let (left, kept) = (member(&store, 1).await, member(&store, 2).await);
    furnish(&store, &left, 1).await;
    furnish(&store, &kept, 2).await;
    let read = async |number| store.identity(key(number)).await.unwrap().unwrap();
    for write in [
        IdentityWrite::Admin(true),
        IdentityWrite::Standing(Standing::Disabled),
    ] {
        store.write_identity(&read(1).await, write).await.unwrap();
    }
    // The clock may stand still: it is another life of the key all the same.
    let counts = store.leave(key(1), left.created_at).await.unwrap();
    let expected = Erased {
        identities: 1,
        messages: 1,
        sessions: 1,
        api_keys: 1,
        usage: 1,
        counters: 1,
        stays_disabled: true,
    };
    assert_eq!(counts, expected);
    let found = holding(place, &key(1).to_string()).await;
    assert_eq!(found, ["audit", "identities"]);
    let locked = read(1).await;
    assert_eq!(locked.standing, Standing::Disabled);
    assert_eq!((locked.is_admin, locked.version), (false, 1));
    assert_eq!(locked.overrides, Overrides::default());
    assert!(locked.created_at > left.created_at);
    let late = store.append(&left, message(&left, Role::Ai, "late")).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");

    let again = store
        .create_identity(key(1), Standing::Active, far(0))
        .await;
    assert_eq!(again.unwrap().identity, locked);
    // Once more, with nothing left to take.
    let counts = store.leave(key(1), far(0)).await.unwrap();
    assert!(counts.stays_disabled && counts.messages == 0, "{counts:?}");
    // Administrators let them in, and then they may go for good.
    let active = IdentityWrite::Standing(Standing::Active);
    store.write_identity(&read(1).await, active).await.unwrap();
    let counts = store.leave(key(1), far(0)).await.unwrap();
    assert!(
        !counts.stays_disabled && counts.identities == 1,
        "{counts:?}"
    );
    assert_eq!(holding(place, &key(1).to_string()).await, ["audit"]);
    let nobody = store.leave(key(1), far(0)).await.unwrap();
    assert_eq!(nobody, Erased::default());

    // What an administrator erases is gone, whatever it was.
    let disabled = IdentityWrite::Standing(Standing::Disabled);
    store
        .write_identity(&read(2).await, disabled)
        .await
        .unwrap();
    let counts = store.erase_identity(key(2)).await.unwrap();
    assert!(!counts.stays_disabled, "{counts:?}");
    assert_eq!(holding(place, &key(2).to_string()).await, ["audit"]);
}

pub(crate) async fn what_comes_late_for_an_erased_identity_is_refused(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    store.erase_identity(key(1)).await.unwrap();
    let new = api_key(1, key(1));
    let late = [
        store.create_api_key(&owner, new).await,
        store
            .add_usage(
                owner.created_at,
                &new_run(),
                used(key(1), "2026-01-31", "calm"),
                UsageCount::default(),
            )
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
