//! Documents that cannot be read: looking through the collections for them, and deleting them.

use futures_util::TryStreamExt;
use mongodb::Collection as Documents;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::raw::RawDocument;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::options::Hint;
use nexus_core::{PublicKey, hex};

use super::changes::Changes;
use super::data::Data;
use super::documents::{self, binary};
use super::read::{one_more, page};
use super::trust::documents as trusted;
use crate::installation::ENVIRONMENTS;
use crate::quarantine::{self, Found};
use crate::{Collection, Erased, StoreError, UnreadablePage};

/// What stands before the hexadecimal digits of the BSON of an `_id` that has no form of its own.
const BSON: &str = "bson:";

impl Data {
    pub(super) async fn unreadable(
        &self,
        collection: Collection,
        after: Option<String>,
        limit: u32,
    ) -> Result<UnreadablePage, StoreError> {
        let mut result = UnreadablePage::default();
        // There is one for each environment.
        if collection == Collection::Configurations && after.is_none() {
            let current = self.configurations.find(doc! {}).limit(one_more(limit));
            let current: Vec<_> = current.await?.try_collect().await?;
            result.look(&current, collection)?;
        }
        let after = after.as_deref().and_then(parse);
        let by_id = doc! {"_id": 1};
        // One more than is needed, and the one that the page comes after.
        let mut query = self.documents(collection).find(doc! {});
        query = query.sort(by_id.clone()).limit(one_more(limit) + 1);
        if let Some(after) = &after {
            // Unlike a condition, this compares values of all types.
            query = query.hint(Hint::Keys(by_id)).min(doc! {"_id": after});
        }
        let mut seen: Vec<RawDocumentBuf> = query.await?.try_collect().await?;
        if after.is_some() && seen.first().and_then(documents::id) == after {
            seen.remove(0);
        }
        let (seen, has_more) = page(seen, limit);
        result.look(&seen, collection)?;
        let last = seen.last().filter(|_| has_more);
        result.next = last.and_then(documents::id).map(|id| format(&id));
        Ok(result)
    }

    pub(super) async fn delete_unreadable(
        &self,
        changes: &Changes,
        collection: Collection,
        id: String,
    ) -> Result<Option<Erased>, StoreError> {
        if !collection.is_deletable() {
            return Ok(None);
        }
        let these = doc! {"_id": {"$in": candidates(&id)}};
        let found = self.documents(collection).find(these).await?;
        let found: Vec<RawDocumentBuf> = found.try_collect().await?;
        for document in &found {
            let Some(name) = documents::id(document).filter(|it| text(it) == id) else {
                continue;
            };
            if look(document, collection)?.is_err() {
                let deleted = self.delete_document(changes, collection, document, name);
                return deleted.await.map(Some);
            }
        }
        Ok(None)
    }

    async fn delete_document(
        &self,
        changes: &Changes,
        collection: Collection,
        document: &RawDocumentBuf,
        name: Bson,
    ) -> Result<Erased, StoreError> {
        let mut session = self.client.start_session().await?;
        let mut erased = Erased::default();
        let key = document.get_str("public_key").ok();
        let belongings = key.filter(|_| collection == Collection::Identities);
        if let Some(key) = belongings {
            self.erase_belongings(changes, &mut session, key, &mut erased)
                .await?;
        }
        let this = self.documents(collection).delete_one(doc! {"_id": &name});
        let deleted = this.session(&mut session).await?.deleted_count;
        match collection {
            Collection::Identities => erased.identities = deleted,
            Collection::Messages => erased.messages = deleted,
            Collection::Sessions => erased.sessions = deleted,
            Collection::ApiKeys => erased.api_keys = deleted,
            Collection::Usage => erased.usage = deleted,
            Collection::Configurations | Collection::Audit => {}
        }
        let place = self.documents(collection).name();
        if let Some(subject) = documents::subject(place, &name) {
            changes.tell(subject, session.operation_time());
        }
        if let Some(key) = belongings {
            if let Ok(key) = key.parse::<PublicKey>() {
                changes.tell(key, session.operation_time());
            }
            // What has arrived meanwhile.
            self.erase_belongings(changes, &mut session, key, &mut erased)
                .await?;
        }
        Ok(erased)
    }

