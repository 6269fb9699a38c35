//! Keys for programs.

use std::sync::Arc;

use nexus_core::{ApiKey, ApiScopes, Standing};
use nexus_store::StoreError;
use nexus_store::types::ENDED_KEYS;
use tokio::task::JoinSet;

use super::{Place, member};
use crate::samples::{api_key, at, far, key};

pub(crate) async fn a_key_is_read_as_it_was_stored(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    let whole = ApiKey {
        last_used_at: Some(far(3)),
        revoked_at: Some(far(4)),
        ..api_key(1, key(1))
    };
    let bare = ApiKey {
        scopes: ApiScopes::default(),
        models: None,
        ..api_key(2, key(1))
    };
    let nothing = ApiKey {
        models: Some([].into()),
        ..api_key(3, key(1))
    };
    for stored in [whole, bare, nothing] {
        let (id, new) = (stored.id, stored.clone());
        store.create_api_key(&owner, new).await.unwrap();
        assert_eq!(store.api_key(id).await.unwrap(), Some(stored));
    }
    assert_eq!(store.api_key(api_key(9, key(1)).id).await.unwrap(), None);
}

pub(crate) async fn an_id_is_stored_once_and_for_a_registered_owner_only(place: &impl Place) {
    let store = place.open().await;
    let (owner, other) = (member(&store, 1).await, member(&store, 2).await);
    let refused = |outcome: Result<(), StoreError>| {
        assert!(
            matches!(outcome, Err(StoreError::Conflict { .. })),
            "{outcome:?}"
        );
    };
    let first = api_key(1, key(1));
    store.create_api_key(&owner, first.clone()).await.unwrap();
    refused(store.create_api_key(&other, api_key(1, key(2))).await);
    assert_eq!(store.api_key(first.id).await.unwrap(), Some(first));
    // In somebody else's name.
    refused(store.create_api_key(&other, api_key(2, key(1))).await);

    store.erase_identity(key(1)).await.unwrap();
    refused(store.create_api_key(&owner, api_key(3, key(1))).await);
    let again = store.create_identity(key(1), Standing::Active, at(1));
    again.await.unwrap();
    // Also not into the new life of the address.
    refused(store.create_api_key(&owner, api_key(3, key(1))).await);
    assert!(store.api_keys(key(1)).await.unwrap().is_empty());
}

pub(crate) async fn the_keys_of_one_owner_are_listed_newest_first(place: &impl Place) {
    let store = place.open().await;
    let (owner, other) = (member(&store, 1).await, member(&store, 2).await);
    for number in [3, 1, 2] {
        let new = api_key(number, key(1));
        store.create_api_key(&owner, new).await.unwrap();
    }
    let new = api_key(4, key(2));
    store.create_api_key(&other, new).await.unwrap();
    let listed = store.api_keys(key(1)).await.unwrap();
    assert_eq!(listed, [3, 2, 1].map(|number| api_key(number, key(1))));
}

pub(crate) async fn of_keys_that_have_ended_the_newest_are_kept(place: &impl Place) {
    let store = place.open().await;
    let (owner, other) = (member(&store, 1).await, member(&store, 2).await);
    let most = u8::try_from(ENDED_KEYS).unwrap();
    let new = api_key(200, key(2));
    store.create_api_key(&other, new).await.unwrap();
    assert!(
        store
            .revoke_api_key(key(2), api_key(200, key(2)).id, far(1))
            .await
            .unwrap()
    );
    for number in 1..=most + 10 {
        let new = api_key(number, key(1));
        let id = new.id;
        store.create_api_key(&owner, new).await.unwrap();
        // One is live all the time.
        if number > 1 {
            assert!(store.revoke_api_key(key(1), id, far(1)).await.unwrap());
        }
    }
    let kept = store.api_keys(key(1)).await.unwrap();
    // The last one ended after it was stored.
    assert_eq!(kept.len(), usize::from(most) + 2);
    assert_eq!(kept.last().map(|key| key.id), Some(api_key(1, key(1)).id));
    assert_eq!(kept[0].id, api_key(most + 10, key(1)).id);
    assert_eq!(store.api_keys(key(2)).await.unwrap().len(), 1);
}

pub(crate) async fn a_key_is_taken_back_once_and_by_its_owner_only(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    let stored = api_key(1, key(1));
    let id = stored.id;
    store.create_api_key(&owner, stored.clone()).await.unwrap();
    let revoke = async |owner, at| store.revoke_api_key(owner, id, at).await.unwrap();
    assert!(!revoke(key(2), far(5)).await);
    assert_eq!(store.api_key(id).await.unwrap(), Some(stored.clone()));
    assert!(revoke(key(1), far(6)).await);
    assert!(!revoke(key(1), far(7)).await);
    let revoked = ApiKey {
        revoked_at: Some(far(6)),
        ..stored
    };
    assert_eq!(store.api_key(id).await.unwrap(), Some(revoked));
}

pub(crate) async fn the_last_use_of_a_key_never_goes_back(place: &impl Place) {
    let store = place.open().await;
    let owner = member(&store, 1).await;
    let stored = api_key(1, key(1));
    let id = stored.id;
    store.touch_api_key(id, far(4)).await.unwrap();
    assert_eq!(store.api_key(id).await.unwrap(), None);
    store.create_api_key(&owner, stored).await.unwrap();
    for (touched, expected) in [(5, 5), (9, 9), (7, 9)] {
        store.touch_api_key(id, far(touched)).await.unwrap();
        let read = store.api_key(id).await.unwrap().unwrap();
        assert_eq!(read.last_used_at, Some(far(expected)));
    }
}

pub(crate) async fn of_a_hundred_keys_that_are_made_at_once_fifty_are_stored(place: &impl Place) {
    let both = [place.open().await, place.open().await];
    let owner = member(&both[0], 1).await;
    // What has ended does not count.
    for number in 200..210 {
        let mut ended = api_key(number, key(1));
        ended.revoked_at = Some(far(300));
        both[0].create_api_key(&owner, ended).await.unwrap();
    }
    let mut made = JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&both[usize::from(number % 2)]);
        let (owner, mut new) = (owner.clone(), api_key(number, key(1)));
        new.created_at = far(0);
        made.spawn(async move { store.create_api_key(&owner, new).await });
    }
    let outcomes = made.join_all().await;
    let stored = outcomes.iter().filter(|it| it.is_ok()).count();
    let full = |it: &&Result<(), StoreError>| matches!(it, Err(StoreError::Full { limit: 50, .. }));
    assert_eq!(outcomes.iter().filter(full).count(), 100 - stored);
    let live = both[1].api_keys(key(1)).await.unwrap();
    let live = live.iter().filter(|key| key.revoked_at.is_none()).count();
    assert_eq!(live, stored);
    // Two nodes that meet may both give way, and never both go on.
    assert!((1..=50).contains(&stored), "{stored}");
    while both[0].api_keys(key(1)).await.unwrap().len() < 60 {
        let number = u8::try_from(100 + both[0].api_keys(key(1)).await.unwrap().len()).unwrap();
        let new = api_key(number, key(1));
        both[0].create_api_key(&owner, new).await.unwrap();
    }
    let refused = both[1].create_api_key(&owner, api_key(199, key(1))).await;
    assert!(
        matches!(refused, Err(StoreError::Full { limit: 50, .. })),
        "{refused:?}"
    );
}
