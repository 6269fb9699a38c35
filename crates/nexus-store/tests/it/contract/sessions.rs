//! Who may speak for which key.

use nexus_core::{Scope, Session};
use nexus_store::StoreError;

use super::{Place, member};
use crate::samples::{key, session};

pub(crate) async fn a_session_is_found_by_its_digest(place: &impl Place) {
    let store = place.open().await;
    member(&store, 1).await;
    store.create_session(session(1, key(1))).await.unwrap();
    store.create_session(session(2, key(1))).await.unwrap();
    let stored = session(1, key(1));
    assert_eq!(store.session(stored.digest).await.unwrap(), Some(stored));
    assert_eq!(
        store.session(session(3, key(1)).digest).await.unwrap(),
        None
    );
}

pub(crate) async fn a_session_is_kept_for_a_key_that_is_not_registered(place: &impl Place) {
    let store = place.open().await;
    store.create_session(session(1, key(9))).await.unwrap();
    assert!(
        store
            .session(session(1, key(9)).digest)
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(store.identity(key(9)).await.unwrap(), None);
}

pub(crate) async fn a_digest_is_stored_once(place: &impl Place) {
    let store = place.open().await;
    store.create_session(session(1, key(1))).await.unwrap();
    let refused = store.create_session(session(1, key(2))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    let kept = store
        .session(session(1, key(1)).digest)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.owner_key, key(1));
}

pub(crate) async fn how_far_a_token_reaches_is_kept(place: &impl Place) {
    let store = place.open().await;
    for (number, scope) in [(1, Scope::Personal), (2, Scope::Admin)] {
        let stored = Session {
            scope,
            ..session(number, key(1))
        };
        store.create_session(stored.clone()).await.unwrap();
        assert_eq!(store.session(stored.digest).await.unwrap(), Some(stored));
    }
}
