//! The file as a stream of records. Reads go page by page on the threads that read; what is added
//! is one transaction for each batch.

use async_trait::async_trait;
use nexus_core::{Environment, PublicKey, TokenDigest};
use rusqlite::Connection;

use super::fault::conflict;
use super::{EmbeddedStore, read, rows, write};
use crate::installation::{BATCH, Batch, Installation, Kind, Reader, Record, Templates, Versions};
use crate::{ConfigStore, StoreError, StoredTemplate};

const IDENTITIES: &str = "
    SELECT public_key, created_at, metadata, config_overrides, prompt_overrides, version
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
    SELECT owner_key, created_at, expires_at, scope, digest FROM sessions
    WHERE digest > ?1 ORDER BY digest LIMIT ?2";

const ADD_IDENTITY: &str = "
    INSERT INTO identities
        (public_key, created_at, metadata, config_overrides, prompt_overrides, version)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

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
            Kind::Templates => return Ok(Box::new(Templates::new(self).await?)),
        };
        Ok(Box::new(Pages { store: self, place }))
    }

    async fn make_ready(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn add(&self, records: &[Record]) -> Result<(), StoreError> {
        let records = records.to_vec();
        self.writer
            .write(move |file| records.iter().try_for_each(|record| add(file, record)))
            .await
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
        after = row.get(4)?;
        let digest = <[u8; 32]>::try_from(after.as_slice()).map_err(|_| StoreError::Corrupt {
            what: "a session".to_owned(),
            reason: format!("its digest has {} bytes, expected 32", after.len()),
        });
        let digest = match digest {
            Ok(digest) => TokenDigest::from_bytes(digest),
            Err(error) => return Ok(Err(error)),
        };
        one(rows::session(row, digest).map(Record::Session))
    })?;
    Ok((records, Place::Sessions { after }))
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
        Record::Template(template) => add_template(file, template),
    }
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
    const STAYS: [&str; 1] = ["generations"]; // It counts the changes of this one file.

    #[test]
    fn every_table_is_a_kind_or_is_said_to_stay() {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection).unwrap();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let tables = read::all(&connection, sql, [], |row| Ok(row.get::<_, String>(0)?)).unwrap();
        let moved = ["configurations", "identities", "messages", "sessions"];
        let mut known: Vec<_> = moved.into_iter().chain(STAYS).collect();
        known.sort_unstable();
        assert_eq!(tables, known, "a new table is a new Kind of record");
    }

    #[test]
    fn no_page_walks_through_a_table_or_sorts() {
        let connection = Connection::open_in_memory().unwrap();
        schema::migrate(&connection).unwrap();
        for sql in [IDENTITIES, SAME_OWNER, NEXT_OWNERS, SESSIONS] {
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
