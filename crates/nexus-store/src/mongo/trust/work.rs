//! What is asked of the database, and what changes it. As everywhere, each step is safe to stop
//! after.

use chrono::NaiveDate;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::{ClientSession, Collection as Documents, bson::RawDocumentBuf};
use nexus_core::auth::InstallationSecret;
use nexus_core::{
    ApiKey, ApiKeyId, Identity, IdentityWrite, NonceId, PublicKey, RunId, Session, SessionId,
    Standing, Timestamp, TokenDigest, Usage, UsageCount, UsageKey,
};

use super::documents as trusted;
use crate::mongo::changes::Changes;
use crate::mongo::data::{AS_IT_IS_NOW, Data};
use crate::mongo::documents::{self, binary, moment, session_id};
use crate::mongo::erase::remove;
use crate::mongo::fault::{conflict, is_duplicate};
use crate::mongo::read::readable;
use crate::mongo::write::{added_once, gone, number, raw, this_life};
use crate::types::ENDED_KEYS;
use crate::{
    Collection, Counter, IdentityPage, MAX_API_KEYS, RECENT_RUNS, Running, StandingCounts,
    StoreError,
};

impl Data {
    pub(in crate::mongo) async fn sessions(
        &self,
        owner: PublicKey,
    ) -> Result<Vec<Session>, StoreError> {
        let found = self
            .sessions
            .find(doc! {"owner_key": owner.to_string()})
            .await?;
        let found: Vec<RawDocumentBuf> = found.try_collect().await?;
        let (mut sessions, _) = readable(&found, Collection::Sessions, |document| {
            documents::session(document, documents::session_digest(document)?)
        })?;
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
        Ok(sessions)
    }

    pub(in crate::mongo) async fn revoke_session(
        &self,
        changes: &Changes,
        owner: PublicKey,
        id: SessionId,
    ) -> Result<bool, StoreError> {
        let mut mine = doc! {"owner_key": owner.to_string()};
        let names = self.sessions.find(mine.clone()).projection(doc! {"_id": 1});
        let names: Vec<RawDocumentBuf> = names.await?.try_collect().await?;
        // Their names only: a session that cannot be read can still be revoked.
        let mut digests = names
            .iter()
            .filter_map(|name| documents::session_digest(name).ok());
        let Some(digest) = digests.find(|digest| SessionId::of(digest) == id) else {
            return Ok(false);
        };
        mine.insert("_id", session_id(digest));
        let mut session = self.client.start_session().await?;
        let deleted = self.sessions.delete_one(mine).session(&mut session);
        let is_gone = deleted.await?.deleted_count == 1;
        changes.tell(digest, session.operation_time());
        Ok(is_gone)
    }

    pub(in crate::mongo) async fn revoke_sessions(
        &self,
        changes: &Changes,
        owner: PublicKey,
        except: Option<TokenDigest>,
    ) -> Result<u64, StoreError> {
        let mut filter = doc! {"owner_key": owner.to_string()};
        if let Some(digest) = except {
            filter.insert("_id", doc! {"$ne": session_id(digest)});
        }
        let mut session = self.client.start_session().await?;
        remove(&self.sessions, changes, &mut session, &filter).await
    }

    pub(in crate::mongo) async fn touch_session(
        &self,
        digest: TokenDigest,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let change = doc! {"$max": {"last_seen_at": moment(at)}};
        let filter = doc! {"_id": session_id(digest)};
        self.sessions.update_one(filter, change).await?;
        Ok(())
    }

    pub(in crate::mongo) async fn identities_by_standing(
        &self,
        standing: Standing,
        after: Option<String>,
        limit: u32,
    ) -> Result<IdentityPage, StoreError> {
        // What was stored before there were standings is active.
        let standing: Bson = match standing {
            Standing::Active => doc! {"$in": [standing.as_str(), null]}.into(),
            Standing::Pending | Standing::Disabled => standing.as_str().into(),
        };
        let after = doc! {"$gt": after.unwrap_or_default()};
        self.identity_page(doc! {"standing": standing, "public_key": after}, limit)
            .await
    }

