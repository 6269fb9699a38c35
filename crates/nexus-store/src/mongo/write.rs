//! What changes the database. No transactions: each step is safe to stop after, and the steps are
//! in the order that makes it so.

use mongodb::bson::{Bson, Document, RawDocumentBuf, Timestamp, doc};
use mongodb::options::UpdateModifications;
use nexus_core::identity::TIME_ZONE;
use nexus_core::overrides::{Section, UnknownKey};
use nexus_core::{
    Field, Identity, Message, MessageId, Metadata, OverrideTarget, OverrideWrite, PublicKey,
    Session, Standing, Timestamp as Moment,
};

use super::changes::Changes;
use super::data::{AS_IT_IS_NOW, Data};
use super::documents::{self, moment};
use super::fault::{conflict, is_duplicate};
use super::json::{to_bson, to_document};
use crate::{Created, NewTemplate, StoreError, StoredTemplate};

impl Data {
    /// The current document is what decides between several writers. Before it is replaced it is
    /// archived, if it is not yet: it may be the original's, or its writer may have stopped halfway.
    pub(super) async fn put_template(
        &self,
        changes: &Changes,
        new: NewTemplate,
        expected: Option<u64>,
    ) -> Result<StoredTemplate, StoreError> {
        let environment = new.environment;
        let what = || conflict(format!("the {environment} template"));
        let current = doc! {"environment": environment.as_str()};
        let found = self.configurations.find_one(current.clone()).await?;
        // Its number only: one that somebody made unreadable can still be followed by another.
        let version = match &found {
            Some(found) => Some(self.books(found, environment).await?.version),
            None => None,
        };
        if version != expected {
            return Err(what());
        }
        let next = version.unwrap_or(0) + 1;
        let document = template(&new, next)?;
        let stored = documents::template(&document, environment)?;
        let mut session = self.client.start_session().await?;
        match (found, version) {
            (Some(found), Some(version)) => {
                self.archive(&found, version).await?;
                let mut unchanged = current;
                let stored = documents::stored_version(&found);
                unchanged.insert("version", stored.unwrap_or_else(|| at_version(0)));
                self.configurations
                    .find_one_and_replace(unchanged, &document)
                    .session(&mut session)
                    .await?
                    .ok_or_else(what)?;
            }
            _ => {
                let added = self.configurations.insert_one(&document);
                added_once(added.session(&mut session).await, what)?;
            }
        }
        changes.tell_template(session.operation_time());
        self.archive(&document, next).await?;
        Ok(stored)
    }

