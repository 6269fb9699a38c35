//! What is read of the database, one document after the other.

use async_trait::async_trait;
use mongodb::Cursor;
use mongodb::bson::RawDocumentBuf;
use mongodb::bson::raw::RawDocument;
use nexus_core::{PublicKey, TokenDigest};

use crate::StoreError;
use crate::installation::{BATCH, Batch, Kind, Reader, Record};
use crate::mongo::documents;
use crate::mongo::trust::documents as trusted;

/// What Nexus knows in documents of identities.
const IDENTITY: [&str; 9] = [
    "_id",
    "public_key",
    "created_at",
    "metadata",
    "config_overrides",
    "prompt_overrides",
    "standing",
    "is_admin",
    "version",
];
/// In documents of messages.
const MESSAGE: [&str; 9] = [
    "_id",
    "id",
    "run_id",
    "owner_key",
    "role",
    "content",
    "timestamp",
    "metadata",
    "seq",
];
/// In documents of sessions.
const SESSION: [&str; 8] = [
    "_id",
    "owner_key",
    "scope",
    "created_at",
    "last_seen_at",
    "expires_at",
    "idle_ms",
    "client",
];
/// In documents of API keys.
const API_KEY: [&str; 10] = [
    "_id",
    "digest",
    "owner_key",
    "name",
    "scopes",
    "models",
    "created_at",
    "expires_at",
    "last_used_at",
    "revoked_at",
];
/// In documents of usage.
const USAGE: [&str; 11] = [
    "_id",
    "owner_key",
    "day",
    "model",
    "runs",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "reasoning_tokens",
    "cost_micros",
    "estimated_runs",
];
/// In documents of used nonces.
const NONCE: [&str; 2] = ["_id", "expires_at"];
/// In documents of the audit.
const AUDIT: [&str; 9] = [
    "_id",
    "at",
    "actor",
    "action",
    "target",
    "details",
    "signature",
    "previous",
    "hash",
];
/// In the one document of the installation.
const SECRET: [&str; 2] = ["_id", "secret"];

pub(super) struct Documents {
    pub(super) cursor: Cursor<RawDocumentBuf>,
    pub(super) kind: Kind,
}

#[async_trait]
impl Reader for Documents {
    async fn next(&mut self) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        while batch.records.len() < BATCH as usize && self.cursor.advance().await? {
            let document = self.cursor.current();
            let (known, name): (&[&str], _) = match self.kind {
                Kind::Identities => (&IDENTITY, "identities"),
                Kind::Messages => (&MESSAGE, "messages"),
                Kind::Sessions => (&SESSION, "sessions"),
                Kind::ApiKeys => (&API_KEY, "api_keys"),
                Kind::Usage => (&USAGE, "usage"),
                Kind::UsedNonces => (&NONCE, "used_nonces"),
                Kind::Audit => (&AUDIT, "audit"),
                Kind::Secret => (&SECRET, "installation"),
                // Read by `Templates`, and all of its fields are the template.
                Kind::Templates => (&[], "configurations"),
            };
            let fields = document.iter().flatten().map(|(key, _)| key.as_str());
            let unknown = fields.filter(|field| !known.contains(field));
            batch
                .unknown
                .extend(unknown.map(|field| format!("{name}.{field}")));
            batch.records.push(match self.kind {
                Kind::Identities => identity(document),
                Kind::Messages => message(document),
                Kind::Sessions => session(document),
                Kind::ApiKeys => trusted::api_key(document).map(Record::ApiKey),
                Kind::Usage => usage(document),
                Kind::UsedNonces => trusted::nonce(document).map(Record::UsedNonce),
                Kind::Audit => trusted::audit(document).map(Record::Audit),
                Kind::Secret => trusted::installation_secret(document).map(Record::Secret),
                Kind::Templates => continue,
            });
        }
        Ok(batch)
    }
}

/// Documents whose keys are not in lower case are not in the order of records either.
fn owner(document: &RawDocument, what: impl FnOnce() -> String) -> Result<PublicKey, StoreError> {
    let text = document.get_str("owner_key").unwrap_or_default();
    let key: Option<PublicKey> = text.parse().ok();
    key.filter(|key| key.to_string() == text)
        .ok_or_else(|| StoreError::Corrupt {
            what: what(),
            reason: format!("owner_key is {text:?}, expected an address in lower case"),
        })
}

fn identity(document: &RawDocument) -> Result<Record, StoreError> {
    let identity = documents::whole_identity(document)?;
    let text = document.get_str("public_key").unwrap_or_default();
    if identity.public_key.to_string() == text {
        return Ok(Record::Identity(identity));
    }
    Err(StoreError::Corrupt {
        what: format!("identity {text}"),
        reason: "public_key is not in lower case".to_owned(),
    })
}

fn message(document: &RawDocument) -> Result<Record, StoreError> {
    let name = || {
        format!(
            "message {}",
            document.get_str("id").unwrap_or("without an id")
        )
    };
    documents::message(document, owner(document, name)?).map(Record::Message)
}

fn usage(document: &RawDocument) -> Result<Record, StoreError> {
    let owner = owner(document, || "usage".to_owned())?;
    trusted::usage(document, owner).map(Record::Usage)
}

fn session(document: &RawDocument) -> Result<Record, StoreError> {
    let owner = owner(document, || "a session".to_owned())?;
    let id = document.get_binary("_id").ok();
    let digest = id.and_then(|id| <[u8; 32]>::try_from(id.bytes).ok());
    let digest = digest.ok_or_else(|| StoreError::Corrupt {
        what: format!("a session of {owner}"),
        reason: "_id is not a digest of 32 bytes".to_owned(),
    })?;
    documents::session(document, TokenDigest::from_bytes(digest)).map(Record::Session)
}
