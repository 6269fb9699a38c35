//! The runs in progress on all nodes: one document for each, by the clock of the database.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use nexus_core::{MessageId, NodeId, PublicKey, RunId, Timestamp};

use super::MongoStore;
use super::data::{AS_IT_IS_NOW, Data};
use super::documents::moment;
use super::fault::{conflict, is_duplicate};
use crate::StoreError;
use crate::runs::{ActiveRun, RunStore};

/// How long the word of a node holds, in milliseconds.
const HOLDS: i64 = 10_000;

#[async_trait]
impl RunStore for MongoStore {
    async fn begin_run(&self, run: &ActiveRun, node: &NodeId) -> Result<(), StoreError> {
        let (run, node) = (run.clone(), node.clone());
        self.call(async move |data, _| data.begin_run(&run, &node).await)
            .await
    }

    async fn renew_runs(&self, node: &NodeId) -> Result<(), StoreError> {
        let mine = doc! {"node": node.as_str()};
        let change = vec![doc! {"$set": {"until": until()}}];
        self.call(async move |data, _| {
            data.runs.update_many(mine, change).await?;
            Ok(())
        })
        .await
    }

    async fn end_runs(&self, runs: &[ActiveRun], node: &NodeId) -> Result<(), StoreError> {
        // One that was asked again meanwhile began at another time.
        let these = runs.iter().map(|run| {
            doc! {"_id": id(run.owner, &run.run_id), "started_at": moment(run.started_at)}
        });
        let these: Vec<Document> = these.collect();
        let ended = doc! {"node": node.as_str(), "$or": these};
        self.call(async move |data, _| {
            data.runs.delete_many(ended).await?;
            Ok(())
        })
        .await
    }

    async fn active_runs(&self, owner: PublicKey) -> Result<Vec<ActiveRun>, StoreError> {
        let live = doc! {"owner_key": owner.to_string(), "$expr": is_live()};
        let found = self
            .call(async move |data, _| data.find_runs(live).await)
            .await?;
        Ok(found.iter().filter_map(|it| run(it, owner)).collect())
    }

    async fn cancel_run(&self, owner: PublicKey, run: &RunId) -> Result<bool, StoreError> {
        let live = doc! {"_id": id(owner, run), "$expr": is_live()};
        let change = doc! {"$set": {"cancel": true}};
        self.call(async move |data, _| {
            Ok(data.runs.update_one(live, change).await?.matched_count == 1)
        })
        .await
    }

    async fn cancelled_runs(&self, node: &NodeId) -> Result<Vec<(PublicKey, RunId)>, StoreError> {
        let asked = doc! {"node": node.as_str(), "cancel": true};
        let found = self
            .call(async move |data, _| data.find_runs(asked).await)
            .await?;
        let names = found.iter().filter_map(|document| {
            let owner = document.get_str("owner_key").ok()?.parse().ok()?;
            Some((owner, run(document, owner)?.run_id))
        });
        Ok(names.collect())
    }
}

impl Data {
    async fn begin_run(&self, run: &ActiveRun, node: &NodeId) -> Result<(), StoreError> {
        let new = doc! {
            "_id": id(run.owner, &run.run_id),
            "owner_key": run.owner.to_string(),
            "run_id": run.run_id.as_str(),
            "message_id": run.message_id.as_ref().map(MessageId::as_str),
            "started_at": moment(run.started_at),
            "node": node.as_str(),
            "until": until(),
        };
        let is_elsewhere = doc! {"$and": [is_live(), {"$ne": ["$node", node.as_str()]}]};
        let change = doc! {"$replaceWith": {"$cond": [is_elsewhere, "$$ROOT", new]}};
        loop {
            let place = doc! {"_id": id(run.owner, &run.run_id)};
            let changed = self
                .runs
                .find_one_and_update(place, vec![change.clone()])
                .upsert(true)
                .return_document(AS_IT_IS_NOW);
            match changed.await {
                Ok(Some(now)) if now.get_str("node").is_ok_and(|it| it == node.as_str()) => {
                    return Ok(());
                }
                Ok(_) => return Err(conflict(format!("run {}", run.run_id))),
                // Another node was faster: its document is found the next time.
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn find_runs(&self, filter: Document) -> Result<Vec<RawDocumentBuf>, StoreError> {
        Ok(self.runs.find(filter).await?.try_collect().await?)
    }
}

fn id(owner: PublicKey, run: &RunId) -> String {
    format!("{owner} {run}")
}

fn until() -> Document {
    doc! {"$add": ["$$NOW", HOLDS]}
}

fn is_live() -> Document {
    doc! {"$gt": ["$until", "$$NOW"]}
}

/// A document that cannot be read is of a newer Nexus: it hides only itself.
fn run(document: &RawDocumentBuf, owner: PublicKey) -> Option<ActiveRun> {
    let text = |field| document.get_str(field).ok().map(str::to_owned);
    let started_at = document.get_datetime("started_at").ok()?;
    Some(ActiveRun {
        run_id: text("run_id")?.try_into().ok()?,
        owner,
        message_id: text("message_id").and_then(|id| id.try_into().ok()),
        started_at: Timestamp::from_timestamp_millis(started_at.timestamp_millis())?,
    })
}
