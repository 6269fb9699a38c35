//! What is added to the file, one record after the other.

use nexus_core::{ApiKey, Usage};
use rusqlite::Connection;

use crate::embedded::fault::conflict;
use crate::embedded::{sql, trust, write};
use crate::installation::Record;
use crate::{StoreError, StoredTemplate};

const ADD_IDENTITY: &str = "
    INSERT INTO identities
        (public_key, created_at, metadata, config_overrides, prompt_overrides, version, standing,
         is_admin)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const ADD_API_KEY: &str = "
    INSERT INTO api_keys (id, digest, owner_key, name, scopes, models, created_at, expires_at,
                          last_used_at, revoked_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

const ADD_USAGE: &str = "
    INSERT INTO usage (owner_key, day, model, runs, input_tokens, output_tokens,
                       cached_input_tokens, reasoning_tokens, cost_micros, estimated_runs)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

const ADD_NONCE: &str = "INSERT INTO used_nonces (id, expires_at) VALUES (?1, ?2)";

const ADD_SECRET: &str = "INSERT INTO installation (id, secret) VALUES (1, ?1)";

const ADD_MESSAGE: &str = "
    INSERT INTO messages (id, run_id, owner_key, role, content, timestamp, metadata)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

pub(super) fn add(file: &Connection, record: &Record) -> Result<(), StoreError> {
    let what = || conflict(record.name());
    match record {
        Record::Identity(identity) => {
            let object = |map| serde_json::Value::Object(map).to_string();
            let version = i64::try_from(identity.version).map_err(|_| what())?;
            let parameters = (
                identity.public_key.to_string(),
                identity.created_at.timestamp_millis(),
                object(identity.metadata.clone()),
                object(identity.config_overrides.clone()),
                object(identity.prompt_overrides.clone()),
                version,
                identity.standing.as_str(),
                identity.is_admin,
            );
            write::insert(file, ADD_IDENTITY, parameters, || record.name()).map(drop)
        }
        Record::Message(message) => {
            let parameters = (
                message.id.as_str(),
                message.run_id.as_str(),
                message.owner_key.to_string(),
                message.role.as_str(),
                &message.content,
                message.timestamp.timestamp_millis(),
                message.metadata.as_json(),
            );
            write::insert(file, ADD_MESSAGE, parameters, || record.name()).map(drop)
        }
        Record::Session(session) => write::create_session(file, session),
        Record::ApiKey(key) => add_api_key(file, key),
        Record::Usage(usage) => add_usage(file, usage),
        Record::UsedNonce(nonce) => {
            let parameters = (nonce.id.as_bytes(), nonce.expires_at.timestamp_millis());
            write::insert(file, ADD_NONCE, parameters, || record.name()).map(drop)
        }
        Record::Audit(entry) => trust::work::add_audit(file, entry),
        Record::Secret(secret) => {
            write::insert(file, ADD_SECRET, [secret.expose()], || record.name()).map(drop)
        }
        Record::Template(template) => add_template(file, template),
    }
}

fn add_api_key(file: &Connection, key: &ApiKey) -> Result<(), StoreError> {
    let parameters = (
        key.id.to_string(),
        key.digest.as_bytes(),
        key.owner_key.to_string(),
        key.name.as_str(),
        trust::work::json(&key.scopes)?,
        key.models.as_ref().map(trust::work::json).transpose()?,
        key.created_at.timestamp_millis(),
        key.expires_at.timestamp_millis(),
        key.last_used_at.map(|at| at.timestamp_millis()),
        key.revoked_at.map(|at| at.timestamp_millis()),
    );
    let what = || format!("API key {}", key.id);
    write::insert(file, ADD_API_KEY, parameters, what).map(drop)
}

fn add_usage(file: &Connection, usage: &Usage) -> Result<(), StoreError> {
    let (key, count) = (&usage.key, usage.count);
    let what = || format!("the usage of {}", key.owner);
    let number = |number| i64::try_from(number).map_err(|_| conflict(what()));
    let parameters = (
        key.owner.to_string(),
        key.day.to_string(),
        &key.model,
        number(count.runs)?,
        number(count.input_tokens)?,
        number(count.output_tokens)?,
        number(count.cached_input_tokens)?,
        number(count.reasoning_tokens)?,
        number(count.cost_micros)?,
        number(count.estimated_runs)?,
    );
    write::insert(file, ADD_USAGE, parameters, what).map(drop)
}

fn add_template(file: &Connection, template: &StoredTemplate) -> Result<(), StoreError> {
    let what = || format!("the {} template", template.environment);
    let version = i64::try_from(template.version).map_err(|_| conflict(what()))?;
    let doc = serde_json::to_string(&template.doc).map_err(|_| conflict(what()))?;
    let parameters = (
        template.environment.as_str(),
        version,
        doc,
        &template.author,
        template.created_at.timestamp_millis(),
        &template.hash,
    );
    write::insert(file, sql::ADD_TEMPLATE, parameters, what).map(drop)
}
