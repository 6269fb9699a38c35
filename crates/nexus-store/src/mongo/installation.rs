//! The database as a stream of records. A cursor reads each kind in the order of its index; what is
//! added is one ordered insert for each batch.
//!
//! Nothing is cancelled here, so the driver's futures need no tasks of their own.

mod reading;

use async_trait::async_trait;
use mongodb::Collection;
use mongodb::bson::{RawDocumentBuf, doc};
use nexus_core::Environment;

use self::reading::Documents;
use super::connect::{ConnectError, MongoOptions};
use super::data::Data;
use super::documents::{self, moment};
use super::fault::{conflict, is_duplicate};
use super::json::to_document;
use super::trust::documents as trusted;
use super::write::{message_document, number, raw, session_document};
use crate::installation::{
    BATCH, Installation, Kind, Reader, Record, Templates, Versions, WholeIdentity,
};
use crate::{StoreError, StoredTemplate};

/// A MongoDB database as a whole installation. To open it changes nothing in it.
#[derive(Debug)]
pub struct MongoInstallation {
    data: Data,
    location: String,
}

impl MongoInstallation {
    /// Opens the database that `uri` names, or `default_database`.
    ///
    /// # Errors
    /// When the address cannot be used. Whether the database answers is not known yet.
    pub async fn connect(
        uri: &str,
        default_database: &str,
        options: MongoOptions,
    ) -> Result<Self, ConnectError> {
        let (data, location) = Data::open(uri, default_database, &options).await?;
        Ok(Self { data, location })
    }
}

#[async_trait]
impl Versions for Data {
    async fn versions(
        &self,
        environment: Environment,
        before: Option<u64>,
    ) -> Result<Vec<u64>, StoreError> {
        let page = self.template_versions(environment, before, 500).await?;
        Ok(page.iter().map(|it| it.version).collect())
    }

    async fn version(
        &self,
        environment: Environment,
        version: u64,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        self.template_version(environment, version).await
    }
}

#[async_trait]
impl Installation for MongoInstallation {
    fn location(&self) -> String {
        self.location.clone()
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        let collection = match kind {
            Kind::Identities => &self.data.identities,
            Kind::Messages => &self.data.messages,
            Kind::Sessions => &self.data.sessions,
            Kind::ApiKeys => &self.data.api_keys,
            Kind::Usage => &self.data.usage,
            Kind::UsedNonces => &self.data.nonces,
            Kind::Audit => &self.data.audit,
            Kind::Secret => &self.data.installation,
            Kind::Templates => return Ok(Templates::new(&self.data).await?.waiting.len() as u64),
        };
        Ok(collection.count_documents(doc! {}).await?)
    }

    async fn read(&self, kind: Kind) -> Result<Box<dyn Reader + '_>, StoreError> {
        // Without `..`: a new collection does not compile before it is read here, too.
        let Data {
            client: _,
            database: _,
            configurations: _,
            versions: _,
            identities,
            messages,
            sessions,
            api_keys,
            installation,
            nonces,
            audit,
            api_key_turn: _,
            audit_turn: _,
            usage,
            // Each is for a short window of time: after a move, limits begin anew.
            counters: _,
            // None is in progress where an installation is moved.
            runs: _,
            // Of this database, not of what is in it.
            nodes: _,
            meta: _,
        } = &self.data;
        let (collection, order) = match kind {
            Kind::Identities => (identities, doc! {"public_key": 1}),
            // The index of an owner's messages from its end: the oldest of each come first.
            Kind::Messages => (
                messages,
                doc! {"owner_key": -1, "seq": 1, "timestamp": 1, "_id": 1},
            ),
            Kind::Sessions => (sessions, doc! {"_id": 1}),
            Kind::ApiKeys => (api_keys, doc! {"_id": 1}),
            Kind::Usage => (usage, doc! {"owner_key": 1, "day": 1, "model": 1}),
            Kind::UsedNonces => (nonces, doc! {"_id": 1}),
            Kind::Audit => (audit, doc! {"_id": 1}),
            Kind::Secret => (installation, doc! {"_id": 1}),
            Kind::Templates => return Ok(Box::new(Templates::new(&self.data).await?)),
        };
        // A database that Nexus has not served from may have no indexes yet.
        let cursor = collection.find(doc! {}).sort(order).allow_disk_use(true);
        Ok(Box::new(Documents {
            cursor: cursor.batch_size(BATCH).await?,
            kind,
        }))
    }

    async fn make_ready(&self) -> Result<(), StoreError> {
        self.data.prepare().await
    }

    async fn add(&self, records: &[Record]) -> Result<(), StoreError> {
        let mut documents = Vec::with_capacity(records.len());
        let mut into = None;
        for record in records {
            let (collection, document) = match record {
                Record::Template(template) => {
                    self.add_template(record, template).await?;
                    continue;
                }
                Record::Identity(identity) => (&self.data.identities, identity_document(identity)?),
                // They get their places anew, from this database's clock: so whatever the clock of
                // the source said, what is said later comes later.
                Record::Message(message) => (&self.data.messages, message_document(message)?),
                Record::Session(session) => (&self.data.sessions, session_document(session)?),
                Record::ApiKey(key) => (&self.data.api_keys, raw(&trusted::from_api_key(key))?),
                Record::Usage(usage) => (&self.data.usage, raw(&trusted::from_usage(usage))?),
                Record::UsedNonce(nonce) => {
                    let document = trusted::from_nonce(nonce.id, nonce.expires_at);
                    (&self.data.nonces, raw(&document)?)
                }
                Record::Audit(entry) => (&self.data.audit, raw(&trusted::from_audit(entry)?)?),
                Record::Secret(secret) => {
                    (&self.data.installation, raw(&trusted::from_secret(secret))?)
                }
            };
            unchanged(record, &document)?;
            documents.push(document);
            into = Some(collection);
        }
        match into {
            Some(collection) => insert(collection, documents).await,
            None => Ok(()),
        }
    }
}

