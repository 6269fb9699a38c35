//! What removes an identity and everything that belongs to it, step by step.

use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::{ClientSession, Collection};
use nexus_core::{PublicKey, Standing, Timestamp};

use super::changes::Changes;
use super::data::Data;
use super::documents::{self, moment};
use crate::{Erased, StoreError};

/// How many sessions or API keys are removed at once.
const PORTION: i64 = 1000;

impl Data {
    /// What belongs to the identity goes first, so that who is interrupted can ask again. Then the
    /// identity, and after it what has arrived meanwhile. Later arrivals find it gone and take
    /// themselves back: see [`append`](Self::append). `left_at`: its owner wants it; who is disabled
    /// stays so.
    pub(super) async fn erase_identity(
        &self,
        changes: &Changes,
        key: PublicKey,
        left_at: Option<Timestamp>,
    ) -> Result<Erased, StoreError> {
        let mut session = self.client.start_session().await?;
        let mut erased = Erased::default();
        let name = key.to_string();
        self.erase_belongings(changes, &mut session, &name, &mut erased)
            .await?;
        match left_at {
            Some(at) => self.let_go(&mut session, key, at, &mut erased).await?,
            None => {
                let identity = doc! {"public_key": key.to_string()};
                let deleted = self.identities.delete_one(identity).session(&mut session);
                erased.identities = deleted.await?.deleted_count;
            }
        }
        changes.tell(key, session.operation_time());
        self.erase_belongings(changes, &mut session, &name, &mut erased)
            .await?;
        Ok(erased)
    }

    /// Empties an identity that is disabled, and removes any other. An administrator may change
    /// which of them it is at any moment, so each step says what it is for.
    async fn let_go(
        &self,
        session: &mut ClientSession,
        key: PublicKey,
        at: Timestamp,
        erased: &mut Erased,
    ) -> Result<(), StoreError> {
        let (key, disabled) = (key.to_string(), Standing::Disabled.as_str());
        loop {
            let locked = doc! {"public_key": &key, "standing": disabled};
            let emptied = self.identities.update_one(locked, emptied(&key, at));
            if emptied.session(&mut *session).await?.matched_count == 1 {
                erased.identities = 1;
                erased.stays_disabled = true;
                return Ok(());
            }
            let free = doc! {"public_key": &key, "standing": {"$ne": disabled}};
            let deleted = self.identities.delete_one(free).session(&mut *session);
            erased.identities = deleted.await?.deleted_count;
            let left = self.identities.find_one(doc! {"public_key": &key});
            if erased.identities == 1 || left.session(&mut *session).await?.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes what belongs to a key, or to what is no key.
    pub(super) async fn erase_belongings(
        &self,
        changes: &Changes,
        session: &mut ClientSession,
        key: &str,
        erased: &mut Erased,
    ) -> Result<(), StoreError> {
        let mine = doc! {"owner_key": key};
        erased.sessions += remove(&self.sessions, changes, session, &mine).await?;
        erased.api_keys += remove(&self.api_keys, changes, session, &mine).await?;
        let running = self.runs.delete_many(mine.clone());
        running.session(&mut *session).await?;
        for (collection, count) in [
            (&self.messages, &mut erased.messages),
            (&self.usage, &mut erased.usage),
            (&self.counters, &mut erased.counters),
        ] {
            let deleted = collection.delete_many(mine.clone()).session(&mut *session);
            *count += deleted.await?.deleted_count;
        }
        Ok(())
    }
}

/// A new life of a key that is disabled: nothing that was decided or begun in the former one is
/// stored in it. Fields that Nexus does not know go too.
fn emptied(key: &str, at: Timestamp) -> Vec<Document> {
    // Whatever the original Python NEXUS wrote there.
    let before = doc! {"$convert": {
        "input": "$created_at", "to": "date", "onError": null, "onNull": null,
    }};
    let created_at = doc! {"$max": [moment(at), {"$add": [before, 1]}]};
    vec![doc! {"$replaceWith": {
        "_id": "$_id",
        "public_key": key,
        "created_at": created_at,
        "metadata": {"$literal": {}},
        "config_overrides": {"$literal": {}},
        "prompt_overrides": {"$literal": {}},
        "standing": Standing::Disabled.as_str(),
        "is_admin": false,
        "version": {"$literal": 1},
    }}]
}

/// Removes sessions or API keys. Only what was seen is removed, so that this node forgets each of
/// them at once.
pub(super) async fn remove(
    collection: &Collection<RawDocumentBuf>,
    changes: &Changes,
    session: &mut ClientSession,
    which: &Document,
) -> Result<u64, StoreError> {
    let mut removed = 0;
    loop {
        let found = collection.find(which.clone()).projection(doc! {"_id": 1});
        let mut found = found.limit(PORTION).session(&mut *session).await?;
        let found: Vec<_> = found.stream(session).try_collect().await?;
        let ids: Vec<_> = found.iter().filter_map(documents::id).collect();
        if ids.is_empty() {
            return Ok(removed);
        }
        let these = doc! {"_id": {"$in": &ids}};
        let deleted = collection.delete_many(these).session(&mut *session);
        removed += deleted.await?.deleted_count;
        let subjects = ids
            .iter()
            .filter_map(|id| documents::subject(collection.name(), id));
        subjects.for_each(|subject| changes.tell(subject, session.operation_time()));
    }
}
