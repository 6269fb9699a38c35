//! The file as a stream of records. Reads go page by page on the threads that read; what is added
//! is one transaction for each batch.

use async_trait::async_trait;
use chrono::DateTime;
use nexus_core::auth::InstallationSecret;
use nexus_core::{ApiKey, Environment, NonceId, PublicKey, Usage};
use rusqlite::Connection;

use super::changes::Change;
use super::fault::conflict;
use super::sql::trust as sql;
use super::{EmbeddedStore, read, rows, trust, write};
use crate::installation::{
    BATCH, Batch, Installation, Kind, Reader, Record, Templates, UsedNonce, Versions,
};
use crate::{ConfigStore, StoreError, StoredTemplate};

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

#[async_trait]
impl Versions for EmbeddedStore {
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
impl Installation for EmbeddedStore {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        let table = match kind {
            Kind::Identities => "SELECT count(*) FROM identities",
            Kind::Messages => "SELECT count(*) FROM messages",
            Kind::Sessions => "SELECT count(*) FROM sessions",
            Kind::ApiKeys => "SELECT count(*) FROM api_keys",
            Kind::Usage => "SELECT count(*) FROM usage",
            Kind::UsedNonces => "SELECT count(*) FROM used_nonces",
            Kind::Audit => "SELECT count(*) FROM audit",
            Kind::Secret => "SELECT count(*) FROM installation",
            Kind::Templates => "SELECT count(*) FROM configurations",
        };
        let count = |file: &Connection| -> Result<i64, StoreError> {
            Ok(file.query_row(table, [], |row| row.get(0))?)
        };
        self.readers.read(count).await.map(i64::cast_unsigned)
    }

    async fn read(&self, kind: Kind) -> Result<Box<dyn Reader + '_>, StoreError> {
        let place = match kind {
            Kind::Identities => Place::Identities {
                after: String::new(),
            },
            Kind::Messages => Place::Messages {
                owner: OWNERS_END.to_owned(),
                seq: i64::MAX,
            },
            Kind::Sessions => Place::Sessions { after: Vec::new() },
            Kind::ApiKeys => Place::ApiKeys {
                after: String::new(),
            },
            Kind::Usage => Place::Usage {
                after: Default::default(),
            },
            Kind::UsedNonces => Place::Nonces { after: Vec::new() },
            Kind::Audit => Place::Audit { after: i64::MIN },
            Kind::Secret => Place::Secret { after: 0 },
            Kind::Templates => return Ok(Box::new(Templates::new(self).await?)),
        };
        Ok(Box::new(Pages { store: self, place }))
    }

    async fn make_ready(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn add(&self, records: &[Record]) -> Result<(), StoreError> {
        let records = records.to_vec();
        let changed = records.iter().filter_map(change).collect();
        self.writer
            .change(
                move |file| records.iter().try_for_each(|record| add(file, record)),
                |()| changed,
            )
            .await
    }
}

/// What may be remembered of it.
fn change(record: &Record) -> Option<Change> {
    match record {
        Record::Identity(identity) => Some(identity.public_key.into()),
        Record::Session(session) => Some(session.digest.into()),
        Record::ApiKey(key) => Some(key.id.into()),
        Record::Template(_) => Some(Change::Template),
        Record::Message(_)
        | Record::Usage(_)
        | Record::UsedNonce(_)
        | Record::Audit(_)
        | Record::Secret(_) => None,
    }
}

/// Sorts after every key.
const OWNERS_END: &str = "\u{10ffff}";

/// What was read last.
#[derive(Clone)]
enum Place {
    Identities { after: String },
    Messages { owner: String, seq: i64 },
    Sessions { after: Vec<u8> },
    ApiKeys { after: String },
    Usage { after: (String, String, String) },
    Nonces { after: Vec<u8> },
    Audit { after: i64 },
    Secret { after: i64 },
}

struct Pages<'a> {
    store: &'a EmbeddedStore,
    place: Place,
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

fn add(file: &Connection, record: &Record) -> Result<(), StoreError> {
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
    write::insert(file, super::sql::ADD_TEMPLATE, parameters, what).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::schema;

    /// What is not moved, and why.
    const STAYS: [&str; 3] = [
        "counters",    // Each is for a short window of time: after a move, limits begin anew.
        "generations", // It counts the changes of this one file.
        "running",     // What is under way ends before a move.
    ];

    #[test]
    fn every_table_is_a_kind_or_is_said_to_stay() {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection).unwrap();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let tables = read::all(&connection, sql, [], |row| Ok(row.get::<_, String>(0)?)).unwrap();
        let moved = [
            "api_keys",
            "audit",
            "configurations",
            "identities",
            "installation",
            "messages",
            "sessions",
            "usage",
            "used_nonces",
        ];
        let mut known: Vec<_> = moved.into_iter().chain(STAYS).collect();
        known.sort_unstable();
        assert_eq!(tables, known, "a new table is a new Kind of record");
    }

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
