//! The chain of what was done, in a collection.

use mongodb::bson::{Document, doc};
use nexus_core::{AuditEntry, AuditHead, NewAudit, PublicKey};

use super::documents as trusted;
use crate::mongo::data::Data;
use crate::mongo::fault::is_duplicate;
use crate::mongo::read::{Query, one_more, page, readable};
use crate::mongo::write::{number, raw};
use crate::{AuditPage, Collection, StoreError};

impl Data {
    /// Whoever takes the next place first has it; the others look again where the chain ends. What
    /// they see then is at least as new as what was in their way, because both are in one causal
    /// chain. The writers of one node take turns, so that only nodes meet.
    pub(super) async fn append_audit(&self, new: &NewAudit) -> Result<AuditEntry, StoreError> {
        let _turn = self.audit_turn.lock().await;
        let mut session = self.client.start_session().await?;
        loop {
            let newest = self.audit.find_one(doc! {}).sort(doc! {"_id": -1});
            let newest = newest.session(&mut session).await?;
            let head = newest
                .map(|document| trusted::audit_head(&document))
                .transpose()?;
            let entry = new.clone().after(head);
            let document = raw(&trusted::from_audit(&entry)?)?;
            match self.audit.insert_one(document).session(&mut session).await {
                Ok(_) => return Ok(entry),
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn audit(&self, after: u64, limit: u32) -> Result<AuditPage, StoreError> {
        let filter = doc! {"_id": {"$gt": number(after)}};
        self.audit_page(filter, limit).await
    }

    pub(super) async fn audit_about(
        &self,
        key: PublicKey,
        after: u64,
        limit: u32,
    ) -> Result<AuditPage, StoreError> {
        let (key, after) = (key.to_string(), doc! {"$gt": number(after)});
        let filter = doc! {"$or": [
            {"actor": &key, "_id": after.clone()},
            {"target": &key, "_id": after},
        ]};
        self.audit_page(filter, limit).await
    }

    async fn audit_page(&self, filter: Document, limit: u32) -> Result<AuditPage, StoreError> {
        let query = Query {
            filter,
            sort: doc! {"_id": 1},
            skip: 0,
            limit: one_more(limit),
        };
        let (found, has_more) = page(query.run(&self.audit).await?, limit);
        let last = found.last().filter(|_| has_more);
        let next = last.and_then(|last| trusted::audit_number(last).ok());
        let read = |document| trusted::audit(document);
        let (entries, unreadable) = readable(&found, Collection::Audit, read)?;
        Ok(AuditPage {
            entries,
            unreadable,
            next,
        })
    }

    pub(super) async fn audit_head(&self) -> Result<Option<AuditHead>, StoreError> {
        let newest = self.audit.find_one(doc! {}).sort(doc! {"_id": -1}).await?;
        newest
            .map(|document| trusted::audit_head(&document))
            .transpose()
    }
}
