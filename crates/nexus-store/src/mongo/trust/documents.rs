//! From values to documents, and back.

use std::fmt::Display;

use chrono::NaiveDate;
use mongodb::bson::raw::RawDocument;
use mongodb::bson::{Document, doc};
use nexus_core::auth::InstallationSecret;
use nexus_core::{
    ApiKey, ApiScope, AuditEntry, AuditHead, Label, NodeId, NonceId, PublicKey, Timestamp, Usage,
    UsageCount, UsageKey,
};

use crate::StoreError;
use crate::installation::UsedNonce;
use crate::mongo::documents::{Read, binary, moment};
use crate::mongo::json::to_bson;
use crate::mongo::write::number;

pub(in crate::mongo) fn from_api_key(key: &ApiKey) -> Document {
    let mut document = doc! {
        "_id": key.id.to_string(),
        "digest": binary(key.digest.as_bytes()),
        "owner_key": key.owner_key.to_string(),
        "name": key.name.as_str(),
        "scopes": key.scopes.iter().map(ApiScope::as_str).collect::<Vec<_>>(),
        "created_at": moment(key.created_at),
        "expires_at": moment(key.expires_at),
    };
    if let Some(models) = &key.models {
        document.insert("models", models.iter().collect::<Vec<_>>());
    }
    if let Some(at) = key.last_used_at {
        document.insert("last_used_at", moment(at));
    }
    if let Some(at) = key.revoked_at {
        document.insert("revoked_at", moment(at));
    }
    document
}

pub(in crate::mongo) fn installation_secret(
    document: &RawDocument,
) -> Result<InstallationSecret, StoreError> {
    let read = Read {
        document,
        what: &"the secret of the installation",
    };
    Ok(InstallationSecret::from_bytes(
        *read.digest("secret")?.as_bytes(),
    ))
}

pub(in crate::mongo) fn api_key(document: &RawDocument) -> Result<ApiKey, StoreError> {
    let id = document.get_str("_id").unwrap_or("without an id");
    let read = Read {
        document,
        what: &format_args!("API key {id}"),
    };
    let scopes = read.texts("scopes")?.unwrap_or_default();
    let scopes = scopes.into_iter().map(|scope| {
        ApiScope::parse(scope)
            .ok_or_else(|| read.corrupt(format_args!("the scope {scope:?} is not known")))
    });
    let models = read.texts("models")?;
    Ok(ApiKey {
        id: id.parse().map_err(|error| read.corrupt(error))?,
        digest: read.digest("digest")?,
        owner_key: read.parsed("owner_key")?,
        name: Label::cut(read.text("name")?),
        scopes: scopes.collect::<Result<_, _>>()?,
        models: models.map(|models| models.into_iter().map(str::to_owned).collect()),
        created_at: read.time("created_at")?,
        expires_at: read.time("expires_at")?,
        last_used_at: read.optional_time("last_used_at")?,
        revoked_at: read.optional_time("revoked_at")?,
    })
}

/// The number is the `_id`, so that each place in the chain is taken once.
pub(in crate::mongo) fn from_audit(entry: &AuditEntry) -> Result<Document, StoreError> {
    let details =
        serde_json::to_value(&entry.details).map_err(|error| StoreError::Unavailable {
            reason: error.to_string(),
        })?;
    Ok(doc! {
        "_id": number(entry.seq),
        "at": moment(entry.at),
        "actor": entry.actor.to_string(),
        "action": entry.action.as_str(),
        "target": entry.target.as_str(),
        "details": to_bson(&details),
        "signature": entry.signature.as_deref(),
        "previous": entry.previous.to_string(),
        "hash": entry.hash.to_string(),
    })
}

pub(in crate::mongo) fn audit(document: &RawDocument) -> Result<AuditEntry, StoreError> {
    let head = audit_head(document)?;
    let read = Read {
        document,
        what: &format_args!("audit entry {}", head.seq),
    };
    let label = |name| {
        Label::try_from(read.text(name)?.to_owned())
            .map_err(|error| read.corrupt(format_args!("{name}: {error}")))
    };
    let details = read.object("details")?;
    Ok(AuditEntry {
        seq: head.seq,
        at: read.time("at")?,
        actor: read.parsed("actor")?,
        action: label("action")?,
        target: label("target")?,
        details: serde_json::from_value(details.into())
            .map_err(|error| read.corrupt(format_args!("details: {error}")))?,
        signature: read.optional_text("signature")?.map(str::to_owned),
        previous: read.parsed("previous")?,
        hash: head.hash,
    })
}