    /// Those who are not active are few and are counted; the others are the rest of what the
    /// database's own books say.
    pub(in crate::mongo) async fn count_identities(&self) -> Result<StandingCounts, StoreError> {
        let count = |standing: Standing| {
            let filter = doc! {"standing": standing.as_str()};
            self.identities.count_documents(filter)
        };
        let all = self.identities.estimated_document_count().await?;
        let pending = count(Standing::Pending).await?;
        let disabled = count(Standing::Disabled).await?;
        Ok(StandingCounts {
            active: all.saturating_sub(pending).saturating_sub(disabled),
            pending,
            disabled,
        })
    }

    pub(in crate::mongo) async fn write_identity(
        &self,
        changes: &Changes,
        identity: &Identity,
        write: IdentityWrite,
    ) -> Result<Identity, StoreError> {
        let set = match write {
            IdentityWrite::Standing(standing) => doc! {"standing": standing.as_str()},
            IdentityWrite::Admin(is_admin) => doc! {"is_admin": is_admin},
        };
        let change = doc! {"$set": set, "$inc": {"version": 1}};
        self.change_identity(changes, identity, change).await
    }

    /// Stores first and asks for the identity after, as [`append`](Self::append) does. Then counts:
    /// of several who store at once, whoever counts last sees the keys of all others, so there are
    /// never too many. Nobody has the secret of a key before it stays.
    pub(super) async fn create_api_key(
        &self,
        changes: &Changes,
        owner: &Identity,
        key: &ApiKey,
    ) -> Result<(), StoreError> {
        let _turn = self.api_key_turn.lock().await;
        let mut session = self.client.start_session().await?;
        let new = raw(&trusted::from_api_key(key))?;
        let added = self.api_keys.insert_one(new).session(&mut session).await;
        added_once(added, || conflict(format!("API key {}", key.id)))?;
        let owners = self.identities.find_one(this_life(owner));
        let is_there = owners.session(&mut session).await?.is_some();
        let is_full = self.has_too_many_keys(&mut session, key).await?;
        if !is_there || is_full {
            let mine = doc! {"_id": key.id.to_string(), "owner_key": key.owner_key.to_string()};
            let deleted = self.api_keys.delete_one(mine).session(&mut session);
            deleted.await?;
        }
        changes.tell(key.id, session.operation_time());
        if !is_there {
            return Err(gone(owner.public_key));
        }
        if is_full {
            return Err(StoreError::Full {
                what: "API keys",
                limit: MAX_API_KEYS,
            });
        }
        self.forget_api_keys(key).await
    }

    /// Removes keys of the owner of a new one that have ended, but for the newest of them.
    async fn forget_api_keys(&self, new: &ApiKey) -> Result<(), StoreError> {
        let owner = new.owner_key.to_string();
        let ended = doc! {"owner_key": &owner, "$or": [
            {"revoked_at": {"$ne": null}},
            {"expires_at": {"$lte": moment(new.created_at)}},
        ]};
        let found = self.api_keys.find(ended).projection(doc! {"_id": 1});
        let found = found
            .sort(doc! {"created_at": -1, "_id": -1})
            .skip(ENDED_KEYS.into());
        let found: Vec<_> = found.await?.try_collect().await?;
        let ids: Vec<_> = found.iter().filter_map(documents::id).collect();
        if !ids.is_empty() {
            let these = doc! {"_id": {"$in": ids}, "owner_key": owner};
            self.api_keys.delete_many(these).await?;
        }
        Ok(())
    }

    async fn has_too_many_keys(
        &self,
        session: &mut ClientSession,
        key: &ApiKey,
    ) -> Result<bool, StoreError> {
        let most = MAX_API_KEYS as usize;
        let live = doc! {
            "owner_key": key.owner_key.to_string(),
            "revoked_at": null,
            "expires_at": {"$gt": moment(key.created_at)},
        };
        let found = self.api_keys.find(live).projection(doc! {"_id": 1});
        let found = found.limit(i64::from(MAX_API_KEYS) + 1);
        let mut found = found.session(&mut *session).await?;
        let found: Vec<RawDocumentBuf> = found.stream(session).try_collect().await?;
        Ok(found.len() > most)
    }

    pub(super) async fn api_key(
        &self,
        changes: &Changes,
        id: ApiKeyId,
    ) -> Result<Option<ApiKey>, StoreError> {
        let filter = doc! {"_id": id.to_string()};
        let found = self.find(changes, &self.api_keys, filter).await?;
        found
            .map(|document| trusted::api_key(&document))
            .transpose()
    }

