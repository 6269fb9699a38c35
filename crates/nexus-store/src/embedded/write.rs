//! What changes the file. Each function runs inside a transaction of the writer, and what it
//! checks still holds when it writes.

use nexus_core::identity::TIME_ZONE;
use nexus_core::overrides::Section;
use nexus_core::{
    ApiKeyId, Field, Identity, Message, MessageId, Metadata, OverrideTarget, OverrideWrite,
    PublicKey, Session, Standing, Timestamp, TokenDigest,
};
use rusqlite::{Connection, Params};
use serde_json::Value;

use super::fault::{conflict, is_duplicate};
use super::{read, sql};
use crate::types::ENDED_SESSION;
use crate::{Created, Erased, NewTemplate, StoreError, StoredTemplate, Subject};

pub(super) fn put_template(
    connection: &Connection,
    new: &NewTemplate,
    expected: Option<u64>,
) -> Result<StoredTemplate, StoreError> {
    let what = || format!("the {} template", new.environment);
    // Its number only: a document that somebody made unreadable can still be followed by another.
    let newest = read::template_versions(connection, new.environment, None, 1)?;
    let current = newest.first().map(|newest| newest.version);
    if current != expected {
        return Err(conflict(what()));
    }
    let version = i64::try_from(current.unwrap_or(0)).map_err(|_| conflict(what()))? + 1;
    let doc = serde_json::to_string(&new.doc).map_err(|error| StoreError::Unavailable {
        reason: error.to_string(),
    })?;
    execute(
        connection,
        sql::ADD_TEMPLATE,
        (
            new.environment.as_str(),
            version,
            doc,
            &new.author,
            new.created_at.timestamp_millis(),
            new.doc.hash(),
        ),
    )?;
    read::template(connection, new.environment)?.ok_or_else(|| conflict(what()))
}

pub(super) fn create_identity(
    connection: &Connection,
    key: PublicKey,
    standing: Standing,
    at: Timestamp,
) -> Result<Created, StoreError> {
    let parameters = (key.to_string(), at.timestamp_millis(), standing.as_str());
    let is_new = execute(connection, sql::ADD_IDENTITY, parameters)? == 1;
    let identity = read::identity(connection, key)?.ok_or_else(|| gone(key))?;
    Ok(Created { identity, is_new })
}

pub(super) fn write_override(
    connection: &Connection,
    identity: &Identity,
    write: &OverrideWrite,
) -> Result<Identity, StoreError> {
    let key = identity.public_key;
    let config = (sql::SET_CONFIG, sql::UNSET_CONFIG);
    let prompt = (sql::SET_PROMPT, sql::UNSET_PROMPT);
    let ((set, unset), name) = match write.target() {
        OverrideTarget::Field(Field::Config(field)) => (config, field.as_str()),
        OverrideTarget::Field(Field::Prompt(name)) => (prompt, name.as_str()),
        OverrideTarget::Unknown(found) => match found.section {
            Section::Config => (config, &*found.key),
            Section::Prompts => (prompt, &*found.key),
        },
        OverrideTarget::TimeZone => ((sql::SET_METADATA, sql::UNSET_METADATA), TIME_ZONE),
    };
    // A quoted label of a path is a string of JSON.
    let path = format!("$.{}", Value::from(name));
    let created_at = identity.created_at.timestamp_millis();
    let version = i64::try_from(identity.version).map_err(|_| gone(key))?;
    let changed = match write.value() {
        Some(value) => {
            let parameters = (
                key.to_string(),
                created_at,
                version,
                path,
                value.to_string(),
            );
            execute(connection, set, parameters)?
        }
        None => execute(
            connection,
            unset,
            (key.to_string(), created_at, version, path),
        )?,
    };
    if changed == 0 {
        return Err(gone(key));
    }
    read::identity(connection, key)?.ok_or_else(|| gone(key))
}

/// Whose data goes.
pub(super) struct Erasure {
    /// The key, if it is one.
    pub(super) key: Option<PublicKey>,
    /// As it is stored.
    pub(super) name: Vec<u8>,
    /// Its owner wants it; who is disabled stays so.
    pub(super) left_at: Option<Timestamp>,
}

impl Erasure {
    pub(super) fn of(key: PublicKey, left_at: Option<Timestamp>) -> Self {
        Self {
            key: Some(key),
            name: key.to_string().into_bytes(),
            left_at,
        }
    }