pub(in crate::mongo) fn audit_head(document: &RawDocument) -> Result<AuditHead, StoreError> {
    let read = Read {
        document,
        what: &"an audit entry",
    };
    Ok(AuditHead {
        seq: audit_number(document)?,
        hash: read.parsed("hash")?,
    })
}

/// The place of an entry in the chain.
pub(in crate::mongo) fn audit_number(document: &RawDocument) -> Result<u64, StoreError> {
    let read = Read {
        document,
        what: &"an audit entry",
    };
    read.count("_id")
}

pub(in crate::mongo) fn from_usage(usage: &Usage) -> Document {
    let key = &usage.key;
    let mut document = doc! {
        "owner_key": key.owner.to_string(), "day": key.day.to_string(), "model": &key.model,
    };
    document.extend(counts(&usage.count).map(|(name, count)| (name.to_owned(), number(count))));
    document
}

pub(in crate::mongo) fn from_nonce(id: NonceId, expires_at: Timestamp) -> Document {
    doc! {"_id": binary(id.as_bytes()), "expires_at": moment(expires_at)}
}

pub(in crate::mongo) fn nonce(document: &RawDocument) -> Result<UsedNonce, StoreError> {
    let read = Read {
        document,
        what: &"a used nonce",
    };
    Ok(UsedNonce {
        id: NonceId::from_bytes(*read.digest("_id")?.as_bytes()),
        expires_at: read.time("expires_at")?,
    })
}

pub(in crate::mongo) fn from_secret(secret: &InstallationSecret) -> Document {
    doc! {"_id": "secret", "secret": binary(secret.expose())}
}

/// The numbers of a count, by the names of their fields.
pub(in crate::mongo) const fn counts(count: &UsageCount) -> [(&'static str, u64); 7] {
    [
        ("runs", count.runs),
        ("input_tokens", count.input_tokens),
        ("output_tokens", count.output_tokens),
        ("cached_input_tokens", count.cached_input_tokens),
        ("reasoning_tokens", count.reasoning_tokens),
        ("cost_micros", count.cost_micros),
        ("estimated_runs", count.estimated_runs),
    ]
}

pub(in crate::mongo) fn usage(
    document: &RawDocument,
    owner: PublicKey,
) -> Result<Usage, StoreError> {
    let read = Read {
        document,
        what: &format_args!("the usage of {owner}"),
    };
    Ok(Usage {
        key: UsageKey {
            owner,
            day: read.parsed::<NaiveDate>("day")?,
            model: read.text("model")?.to_owned(),
        },
        count: UsageCount {
            runs: read.count("runs")?,
            input_tokens: read.count("input_tokens")?,
            output_tokens: read.count("output_tokens")?,
            cached_input_tokens: read.count("cached_input_tokens")?,
            reasoning_tokens: read.count("reasoning_tokens")?,
            cost_micros: read.count("cost_micros")?,
            // What was stored before does not tell.
            estimated_runs: read.optional_count("estimated_runs")?.unwrap_or(0),
        },
    })
}

/// The runs of one person on all nodes but this one.
pub(in crate::mongo) fn running_elsewhere(
    document: &RawDocument,
    node: &NodeId,
) -> Result<u64, StoreError> {
    let corrupt = |error: &dyn Display| StoreError::Corrupt {
        what: "what is under way".to_owned(),
        reason: error.to_string(),
    };
    let nodes = document
        .get_array("nodes")
        .map_err(|error| corrupt(&error))?;
    let mut elsewhere = 0_u64;
    for told in nodes {
        let told = told.map_err(|error| corrupt(&error))?;
        let Some(told) = told.as_document() else {
            continue;
        };
        let read = Read {
            document: told,
            what: &"what is under way",
        };
        if read.text("node")? != node.as_str() {
            elsewhere = elsewhere.saturating_add(read.count("runs")?);
        }
    }
    Ok(elsewhere)
}