impl MongoInstallation {
    /// As the store replaces a template: the one before is in the archive first.
    async fn add_template(
        &self,
        record: &Record,
        template: &StoredTemplate,
    ) -> Result<(), StoreError> {
        let environment = template.environment.as_str();
        let mut document = doc! {"environment": environment};
        document.extend(to_document(template.doc.as_map()));
        document.extend(doc! {
            "version": number(template.version),
            "author": &template.author,
            "created_at": moment(template.created_at),
            "hash": &template.hash,
        });
        let document = raw(&document)?;
        unchanged(record, &document)?;
        let current = doc! {"environment": environment};
        let configurations = &self.data.configurations;
        if let Some(found) = configurations.find_one(current.clone()).await? {
            let version = documents::template_version(&found, template.environment)?.version;
            self.data.archive(&found, version).await?;
        }
        let replaced = configurations.replace_one(current, &document).upsert(true);
        replaced.await?;
        self.data.archive(&document, template.version).await
    }
}

fn identity_document(identity: &WholeIdentity) -> Result<RawDocumentBuf, StoreError> {
    raw(&doc! {
        "public_key": identity.public_key.to_string(),
        "created_at": moment(identity.created_at),
        "standing": identity.standing.as_str(),
        "is_admin": identity.is_admin,
        "metadata": to_document(&identity.metadata),
        "config_overrides": to_document(&identity.config_overrides),
        "prompt_overrides": to_document(&identity.prompt_overrides),
        "version": number(identity.version),
    })
}

/// BSON has no whole numbers beyond 63 bits, for one, and some names are the store's own. What would
/// be read back as something else is refused.
fn unchanged(record: &Record, document: &RawDocumentBuf) -> Result<(), StoreError> {
    let read = match record {
        Record::Identity(_) => documents::whole_identity(document).map(Record::Identity),
        Record::Message(message) => {
            documents::message(document, message.owner_key).map(Record::Message)
        }
        Record::Session(session) => {
            documents::session(document, session.digest).map(Record::Session)
        }
        Record::ApiKey(_) => trusted::api_key(document).map(Record::ApiKey),
        Record::Usage(usage) => trusted::usage(document, usage.key.owner).map(Record::Usage),
        Record::UsedNonce(_) => trusted::nonce(document).map(Record::UsedNonce),
        Record::Audit(_) => trusted::audit(document).map(Record::Audit),
        Record::Secret(_) => trusted::installation_secret(document).map(Record::Secret),
        Record::Template(template) => {
            documents::template(document, template.environment).map(Record::Template)
        }
    };
    if read?.canonical() == record.canonical() {
        return Ok(());
    }
    Err(StoreError::Corrupt {
        what: record.name(),
        reason: "it holds a value that MongoDB cannot keep exactly, such as a whole number beyond \
                 63 bits, or a template has a field called version, author, created_at or hash"
            .to_owned(),
    })
}

/// In order: what is there after a failure is the beginning.
async fn insert(
    collection: &Collection<RawDocumentBuf>,
    documents: Vec<RawDocumentBuf>,
) -> Result<(), StoreError> {
    match collection.insert_many(documents).ordered(true).await {
        Err(error) if is_duplicate(&error) => Err(conflict(format!(
            "a document of {} with the same id",
            collection.name()
        ))),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}
