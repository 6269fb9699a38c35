//! Who is let in, and who may let others in.

use nexus_core::{IdentityWrite, Standing};
use nexus_store::{StandingCounts, StoreError};

use super::{Place, member};
use crate::samples::{at, key, set};

pub(crate) async fn a_key_is_registered_with_a_standing_and_keeps_it(place: &impl Place) {
    let store = place.open().await;
    let register = async |number, standing| {
        let created = store.create_identity(key(number), standing, at(0)).await;
        created.unwrap()
    };
    for (number, standing) in (0..).zip(Standing::ALL) {
        let created = register(number, standing).await;
        assert!(created.is_new);
        assert_eq!(created.identity.standing, standing);
        assert!(!created.identity.is_admin);
        // To register again lets nobody in.
        let again = register(number, Standing::Active).await;
        assert!(!again.is_new);
        assert_eq!(again.identity, created.identity);
    }
}

pub(crate) async fn a_standing_is_written_and_nothing_else(place: &impl Place) {
    let store = place.open().await;
    let before = member(&store, 1).await;
    let bystander = member(&store, 2).await;
    let before = store
        .write_override(&before, &set("temperature", 0.5))
        .await
        .unwrap();
    let mut expected = before.clone();
    for write in [
        IdentityWrite::Standing(Standing::Disabled),
        IdentityWrite::Admin(true),
        IdentityWrite::Standing(Standing::Active),
        IdentityWrite::Admin(false),
    ] {
        let written = store.write_identity(&expected, write).await.unwrap();
        match write {
            IdentityWrite::Standing(standing) => expected.standing = standing,
            IdentityWrite::Admin(is_admin) => expected.is_admin = is_admin,
        }
        expected.version += 1;
        assert_eq!(written, expected);
        assert_eq!(store.identity(key(1)).await.unwrap(), Some(written));
    }
    assert_eq!(store.identity(key(2)).await.unwrap(), Some(bystander));
}

pub(crate) async fn a_standing_decided_on_an_older_version_is_refused(place: &impl Place) {
    let store = place.open().await;
    let old = member(&store, 1).await;
    let disable = IdentityWrite::Standing(Standing::Disabled);
    let new = store.write_identity(&old, disable).await.unwrap();
    let refused = |outcome: Result<_, StoreError>| {
        assert!(
            matches!(outcome, Err(StoreError::Conflict { .. })),
            "{outcome:?}"
        );
    };
    refused(store.write_identity(&old, disable).await);
    refused(store.write_identity(&old, IdentityWrite::Admin(true)).await);
    refused(store.write_override(&old, &set("temperature", 0.5)).await);
    assert_eq!(store.identity(key(1)).await.unwrap(), Some(new.clone()));

    store.erase_identity(key(1)).await.unwrap();
    refused(store.write_identity(&new, IdentityWrite::Admin(true)).await);
    let back = store.create_identity(key(1), Standing::Pending, at(1));
    let back = back.await.unwrap().identity;
    // The decision was made about somebody else, as it were.
    refused(store.write_identity(&old, IdentityWrite::Admin(true)).await);
    assert_eq!(store.identity(key(1)).await.unwrap(), Some(back));
}

pub(crate) async fn identities_are_listed_and_counted_by_standing(place: &impl Place) {
    let store = place.open().await;
    let counts = async || store.count_identities().await.unwrap();
    assert_eq!(counts().await, StandingCounts::default());
    for (number, standing) in (0..9).zip(Standing::ALL.into_iter().cycle()) {
        let created = store.create_identity(key(number), standing, at(0));
        created.await.unwrap();
    }
    let third = store.identity(key(3)).await.unwrap().unwrap();
    let pending = IdentityWrite::Standing(Standing::Pending);
    store.write_identity(&third, pending).await.unwrap();
    let expected = StandingCounts {
        active: 2,
        pending: 4,
        disabled: 3,
    };
    assert_eq!(counts().await, expected);
    for (standing, numbers) in [
        (Standing::Active, &[0, 6][..]),
        (Standing::Pending, &[1, 3, 4, 7]),
        (Standing::Disabled, &[2, 5, 8]),
    ] {
        for limit in 0..=4 {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = store.identities_by_standing(standing, after, limit);
                let page = page.await.unwrap();
                assert!(page.identities.len() <= limit.max(1) as usize);
                found.extend(page.identities.iter().map(|identity| identity.public_key));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let expected: Vec<_> = numbers.iter().copied().map(key).collect();
            assert_eq!(found, expected, "{standing:?} in pages of {limit}");
        }
    }
}