    /// Keeps a copy of a current template, if there is none of its version.
    pub(super) async fn archive(
        &self,
        document: &RawDocumentBuf,
        version: u64,
    ) -> Result<(), StoreError> {
        let mut copy = Document::try_from(document).map_err(mongodb::error::Error::from)?;
        copy.remove("_id");
        copy.insert("version", number(version));
        match self.versions.insert_one(raw(&copy)?).await {
            Err(error) if !is_duplicate(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    pub(super) async fn create_identity(
        &self,
        changes: &Changes,
        key: PublicKey,
        standing: Standing,
        at: Moment,
    ) -> Result<Created, StoreError> {
        let new = raw(&doc! {
            "public_key": key.to_string(),
            "created_at": moment(at),
            "metadata": {},
            "config_overrides": {},
            "prompt_overrides": {},
            "standing": standing.as_str(),
            "is_admin": false,
            "version": 1,
        })?;
        let mut session = self.client.start_session().await?;
        let added = self.identities.insert_one(&new).session(&mut session).await;
        let is_new = match added {
            Ok(_) => true,
            Err(error) if is_duplicate(&error) => false,
            Err(error) => return Err(error.into()),
        };
        let identity = if is_new {
            changes.tell(key, session.operation_time());
            documents::identity(&new)?
        } else {
            self.identity(changes, key)
                .await?
                .ok_or_else(|| gone(key))?
        };
        Ok(Created { identity, is_new })
    }

    pub(super) async fn write_override(
        &self,
        changes: &Changes,
        identity: &Identity,
        write: &OverrideWrite,
    ) -> Result<Identity, StoreError> {
        // Names of fields are closed sets without dots or dollar signs: a path is never made of
        // what a person wrote.
        let (map, name) = match write.target() {
            OverrideTarget::Field(Field::Config(field)) => ("config_overrides", field.as_str()),
            OverrideTarget::Field(Field::Prompt(name)) => ("prompt_overrides", name.as_str()),
            OverrideTarget::Unknown(found) => {
                let change = without(found);
                return self.change_identity(changes, identity, change).await;
            }
            OverrideTarget::TimeZone => ("metadata", TIME_ZONE),
        };
        let path = format!("{map}.{name}");
        // The original may have left null there, in which nothing can be set.
        let mut is_null = this_life(identity);
        is_null.insert(map, doc! {"$type": "null"});
        let emptied = doc! {"$set": {map: {}}};
        self.identities.update_one(is_null, emptied).await?;
        let change = match write.value() {
            Some(value) => doc! {"$set": {path: to_bson(value)}, "$inc": {"version": 1}},
            None => doc! {"$unset": {path: ""}, "$inc": {"version": 1}},
        };
        self.change_identity(changes, identity, change).await
    }

    /// Makes a change that was decided on this version of an identity.
    pub(super) async fn change_identity(
        &self,
        changes: &Changes,
        identity: &Identity,
        change: impl Into<UpdateModifications>,
    ) -> Result<Identity, StoreError> {
        let mut unchanged = this_life(identity);
        unchanged.insert("version", at_version(identity.version));
        let mut session = self.client.start_session().await?;
        let written = self
            .identities
            .find_one_and_update(unchanged, change)
            .return_document(AS_IT_IS_NOW)
            .session(&mut session)
            .await?
            .ok_or_else(|| gone(identity.public_key))?;
        changes.tell(identity.public_key, session.operation_time());
        documents::identity(&written)
    }

    /// Stores first and asks for the identity after: an erasure that this asking does not see yet
    /// will find the message. Both are in one causal chain, also across an election.
    pub(super) async fn append(
        &self,
        owner: &Identity,
        message: &Message,
    ) -> Result<(), StoreError> {
        let id = message.id.as_str();
        let new = message_document(message)?;
        let mut session = self.client.start_session().await?;
        let added = self.messages.insert_one(new).session(&mut session).await;
        added_once(added, || conflict(format!("message {id}")))?;
        let owners = self.identities.find_one(this_life(owner));
        if owners.session(&mut session).await?.is_some() {
            return Ok(());
        }
        let mine = doc! {"_id": id, "owner_key": message.owner_key.to_string()};
        let deleted = self.messages.delete_one(mine).session(&mut session);
        deleted.await?;
        Err(gone(owner.public_key))
    }

    pub(super) async fn set_message_metadata(
        &self,
        owner: PublicKey,
        id: &MessageId,
        metadata: &Metadata,
    ) -> Result<bool, StoreError> {
        let mine = doc! {"_id": id.as_str(), "owner_key": owner.to_string()};
        let change = doc! {"$set": {"metadata": to_document(&metadata.to_map())}};
        Ok(self.messages.update_one(mine, change).await?.matched_count > 0)
    }

    pub(super) async fn remove_messages(
        &self,
        owner: PublicKey,
        ids: &[MessageId],
    ) -> Result<u64, StoreError> {
        let ids: Vec<_> = ids.iter().map(MessageId::as_str).collect();
        let mine = doc! {"_id": {"$in": ids}, "owner_key": owner.to_string()};
        Ok(self.messages.delete_many(mine).await?.deleted_count)
    }

    pub(super) async fn create_session(
        &self,
        changes: &Changes,
        new: &Session,
    ) -> Result<(), StoreError> {
        let document = session_document(new)?;
        let mut session = self.client.start_session().await?;
        let added = self.sessions.insert_one(document);
        let what = || conflict(format!("the session of {}", new.owner_key));
        added_once(added.session(&mut session).await, what)?;
        changes.tell(new.digest, session.operation_time());
        Ok(())
    }
}

/// The removal of a key that may have any name, also one with dots and dollar signs.
fn without(found: &UnknownKey) -> Vec<Document> {
    let map = match found.section {
        Section::Config => "config_overrides",
        Section::Prompts => "prompt_overrides",
    };
    let rest = doc! {"field": {"$literal": &*found.key}, "input": format!("${map}")};
    let version = doc! {"$add": [{"$ifNull": ["$version", 0_i64]}, 1]};
    vec![doc! {"$set": {map: {"$unsetField": rest}, "version": version}}]
}

/// A message that arrives now.
pub(super) fn message_document(message: &Message) -> Result<RawDocumentBuf, StoreError> {
    let id = message.id.as_str();
    raw(&doc! {
        "_id": id,
        "id": id,
        "run_id": message.run_id.as_str(),
        "owner_key": message.owner_key.to_string(),
        "role": message.role.as_str(),
        "content": &message.content,
        "timestamp": moment(message.timestamp),
        "metadata": to_document(&message.metadata.to_map()),
        // The primary puts the time of its logical clock in place of an empty timestamp.
        "seq": Timestamp { time: 0, increment: 0 },
    })
}

pub(super) fn session_document(session: &Session) -> Result<RawDocumentBuf, StoreError> {
    let mut document = doc! {
        "_id": documents::session_id(session.digest),
        "owner_key": session.owner_key.to_string(),
        "scope": session.scope.as_str(),
        "created_at": moment(session.created_at),
        "last_seen_at": moment(session.last_seen_at),
        "expires_at": moment(session.expires_at),
        "client": session.client.as_str(),
    };
    if let Some(idle) = session.idle {
        document.insert("idle_ms", idle.num_milliseconds());
    }
    raw(&document)
}

/// The fields of a configuration are at top level, beside the store's books. The hash is of what
/// will be read, should BSON have changed a number.
fn template(new: &NewTemplate, version: u64) -> Result<RawDocumentBuf, StoreError> {
    let mut document = doc! {"environment": new.environment.as_str()};
    document.extend(to_document(new.doc.as_map()));
    let read = documents::template(&raw(&document)?, new.environment)?.doc;
    document.extend(doc! {
        "version": number(version),
        "author": &new.author,
        "created_at": moment(new.created_at),
        "hash": read.hash(),
    });
    raw(&document)
}

/// The moment of registration is compared too: a key that was erased and registered again starts
/// over, and nothing that was decided in its former life may be written into the new one.
pub(super) fn this_life(identity: &Identity) -> Document {
    doc! {
        "public_key": identity.public_key.to_string(),
        "created_at": moment(identity.created_at),
    }
}

/// Documents of the original have no version, which counts as 0.
fn at_version(version: u64) -> Bson {
    match version {
        0 => doc! {"$in": [0, null]}.into(),
        _ => number(version),
    }
}

pub(super) fn number(version: u64) -> Bson {
    Bson::Int64(i64::try_from(version).unwrap_or(i64::MAX))
}

pub(super) fn raw(document: &Document) -> Result<RawDocumentBuf, StoreError> {
    Ok(RawDocumentBuf::try_from(document).map_err(mongodb::error::Error::from)?)
}

/// That it is there already is a conflict.
pub(super) fn added_once<T>(
    added: mongodb::error::Result<T>,
    what: impl FnOnce() -> StoreError,
) -> Result<(), StoreError> {
    match added {
        Ok(_) => Ok(()),
        Err(error) if is_duplicate(&error) => Err(what()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn gone(key: PublicKey) -> StoreError {
    conflict(format!("identity {key}"))
}