    pub(super) async fn api_keys(&self, owner: PublicKey) -> Result<Vec<ApiKey>, StoreError> {
        let found = self
            .api_keys
            .find(doc! {"owner_key": owner.to_string()})
            .sort(doc! {"created_at": -1, "_id": -1})
            .await?;
        let found: Vec<RawDocumentBuf> = found.try_collect().await?;
        let read = |document| trusted::api_key(document);
        Ok(readable(&found, Collection::ApiKeys, read)?.0)
    }

    pub(super) async fn revoke_api_key(
        &self,
        changes: &Changes,
        owner: PublicKey,
        id: ApiKeyId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mine = doc! {
            "_id": id.to_string(), "owner_key": owner.to_string(), "revoked_at": null,
        };
        let change = doc! {"$set": {"revoked_at": moment(at)}};
        let mut session = self.client.start_session().await?;
        let update = self.api_keys.update_one(mine, change).session(&mut session);
        let is_revoked = update.await?.modified_count == 1;
        changes.tell(id, session.operation_time());
        Ok(is_revoked)
    }

    pub(super) async fn touch_api_key(
        &self,
        id: ApiKeyId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let change = doc! {"$max": {"last_used_at": moment(at)}};
        let filter = doc! {"_id": id.to_string()};
        self.api_keys.update_one(filter, change).await?;
        Ok(())
    }

