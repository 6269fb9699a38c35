//! This node's own document in `nodes`, with which it proves that it reads what is there.
//!
//! A write of it that a majority has in its journals shows that the server that took it is the
//! primary, and its moment on the database's logical clock is later than that of everything that was
//! acknowledged before. Readings that include the moment include all of that, whichever server
//! answers: one that is cut off from its majority never reaches it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::ClientSession;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{RawDocumentBuf, doc};
use mongodb::options::{Acknowledgment, WriteConcern};

use super::calls::Calls;
use super::changes::Changes;
use super::data::Data;
use super::lease::Renew;
use super::readiness::Readiness;
use crate::StoreError;
use crate::lease::LIFE;

/// How long a renewal may take. Longer than the driver looks for the primary, so that its reason is
/// told; a request that waits may then be answered, though nothing is kept.
pub(super) const DEADLINE: Duration = Duration::from_secs(4);

/// One node's proof.
#[derive(Clone, Debug)]
pub(super) struct Node {
    id: ObjectId,
    data: Arc<Data>,
    changes: Changes,
    readiness: Readiness,
    calls: Calls,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The document was there once.
    written: AtomicBool,
    /// The hash of the templates at the last renewal.
    templates: AtomicU64,
}

impl Node {
    pub(super) fn new(readiness: Readiness, changes: Changes, limit: Duration) -> Self {
        Self {
            id: ObjectId::new(),
            data: readiness.data(),
            changes,
            readiness,
            calls: Calls::new(limit.min(DEADLINE)),
            seen: Arc::default(),
        }
    }

    async fn prove(&self) -> Result<bool, StoreError> {
        let mut session = self.data.client.start_session().await?;
        self.write(&mut session).await?;
        let at = session.operation_time();
        self.changes.reach(at);
        let (templates, ()) =
            tokio::try_join!(self.templates(&mut session), self.readiness.check_schema())?;
        if self.seen.templates.swap(templates, Ordering::AcqRel) != templates {
            self.changes.evictions().evict_template();
        }
        // A single server has no logical clock: what proves nothing about others is not kept.
        Ok(at.is_some())
    }

    async fn write(&self, session: &mut ClientSession) -> Result<(), StoreError> {
        let change = doc! {"$inc": {"renewals": 1_i64}, "$currentDate": {"at": true}};
        let concern = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            // What is confirmed later is over.
            .w_timeout(LIFE)
            .build();
        let written = self
            .data
            .nodes
            .update_one(doc! {"_id": self.id}, change)
            .upsert(true)
            .write_concern(concern)
            .session(session)
            .await?;
        let was_there = self.seen.written.swap(true, Ordering::AcqRel);
        if was_there && written.upserted_id.is_some() {
            // The database was dropped, and its indexes with it; or this node has rested long.
            self.readiness.prepare();
        }
        Ok(())
    }

    /// The hash of the templates as they are at the moment of the write, or later.
    async fn templates(&self, session: &mut ClientSession) -> Result<u64, StoreError> {
        let mut found = self
            .data
            .configurations
            .find(doc! {})
            .sort(doc! {"environment": 1})
            .session(&mut *session)
            .await?;
        let found: Vec<RawDocumentBuf> = found.stream(session).try_collect().await?;
        let mut hasher = DefaultHasher::new();
        for document in &found {
            document.as_bytes().hash(&mut hasher);
        }
        Ok(hasher.finish())
    }
}

#[async_trait]
impl Renew for Node {
    async fn renew(&self) -> Result<bool, StoreError> {
        let this = self.clone();
        self.calls.run(async move { this.prove().await }).await
    }
}