    /// Says what was remembered of all that, too.
    pub(super) fn run(self, connection: &Connection) -> Result<(Erased, Vec<Subject>), StoreError> {
        let mut subjects: Vec<_> = self.key.map(Subject::Identity).into_iter().collect();
        let key = self.name;
        let messages = execute(connection, sql::ERASE_MESSAGES, [&key])?;
        // A digest or an id that is none was never asked for.
        let sessions = read::all(connection, sql::ERASE_SESSIONS, [&key], |row| {
            let digest: Vec<u8> = row.get(0)?;
            let digest = <[u8; 32]>::try_from(digest).ok();
            Ok(digest.map(|it| Subject::Session(TokenDigest::from_bytes(it))))
        })?;
        let api_keys = read::all(connection, sql::trust::ERASE_API_KEYS, [&key], |row| {
            let id: Option<ApiKeyId> = read::name(row, 0).parse().ok();
            Ok(id.map(Subject::ApiKey))
        })?;
        let kept = match self.left_at {
            Some(at) => execute(
                connection,
                sql::KEEP_DISABLED,
                (&key, at.timestamp_millis()),
            )?,
            None => 0,
        };
        let identities = match kept {
            0 => execute(connection, sql::ERASE_IDENTITY, [&key])?,
            kept => kept,
        };
        let erased = Erased {
            messages,
            sessions: sessions.len() as u64,
            api_keys: api_keys.len() as u64,
            usage: execute(connection, sql::trust::ERASE_USAGE, [&key])?,
            counters: execute(connection, sql::trust::ERASE_COUNTERS, [&key])?
                + execute(connection, sql::trust::ERASE_RUNNING, [&key])?,
            identities,
            stays_disabled: kept > 0,
        };
        subjects.extend(sessions.into_iter().flatten());
        subjects.extend(api_keys.into_iter().flatten());
        Ok((erased, subjects))
    }
}

pub(super) fn append(
    connection: &Connection,
    owner: (PublicKey, Timestamp),
    message: &Message,
) -> Result<(), StoreError> {
    let (key, created_at) = owner;
    let parameters = (
        key.to_string(),
        created_at.timestamp_millis(),
        message.id.as_str(),
        message.run_id.as_str(),
        message.role.as_str(),
        &message.content,
        message.timestamp.timestamp_millis(),
        message.metadata.as_json(),
    );
    let what = || format!("message {}", message.id);
    match insert(connection, sql::ADD_MESSAGE, parameters, what)? {
        0 => Err(gone(key)),
        _ => Ok(()),
    }
}

pub(super) fn set_message_metadata(
    connection: &Connection,
    owner: PublicKey,
    id: &MessageId,
    metadata: &Metadata,
) -> Result<bool, StoreError> {
    let parameters = (id.as_str(), owner.to_string(), metadata.as_json());
    Ok(execute(connection, sql::SET_MESSAGE_METADATA, parameters)? > 0)
}

pub(super) fn remove_messages(
    connection: &Connection,
    owner: PublicKey,
    ids: &[MessageId],
) -> Result<u64, StoreError> {
    let owner = owner.to_string();
    ids.iter().try_fold(0, |removed, id| {
        let parameters = (id.as_str(), &owner);
        Ok(removed + execute(connection, sql::REMOVE_MESSAGE, parameters)?)
    })
}

pub(super) fn create_session(connection: &Connection, session: &Session) -> Result<(), StoreError> {
    let parameters = (
        session.digest.as_bytes(),
        session.owner_key.to_string(),
        session.scope.as_str(),
        session.created_at.timestamp_millis(),
        session.expires_at.timestamp_millis(),
        session.last_seen_at.timestamp_millis(),
        session.idle.map(|idle| idle.num_milliseconds()),
        session.client.as_str(),
    );
    let what = || format!("the session of {}", session.owner_key);
    insert(connection, sql::ADD_SESSION, parameters, what)?;
    let forgotten = (session.created_at - ENDED_SESSION).timestamp_millis();
    execute(connection, sql::trust::FORGET_SESSIONS, [forgotten])?;
    Ok(())
}

pub(super) fn gone(key: PublicKey) -> StoreError {
    conflict(format!("identity {key}"))
}

/// Adds a row. That it is there already is a conflict about `what`.
pub(super) fn insert(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    what: impl FnOnce() -> String,
) -> Result<usize, StoreError> {
    connection
        .prepare_cached(sql)?
        .execute(parameters)
        .map_err(|error| {
            if is_duplicate(&error) {
                conflict(what())
            } else {
                error.into()
            }
        })
}

/// How many rows were changed.
pub(super) fn execute(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<u64, StoreError> {
    Ok(connection.prepare_cached(sql)?.execute(parameters)? as u64)
}
