//! What is special to the MongoDB store, with a real server.

mod failover;
mod faults;
mod load;
mod original;
mod plans;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mongodb::{Client, Database};
use nexus_store::{MongoOptions, MongoStore, Store};

use crate::contract::Place;

mod contract {
    crate::contract::contract!(super::Shared::new().await);
}

/// A database of its own on the server that all tests share.
pub(crate) struct Shared {
    uri: String,
    name: String,
}

impl Shared {
    pub(crate) async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            uri: server::shared().await,
            name: format!("test_{}_{number}", std::process::id()),
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

impl Place for Shared {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }
}