    pub(super) async fn installation_secret(
        &self,
        candidate: &InstallationSecret,
    ) -> Result<InstallationSecret, StoreError> {
        let filter = doc! {"_id": "secret"};
        if let Some(found) = self.installation.find_one(filter.clone()).await? {
            return trusted::installation_secret(&found);
        }
        let new = raw(&trusted::from_secret(candidate))?;
        match self.installation.insert_one(new).await {
            Ok(_) => Ok(candidate.clone()),
            // Another node was faster.
            Err(error) if is_duplicate(&error) => {
                let found = self.installation.find_one(filter).await?;
                let found =
                    found.ok_or_else(|| conflict("the secret of the installation".to_owned()))?;
                trusted::installation_secret(&found)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The nonce is the `_id`: it can be inserted once. The database forgets it by its own clock.
    pub(super) async fn use_nonce(
        &self,
        nonce: NonceId,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let new = raw(&trusted::from_nonce(nonce, expires_at))?;
        match self.nonces.insert_one(new).await {
            Ok(_) => Ok(true),
            Err(error) if is_duplicate(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts first and asks for the identity after, so that an erasure leaves nothing.
    pub(super) async fn add_usage(
        &self,
        registered_at: Timestamp,
        run: &RunId,
        key: &UsageKey,
        count: UsageCount,
    ) -> Result<(), StoreError> {
        let place = doc! {
            "owner_key": key.owner.to_string(), "day": key.day.to_string(), "model": &key.model,
        };
        let recent = doc! {"$ifNull": ["$recent_runs", []]};
        let is_counted = doc! {"$in": [run.as_str(), recent.clone()]};
        let unless_counted = |name: &str, sum: Bson| {
            let now = format!("${name}");
            let change = doc! {"$cond": [is_counted.clone(), now, sum]};
            (name.to_owned(), Bson::from(change))
        };
        let newest = doc! {"$concatArrays": [[run.as_str()], recent]};
        let newest = doc! {"$slice": [newest, RECENT_RUNS]};
        let sums = trusted::counts(&count).map(|(name, by)| unless_counted(name, sum(name, by)));
        let runs = [unless_counted("recent_runs", newest.into())];
        let sums: Document = sums.into_iter().chain(runs).collect();
        let change = doc! {"$set": sums};
        let mut session = self.client.start_session().await?;
        let life = doc! {"public_key": key.owner.to_string(), "created_at": moment(registered_at)};
        let owners = self.identities.find_one(life.clone());
        if owners.session(&mut session).await?.is_none() {
            return Err(gone(key.owner));
        }
        upsert(&self.usage, &mut session, &place, change).await?;
        let owners = self.identities.find_one(life);
        if owners.session(&mut session).await?.is_some() {
            return Ok(());
        }
        // Taken back, and nothing but this: the key may have a new life already.
        let parts = trusted::counts(&count)
            .map(|(name, by)| (name, -i64::try_from(by).unwrap_or(i64::MAX)));
        let parts = parts.map(|(name, by)| (name.to_owned(), Bson::Int64(by)));
        let less = doc! {"$inc": Document::from_iter(parts)};
        let update = self.usage.update_one(place.clone(), less);
        update.session(&mut session).await?;
        let mut empty = place;
        empty.insert("runs", doc! {"$lte": 0});
        self.usage.delete_one(empty).session(&mut session).await?;
        Err(gone(key.owner))
    }

    pub(super) async fn usage(
        &self,
        owner: PublicKey,
        from: NaiveDate,
        to: NaiveDate,
    ) -> Result<Vec<Usage>, StoreError> {
        let days = doc! {"$gte": from.to_string(), "$lte": to.to_string()};
        let found = self
            .usage
            .find(doc! {"owner_key": owner.to_string(), "day": days})
            .sort(doc! {"day": 1, "model": 1})
            .await?;
        let found: Vec<RawDocumentBuf> = found.try_collect().await?;
        let read = |document| trusted::usage(document, owner);
        Ok(readable(&found, Collection::Usage, read)?.0)
    }

    pub(super) async fn add_to_counter(
        &self,
        counter: Counter,
        by: u64,
    ) -> Result<u64, StoreError> {
        let expires_at = moment(counter.expires_at);
        let mut set = doc! {
            "total": sum("total", by),
            "expires_at": {"$ifNull": ["$expires_at", expires_at]},
        };
        if let Some(owner) = counter.owner {
            set.insert("owner_key", owner.to_string());
        }
        let place = doc! {"_id": binary(counter.id.as_bytes())};
        let mut session = self.client.start_session().await?;
        let after = upsert(&self.counters, &mut session, &place, doc! {"$set": set}).await?;
        documents::total(&after)
    }

    /// Beside the counters, and forgotten as they are.
    pub(super) async fn tell_running(&self, running: &Running) -> Result<u64, StoreError> {
        let place = doc! {"_id": format!("running {}", running.owner)};
        let mut session = self.client.start_session().await?;
        let after = upsert(&self.counters, &mut session, &place, told(running)).await?;
        trusted::running_elsewhere(&after, &running.node)
    }
}

/// What is told of the runs of one person: one document for all nodes, by the clock of the database.
fn told(running: &Running) -> Document {
    let others = doc! {"$filter": {
        "input": {"$ifNull": ["$nodes", []]},
        "as": "it",
        "cond": {"$and": [
            {"$ne": ["$$it.node", running.node.as_str()]},
            {"$gt": ["$$it.until", "$$NOW"]},
        ]},
    }};
    let until = doc! {"$add": ["$$NOW", running.holds.num_milliseconds()]};
    let mine = match running.runs {
        0 => vec![],
        runs => vec![doc! {
            "node": running.node.as_str(), "runs": number(runs), "until": until.clone(),
        }],
    };
    doc! {"$set": {
        "owner_key": running.owner.to_string(),
        "nodes": {"$concatArrays": [others, mine]},
        "expires_at": until,
    }}
}

/// Changes the one document at `place`, or adds it, and gives what it is then. Of several who add
/// it at once one does, and the others find it when they try again.
async fn upsert(
    collection: &Documents<RawDocumentBuf>,
    session: &mut ClientSession,
    place: &Document,
    change: Document,
) -> Result<RawDocumentBuf, StoreError> {
    loop {
        let changed = collection
            .find_one_and_update(place.clone(), vec![change.clone()])
            .upsert(true)
            .return_document(AS_IT_IS_NOW)
            .session(&mut *session);
        match changed.await {
            Ok(Some(changed)) => return Ok(changed),
            Ok(None) => {
                return Err(StoreError::Unavailable {
                    reason: "the database has counted and does not say what".to_owned(),
                });
            }
            Err(error) if is_duplicate(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a number becomes when `by` is added: at most the largest that there is.
fn sum(name: &str, by: u64) -> Bson {
    let now = doc! {"$ifNull": [format!("${name}"), 0_i64]};
    let room = doc! {"$subtract": [i64::MAX, now.clone()]};
    doc! {"$add": [now, {"$min": [number(by), room]}]}.into()
}
