//! The Genesis template of each environment.

use std::sync::Arc;

use nexus_core::Environment::{Development, Production};
use nexus_store::{Store, StoreError};
use tokio::task::JoinSet;

use super::Place;
use crate::samples::{at, document, template};

pub(crate) async fn there_is_no_template_at_first(place: &impl Place) {
    let store = place.open().await;
    assert!(store.template(Development).await.unwrap().is_none());
    let refused = store
        .put_template(template(Development), Some(1))
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    assert!(store.template(Development).await.unwrap().is_none());
}

pub(crate) async fn versions_count_from_one_and_the_newest_is_current(place: &impl Place) {
    let store = place.open().await;
    let mut expected = None;
    for version in 1..=12 {
        let mut new = template(Development);
        new.doc
            .as_map_mut()
            .insert("system".to_owned(), version.into());
        new.author = format!("author {version}");
        let put = store.put_template(new.clone(), expected).await.unwrap();
        let read = store.template(Development).await.unwrap().unwrap();
        for stored in [put, read] {
            assert_eq!((stored.version, stored.environment), (version, Development));
            assert_eq!((&stored.doc, &stored.author), (&new.doc, &new.author));
            assert_eq!(stored.hash, new.doc.hash());
            assert_eq!(
                stored.created_at.timestamp_millis(),
                at(0).timestamp_millis()
            );
        }
        expected = Some(version);
    }
}

pub(crate) async fn environments_do_not_touch_each_other(place: &impl Place) {
    let store = place.open().await;
    store
        .put_template(template(Development), None)
        .await
        .unwrap();
    assert!(store.template(Production).await.unwrap().is_none());
    store
        .put_template(template(Production), None)
        .await
        .unwrap();
    store
        .put_template(template(Development), Some(1))
        .await
        .unwrap();
    assert_eq!(
        store.template(Production).await.unwrap().unwrap().version,
        1
    );
    assert_eq!(
        store.template(Development).await.unwrap().unwrap().version,
        2
    );
}

pub(crate) async fn a_template_that_was_changed_meanwhile_is_not_overwritten(place: &impl Place) {
    let store = place.open().await;
    store
        .put_template(template(Development), None)
        .await
        .unwrap();
    store
        .put_template(template(Development), Some(1))
        .await
        .unwrap();
    for expected in [None, Some(0), Some(1), Some(3), Some(u64::MAX)] {
        let refused = store
            .put_template(template(Development), expected)
            .await
            .unwrap_err();
        assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    }
    assert_eq!(
        store.template(Development).await.unwrap().unwrap().version,
        2
    );
}

pub(crate) async fn of_many_writers_at_once_one_wins(place: &impl Place) {
    let stores = [place.open().await, place.open().await];
    let mut writers = JoinSet::new();
    for number in 0..20 {
        let store = Arc::clone(&stores[number % 2]);
        writers.spawn(async move {
            store
                .put_template(template(Development), None)
                .await
                .is_ok()
        });
    }
    let won = writers
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(won, 1);
    assert_eq!(
        stores[1]
            .template(Development)
            .await
            .unwrap()
            .unwrap()
            .version,
        1
    );
}

pub(crate) async fn a_document_is_kept_key_for_key(place: &impl Place) {
    let store = place.open().await;
    store
        .put_template(template(Development), None)
        .await
        .unwrap();
    let read = store.template(Development).await.unwrap().unwrap().doc;
    assert_eq!(
        serde_json::to_string(&read).unwrap(),
        serde_json::to_string(&document()).unwrap(),
        "unknown keys and the order of all keys"
    );
}

/// Stores versions 1 to `count`, each with an author of its own.
async fn put_versions(store: &Arc<dyn Store>, count: u64) {
    for version in 1..=count {
        let mut new = template(Development);
        new.doc
            .as_map_mut()
            .insert("number".to_owned(), version.into());
        new.author = format!("author {version}");
        let expected = (version > 1).then(|| version - 1);
        store.put_template(new, expected).await.unwrap();
    }
}

pub(crate) async fn every_version_can_be_read_again(place: &impl Place) {
    let store = place.open().await;
    put_versions(&store, 3).await;
    for version in 1..=3 {
        let read = store.template_version(Development, version);
        let stored = read.await.unwrap().unwrap();
        assert_eq!((stored.version, stored.environment), (version, Development));
        assert_eq!(stored.doc.as_map()["number"], version);
        assert_eq!(stored.author, format!("author {version}"));
        assert_eq!(stored.hash, stored.doc.hash());
    }
    for version in [0, 4, u64::MAX] {
        let read = store.template_version(Development, version);
        assert!(read.await.unwrap().is_none(), "{version}");
    }
    let elsewhere = store.template_version(Production, 1).await.unwrap();
    assert!(elsewhere.is_none());
}

pub(crate) async fn versions_are_listed_in_pages_newest_first(place: &impl Place) {
    let store = place.open().await;
    let list = async |before, limit| {
        let versions = store.template_versions(Development, before, limit).await;
        let versions = versions.unwrap().into_iter();
        versions.map(|it| it.version).collect::<Vec<_>>()
    };
    assert!(list(None, 10).await.is_empty());
    put_versions(&store, 12).await;
    assert_eq!(list(None, 5).await, [12, 11, 10, 9, 8]);
    assert_eq!(list(Some(8), 5).await, [7, 6, 5, 4, 3]);
    assert_eq!(list(Some(3), 5).await, [2, 1]);
    assert!(list(Some(1), 5).await.is_empty());
    assert_eq!(list(None, 0).await, [12]);
    assert_eq!(list(Some(u64::MAX), 1).await, [12]);

    let listed = store.template_versions(Development, Some(3), 1).await;
    let (listed, stored) = (
        listed.unwrap().remove(0),
        store.template_version(Development, 2).await.unwrap(),
    );
    let stored = stored.unwrap();
    assert_eq!(
        (listed.author, listed.created_at, listed.hash),
        (stored.author, stored.created_at, stored.hash)
    );
    let elsewhere = store.template_versions(Production, None, 5).await.unwrap();
    assert_eq!(elsewhere, []);
}
