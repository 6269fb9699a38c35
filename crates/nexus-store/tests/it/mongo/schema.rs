//! The form of the data: which one it is, and what goes by itself.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use nexus_core::Standing;
use nexus_store::{IdentityStore, Store, StoreError};
use tokio::time::{sleep, timeout};

use super::Mongo;
use crate::samples::{at, key};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_a_newer_nexus_takes_over_is_not_used_any_more() {
    let place = Mongo::shared().await;
    let store = place.store().await;
    store
        .create_identity(key(1), Standing::Active, at(0))
        .await
        .unwrap();
    let meta = place.shell().await.collection::<Document>("meta");
    let schema = doc! {"_id": "schema"};
    let found = meta.find_one(schema.clone()).await.unwrap().unwrap();
    assert_eq!(found.get_i64("version").unwrap(), 1);

    let newer = doc! {"$set": {"version": 99_i64}};
    meta.update_one(schema.clone(), newer).await.unwrap();
    let refused = async {
        loop {
            match store.ping().await {
                Err(StoreError::TooNew { found, known }) => return (found, known),
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let refused = timeout(Duration::from_secs(10), refused).await.unwrap();
    assert_eq!(refused, (99, 1));
    let refused = store
        .create_identity(key(2), Standing::Active, at(0))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("newer Nexus"), "{refused}");
    // Whoever comes later finds the same, and leaves it as it is.
    let late = place.store().await.ping().await.unwrap_err();
    assert!(matches!(late, StoreError::TooNew { .. }), "{late}");

    let older = doc! {"$set": {"version": 1_i64}};
    meta.update_one(schema, older).await.unwrap();
    let back = async {
        while store.ping().await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), back).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_collected_a_day_after_their_end() {
    let place = Mongo::shared().await;
    place.store().await.ping().await.unwrap();
    let list = doc! {"listIndexes": "sessions"};
    let listed = place.shell().await.run_command(list).await.unwrap();
    let indexes = listed.get_document("cursor").unwrap();
    let indexes = indexes.get_array("firstBatch").unwrap();
    let expiring = indexes.iter().filter_map(|index| index.as_document());
    let expiring = expiring.filter(|index| index.contains_key("expireAfterSeconds"));
    let keys: Vec<_> = expiring
        .map(|index| {
            (
                index.get_document("key").unwrap(),
                &index["expireAfterSeconds"],
            )
        })
        .collect();
    assert_eq!(keys, [(&doc! {"expires_at": 1}, &86_400.into())]);
}
