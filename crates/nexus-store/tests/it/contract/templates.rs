//! The Genesis template of each environment.

use std::sync::Arc;

use nexus_core::Environment::{Development, Production};
use nexus_store::StoreError;
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
