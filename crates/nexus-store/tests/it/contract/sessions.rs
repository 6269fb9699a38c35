//! Who may speak for which key.

use chrono::TimeDelta;
use nexus_core::{Label, Scope, Session, SessionId, Timestamp, TokenDigest};
use nexus_store::StoreError;

use super::{Place, member};
use crate::samples::{far, key, session};

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

pub(crate) async fn all_of_a_session_is_kept(place: &impl Place) {
    let store = place.open().await;
    let stored = Session {
        last_seen_at: far(1),
        idle: Some(TimeDelta::hours(12)),
        client: Label::cut("Zoë's browser"),
        ..session(1, key(1))
    };
    store.create_session(stored.clone()).await.unwrap();
    assert_eq!(store.session(stored.digest).await.unwrap(), Some(stored));
}

/// A session that was made at `created_at`.
fn made(number: u64, created_at: Timestamp) -> Session {
    let digest = session(number, key(1)).digest;
    Session::new(digest, key(1), Scope::Personal, created_at, far(1000))
}

pub(crate) async fn the_sessions_of_one_owner_are_listed_newest_first(place: &impl Place) {
    let store = place.open().await;
    assert!(store.sessions(key(1)).await.unwrap().is_empty());
    for (number, minutes) in [(1, 5), (2, 9), (3, 7)] {
        let stored = made(number, far(minutes));
        store.create_session(stored).await.unwrap();
    }
    store.create_session(session(4, key(2))).await.unwrap();
    let listed = store.sessions(key(1)).await.unwrap();
    let expected = [made(2, far(9)), made(3, far(7)), made(1, far(5))];
    assert_eq!(listed, expected);
}

pub(crate) async fn one_session_is_revoked_and_only_by_its_owner(place: &impl Place) {
    let store = place.open().await;
    for number in 1..=3 {
        store.create_session(session(number, key(1))).await.unwrap();
    }
    let revoked = session(2, key(1));
    let revoke = async |owner, id| store.revoke_session(owner, id).await.unwrap();
    assert!(!revoke(key(2), revoked.id()).await);
    let unknown = SessionId::of(&TokenDigest::from_bytes([0; 32]));
    assert!(!revoke(key(1), unknown).await);
    assert_eq!(store.sessions(key(1)).await.unwrap().len(), 3);

    assert!(revoke(key(1), revoked.id()).await);
    assert!(!revoke(key(1), revoked.id()).await);
    assert_eq!(store.session(revoked.digest).await.unwrap(), None);
    assert_eq!(store.sessions(key(1)).await.unwrap().len(), 2);
}

pub(crate) async fn all_sessions_but_one_are_revoked(place: &impl Place) {
    let store = place.open().await;
    for number in 1..=3 {
        store.create_session(session(number, key(1))).await.unwrap();
    }
    store.create_session(session(4, key(2))).await.unwrap();
    let kept = session(2, key(1));
    let revoke = async |except| store.revoke_sessions(key(1), except).await.unwrap();
    assert_eq!(revoke(Some(kept.digest)).await, 2);
    assert_eq!(store.sessions(key(1)).await.unwrap(), [kept]);
    assert_eq!(revoke(None).await, 1);
    assert!(store.sessions(key(1)).await.unwrap().is_empty());
    assert_eq!(store.sessions(key(2)).await.unwrap().len(), 1);
}

pub(crate) async fn the_last_use_of_a_session_never_goes_back(place: &impl Place) {
    let store = place.open().await;
    let digest = made(1, far(5)).digest;
    // A session that was revoked meanwhile does not come back.
    store.touch_session(digest, far(6)).await.unwrap();
    assert_eq!(store.session(digest).await.unwrap(), None);
    store.create_session(made(1, far(5))).await.unwrap();
    for (touched, expected) in [(4, 5), (9, 9), (7, 9)] {
        store.touch_session(digest, far(touched)).await.unwrap();
        let session = store.session(digest).await.unwrap().unwrap();
        assert_eq!(session.last_seen_at, far(expected));
        assert_eq!(session.created_at, far(5));
    }
}
