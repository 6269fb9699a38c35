//! What is special to the MongoDB store, with a real server.

mod failover;
mod faults;
mod load;
mod moved;
mod old_primary;
mod original;
mod plans;
mod prepare;
mod scale;
mod schema;
mod secured;
mod server;
mod shapes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::TryStreamExt;
use mongodb::bson::{RawDocumentBuf, doc};
use mongodb::{Client, Database};
use nexus_store::{MongoOptions, MongoStore, Store};

use self::server::ReplicaSet;
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
            uri: server::shared().await,
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