    const fn documents(&self, collection: Collection) -> &Documents<RawDocumentBuf> {
        match collection {
            Collection::Identities => &self.identities,
            Collection::Messages => &self.messages,
            Collection::Sessions => &self.sessions,
            Collection::ApiKeys => &self.api_keys,
            Collection::Usage => &self.usage,
            Collection::Configurations => &self.versions,
            Collection::Audit => &self.audit,
        }
    }
}

impl UnreadablePage {
    fn look(&mut self, seen: &[RawDocumentBuf], collection: Collection) -> Result<(), StoreError> {
        self.looked_at += seen.len() as u64;
        let found = seen.iter().map(|document| look(document, collection));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        self.unreadable.extend(quarantine::sorted(found).1);
        Ok(())
    }
}

fn look(document: &RawDocumentBuf, collection: Collection) -> Result<Found<()>, StoreError> {
    let read = match collection {
        Collection::Identities => documents::identity(document).map(drop),
        Collection::Messages => {
            let name = document.get_str("id").unwrap_or("without an id");
            owner(document, || format!("message {name}"))
                .and_then(|owner| documents::message(document, owner).map(drop))
        }
        Collection::Sessions => documents::session_digest(document)
            .and_then(|digest| documents::session(document, digest).map(drop)),
        Collection::ApiKeys => trusted::api_key(document).map(drop),
        Collection::Usage => owner(document, || "usage".to_owned())
            .and_then(|owner| trusted::usage(document, owner).map(drop)),
        Collection::Configurations => template(document),
        Collection::Audit => trusted::audit(document).map(drop),
    };
    found(read, document, collection)
}

/// Tells a document that cannot be read from a store that cannot be asked.
pub(super) fn found<T>(
    read: Result<T, StoreError>,
    document: &RawDocumentBuf,
    collection: Collection,
) -> Result<Found<T>, StoreError> {
    let id = || documents::id(document).as_ref().map(text);
    quarantine::found(read, collection, || id().unwrap_or_default())
}

fn owner(document: &RawDocument, what: impl FnOnce() -> String) -> Result<PublicKey, StoreError> {
    let owner = document.get_str("owner_key").unwrap_or_default();
    owner.parse().map_err(|error| StoreError::Corrupt {
        what: what(),
        reason: format!("owner_key is {owner:?}: {error}"),
    })
}

fn template(document: &RawDocument) -> Result<(), StoreError> {
    let name = document.get_str("environment").unwrap_or_default();
    let mut environments = ENVIRONMENTS.into_iter();
    match environments.find(|it| it.as_str() == name) {
        Some(environment) => documents::template(document, environment).map(drop),
        None => Err(StoreError::Corrupt {
            what: format!("a template of {name:?}"),
            reason: "environment: expected development or production".to_owned(),
        }),
    }
}

/// An `_id` for people.
fn text(id: &Bson) -> String {
    match id {
        Bson::String(text) => text.clone(),
        Bson::ObjectId(id) => id.to_hex(),
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => number.to_string(),
        Bson::Binary(bytes) => hex::encode(&bytes.bytes),
        other => format(other),
    }
}

/// Every `_id` that may have this [`text`].
fn candidates(id: &str) -> Vec<Bson> {
    let mut all = vec![Bson::String(id.to_owned())];
    all.extend(ObjectId::parse_str(id).ok().map(Bson::ObjectId));
    all.extend(id.parse().ok().map(Bson::Int64));
    all.extend(quarantine::from_hex(id).map(|bytes| Bson::Binary(binary(&bytes))));
    all.extend(parse(id));
    all
}

/// An `_id` of any type, exactly.
fn format(id: &Bson) -> String {
    let document = RawDocumentBuf::try_from(&doc! {"_id": id});
    let bytes = document.map(|document| hex::encode(document.as_bytes()));
    format!("{BSON}{}", bytes.unwrap_or_default())
}

fn parse(text: &str) -> Option<Bson> {
    let bytes = quarantine::from_hex(text.strip_prefix(BSON)?)?;
    let document = RawDocumentBuf::from_bytes(bytes).ok()?;
    Document::try_from(&document).ok()?.remove("_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_found_by_its_text() {
        for id in [
            Bson::String("msg_1".to_owned()),
            Bson::ObjectId(ObjectId::new()),
            Bson::Int64(7),
            Bson::Binary(binary(&[0, 255])),
            Bson::Boolean(true),
            Bson::Document(doc! {"a": 1.5}),
        ] {
            assert!(candidates(&text(&id)).contains(&id), "{id}");
            assert_eq!(parse(&format(&id)), Some(id));
        }
    }
}
