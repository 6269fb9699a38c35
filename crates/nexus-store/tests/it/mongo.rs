//! What is special to the MongoDB store, with a real server.

mod failover;
mod faults;
mod leases;
mod load;
mod moved;
mod old_primary;
mod original;
mod plans;
mod prepare;
mod scale;
mod schema;
mod secured;
mod shapes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::TryStreamExt;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, RawDocumentBuf, doc};
use mongodb::{Client, Database};
use nexus_store::{Collection, MongoOptions, MongoStore, Store};
use nexus_test_support::mongo::{self, ReplicaSet};

use crate::contract::Place;

mod contract {
    crate::contract::contract!(super::Mongo::shared().await);
}

/// A database of its own on a server.
pub(crate) struct Mongo {
    uri: String,
    name: String,
    _server: Option<ReplicaSet>,
}

impl Mongo {
    /// On the server that all tests share.
    pub(crate) async fn shared() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            uri: mongo::shared().await,
            name: format!("test_{}_{number}", std::process::id()),
            _server: None,
        }
    }

    /// On a server of its own: a server can only be told once at a time to fail.
    pub(crate) async fn alone() -> Self {
        let mut server = ReplicaSet::new(1);
        server.start().await;
        Self {
            uri: server.uri(),
            name: "faults".to_owned(),
            _server: Some(server),
        }
    }

    pub(crate) async fn store(&self) -> MongoStore {
        let options = MongoOptions {
            application: self.name.clone(),
            ..MongoOptions::default()
        };
        MongoStore::connect(&self.uri, &self.name, options)
            .await
            .unwrap()
    }

    /// The database as the MongoDB shell sees it.
    pub(crate) async fn shell(&self) -> Database {
        let client = Client::with_uri_str(&self.uri).await.unwrap();
        client.database(&self.name)
    }
}

impl Place for Mongo {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }

    async fn spoil(&self, collection: Collection, name: &str, way: u8) {
        let bytes = |digits: &str| {
            let pairs = digits
                .as_bytes()
                .chunks(2)
                .map(|pair| str::from_utf8(pair).unwrap());
            let bytes = pairs
                .map(|pair| u8::from_str_radix(pair, 16).unwrap())
                .collect();
            Binary {
                subtype: BinarySubtype::Generic,
                bytes,
            }
        };
        let which = match collection {
            Collection::Identities => doc! {"public_key": name},
            Collection::Messages | Collection::ApiKeys => doc! {"_id": name},
            Collection::Sessions => doc! {"_id": bytes(name)},
            Collection::Usage => {
                let (owner, day) = name.split_once(' ').unwrap();
                doc! {"owner_key": owner, "day": day}
            }
            Collection::Configurations => doc! {},
            Collection::Audit => doc! {"_id": name.parse::<i64>().unwrap()},
        };
        let change = match collection {
            Collection::Identities => [
                doc! {"created_at": "2026-01-01"},
                doc! {"config_overrides": [1]},
                doc! {"public_key": "0x some&body/é"},
            ],
            Collection::Messages => [
                doc! {"timestamp": "2026-01-01T00:00:00"},
                doc! {"content": 7},
                doc! {"role": "assistant"},
            ],
            Collection::Sessions => [
                doc! {"scope": "root"},
                doc! {"created_at": 7},
                doc! {"client": ["x"]},
            ],
            Collection::ApiKeys => [
                doc! {"scopes": "all"},
                doc! {"digest": "x"},
                doc! {"expires_at": "never"},
            ],
            Collection::Usage => [
                doc! {"runs": "many"},
                doc! {"day": "2026-01-02x"},
                doc! {"cost_micros": -7},
            ],
            Collection::Configurations => [
                doc! {"created_at": "2026-01-01"},
                doc! {"version": "2.0"},
                doc! {"author": {"name": "me"}},
            ],
            Collection::Audit => [
                doc! {"details": "none"},
                doc! {"at": "yesterday"},
                doc! {"actor": 7},
            ],
        };
        let shell = self.shell().await;
        let documents = shell.collection::<Document>(collection.as_str());
        let edit = doc! {"$set": change[usize::from(way)].clone()};
        let edited = documents.update_one(which, edit).await.unwrap();
        assert_eq!(edited.modified_count, 1, "{collection} {name}");
    }

    async fn dump(&self) -> BTreeMap<String, Vec<u8>> {
        let shell = self.shell().await;
        let mut dump = BTreeMap::new();
        for name in shell.list_collection_names().await.unwrap() {
            let collection = shell.collection::<RawDocumentBuf>(&name);
            let all = collection.find(doc! {}).await.unwrap();
            let all: Vec<_> = all.try_collect().await.unwrap();
            let bytes = all.into_iter().flat_map(RawDocumentBuf::into_bytes);
            dump.insert(name, bytes.collect());
        }
        dump
    }
}
