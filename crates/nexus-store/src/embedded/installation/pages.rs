//! What is read of the file, page by page, each in the order of an index.

use async_trait::async_trait;
use chrono::DateTime;
use nexus_core::auth::InstallationSecret;
use nexus_core::{NonceId, PublicKey};
use rusqlite::Connection;

use crate::StoreError;
use crate::embedded::sql::trust as sql;
use crate::embedded::{EmbeddedStore, read, rows, trust};
use crate::installation::{BATCH, Batch, Kind, Reader, Record, UsedNonce};

const IDENTITIES: &str = "
    SELECT public_key, created_at, metadata, config_overrides, prompt_overrides, version,
           standing, is_admin
    FROM identities WHERE public_key > ?1 ORDER BY public_key LIMIT ?2";

/// The rest of one owner.
const SAME_OWNER: &str = "
    SELECT id, run_id, role, content, timestamp, metadata, seq, owner_key FROM messages
    WHERE owner_key = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";

/// The owners after that one.
const NEXT_OWNERS: &str = "
    SELECT id, run_id, role, content, timestamp, metadata, seq, owner_key FROM messages
    WHERE owner_key < ?1 ORDER BY owner_key DESC, seq LIMIT ?2";

const SESSIONS: &str = "
    SELECT owner_key, created_at, expires_at, scope, last_seen_at, idle, client, digest FROM sessions
    WHERE digest > ?1 ORDER BY digest LIMIT ?2";

const API_KEYS: &str = "
    SELECT id, digest, owner_key, name, scopes, models, created_at, expires_at, last_used_at,
           revoked_at
    FROM api_keys WHERE id > ?1 ORDER BY id LIMIT ?2";

const USAGE: &str = "
    SELECT day, model, runs, input_tokens, output_tokens, cached_input_tokens, reasoning_tokens,
           cost_micros, estimated_runs, owner_key
    FROM usage WHERE (owner_key, day, model) > (?1, ?2, ?3)
    ORDER BY owner_key, day, model LIMIT ?4";

const NONCES: &str = "
    SELECT id, expires_at FROM used_nonces WHERE id > ?1 ORDER BY id LIMIT ?2";

const SECRETS: &str = "SELECT secret, id FROM installation WHERE id > ?1 ORDER BY id LIMIT ?2";

/// Sorts after every key.
const OWNERS_END: &str = "\u{10ffff}";

/// What was read last.
#[derive(Clone)]
pub(super) enum Place {
    Identities { after: String },
    Messages { owner: String, seq: i64 },
    Sessions { after: Vec<u8> },
    ApiKeys { after: String },
    Usage { after: (String, String, String) },
    Nonces { after: Vec<u8> },
    Audit { after: i64 },
    Secret { after: i64 },
}

pub(super) struct Pages<'a> {
    pub(super) store: &'a EmbeddedStore,
    pub(super) place: Place,
}

#[async_trait]
impl Reader for Pages<'_> {
    async fn next(&mut self) -> Result<Batch, StoreError> {
        let place = self.place.clone();
        let readers = &self.store.readers;
        let (records, place) = readers.read(move |file| place.page(file)).await?;
        self.place = place;
        Ok(Batch {
            records,
            unknown: Vec::new(),
        })
    }
}

type Page = (Vec<Result<Record, StoreError>>, Place);

impl Place {
    /// Before everything of a kind. `None`: templates are read one by one.
    pub(super) fn first(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Identities => Self::Identities {
                after: String::new(),
            },
            Kind::Messages => Self::Messages {
                owner: OWNERS_END.to_owned(),
                seq: i64::MAX,
            },
            Kind::Sessions => Self::Sessions { after: Vec::new() },
            Kind::ApiKeys => Self::ApiKeys {
                after: String::new(),
            },
            Kind::Usage => Self::Usage {
                after: Default::default(),
            },
            Kind::UsedNonces => Self::Nonces { after: Vec::new() },
            Kind::Audit => Self::Audit { after: i64::MIN },
            Kind::Secret => Self::Secret { after: 0 },
            Kind::Templates => return None,
        })
    }

    fn page(self, file: &Connection) -> Result<Page, StoreError> {
        match self {
            Self::Identities { after } => identities(file, after),
            Self::Messages { owner, seq } => messages(file, &owner, seq),
            Self::Sessions { after } => sessions(file, after),
            Self::ApiKeys { after } => api_keys(file, after),
            Self::Usage { after } => usage(file, after),
            Self::Nonces { after } => nonces(file, after),
            Self::Audit { after } => audit(file, after),
            Self::Secret { after } => secret(file, after),
        }
    }
}

fn identities(file: &Connection, mut after: String) -> Result<Page, StoreError> {
    let records = read::all(file, IDENTITIES, (&after.clone(), BATCH), |row| {
        after = row.get(0)?;
        one(rows::whole_identity(row).map(Record::Identity))
    })?;
    Ok((records, Place::Identities { after }))
}

/// A page may be short where one owner ends; the next one goes on with the others.
fn messages(file: &Connection, owner: &str, seq: i64) -> Result<Page, StoreError> {
    let mut last = (owner.to_owned(), seq);
    let mut take = |row: &rusqlite::Row<'_>| {
        last = (row.get(7)?, row.get(6)?);
        one(message(row, &last.0))
    };
    let parameters = (owner, seq, BATCH);
    let mut records = read::all(file, SAME_OWNER, parameters, &mut take)?;
    if records.is_empty() {
        records = read::all(file, NEXT_OWNERS, (owner, BATCH), &mut take)?;
    }
    let (owner, seq) = last;
    Ok((records, Place::Messages { owner, seq }))
}

fn message(row: &rusqlite::Row<'_>, owner: &str) -> Result<Record, StoreError> {
    let owner: PublicKey = owner.parse().map_err(|error| StoreError::Corrupt {
        what: format!("a message of {owner}"),
        reason: format!("owner_key: {error}"),
    })?;
    rows::message(row, owner).map(Record::Message)
}

fn sessions(file: &Connection, mut after: Vec<u8>) -> Result<Page, StoreError> {
    let records = read::all(file, SESSIONS, (&after.clone(), BATCH), |row| {
        after = row.get(7)?;
        one(bytes(&after, "a session")
            .and_then(|_| rows::session(row))
            .map(Record::Session))
    })?;
    Ok((records, Place::Sessions { after }))
}

fn api_keys(file: &Connection, mut after: String) -> Result<Page, StoreError> {
    let records = read::all(file, API_KEYS, (&after.clone(), BATCH), |row| {
        after = row.get(0)?;
        one(trust::rows::api_key(row).map(Record::ApiKey))
    })?;
    Ok((records, Place::ApiKeys { after }))
}

fn usage(file: &Connection, after: (String, String, String)) -> Result<Page, StoreError> {
    let mut last = after.clone();
    let parameters = (after.0, after.1, after.2, BATCH);
    let records = read::all(file, USAGE, parameters, |row| {
        last = (row.get(9)?, row.get(0)?, row.get(1)?);
        let owner = last.0.parse().map_err(|error| StoreError::Corrupt {
            what: format!("the usage of {}", last.0),
            reason: format!("owner_key: {error}"),
        });
        one(owner
            .and_then(|owner| trust::rows::usage(row, owner))
            .map(Record::Usage))
    })?;
    Ok((records, Place::Usage { after: last }))
}

fn nonces(file: &Connection, mut after: Vec<u8>) -> Result<Page, StoreError> {
    let records = read::all(file, NONCES, (&after.clone(), BATCH), |row| {
        after = row.get(0)?;
        let millis: i64 = row.get(1)?;
        let expires_at = DateTime::from_timestamp_millis(millis);
        let expires_at = expires_at.ok_or_else(|| StoreError::Corrupt {
            what: "a used nonce".to_owned(),
            reason: format!("expires_at is {millis}, expected milliseconds since 1970"),
        });
        one(bytes(&after, "a used nonce").and_then(|id| {
            let id = NonceId::from_bytes(id);
            let expires_at = expires_at?;
            Ok(Record::UsedNonce(UsedNonce { id, expires_at }))
        }))
    })?;
    Ok((records, Place::Nonces { after }))
}

fn audit(file: &Connection, mut after: i64) -> Result<Page, StoreError> {
    let records = read::all(file, sql::AUDIT, (after, BATCH), |row| {
        after = row.get(0)?;
        one(trust::rows::audit(row).map(Record::Audit))
    })?;
    Ok((records, Place::Audit { after }))
}

fn secret(file: &Connection, mut after: i64) -> Result<Page, StoreError> {
    let records = read::all(file, SECRETS, (after, BATCH), |row| {
        after = row.get(1)?;
        let secret: Vec<u8> = row.get(0)?;
        let secret = bytes(&secret, "the secret of the installation");
        one(secret.map(|secret| Record::Secret(InstallationSecret::from_bytes(secret))))
    })?;
    Ok((records, Place::Secret { after }))
}

fn bytes(found: &[u8], what: &str) -> Result<[u8; 32], StoreError> {
    found.try_into().map_err(|_| StoreError::Corrupt {
        what: what.to_owned(),
        reason: format!("it has {} bytes, expected 32", found.len()),
    })
}

/// A record that cannot be read does not end the page.
fn one(read: Result<Record, StoreError>) -> Result<Result<Record, StoreError>, StoreError> {
    match read {
        Err(error @ StoreError::Corrupt { .. }) => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(record) => Ok(Ok(record)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::schema;

    #[test]
    fn no_page_walks_through_a_table_or_sorts() {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection).unwrap();
        for sql in [
            IDENTITIES,
            SAME_OWNER,
            NEXT_OWNERS,
            SESSIONS,
            API_KEYS,
            USAGE,
            NONCES,
            sql::AUDIT,
            SECRETS,
        ] {
            let mut statement = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap();
            let details = statement
                .raw_query()
                .mapped(|row| row.get::<_, String>("detail"));
            let plan = details.collect::<Result<Vec<_>, _>>().unwrap().join("; ");
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP"), "{plan}");
        }
    }
}
