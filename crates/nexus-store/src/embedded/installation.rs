//! The file as a stream of records. Reads go page by page on the threads that read; what is added
//! is one transaction for each batch.

mod add;
mod pages;

use async_trait::async_trait;
use nexus_core::Environment;
use rusqlite::Connection;

use self::pages::{Pages, Place};
use super::EmbeddedStore;
use super::changes::Change;
use crate::installation::{Installation, Kind, Reader, Record, Templates, Versions};
use crate::{ConfigStore, StoreError, StoredTemplate};

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
        Ok(match Place::first(kind) {
            Some(place) => Box::new(Pages { store: self, place }),
            None => Box::new(Templates::new(self).await?),
        })
    }

    async fn make_ready(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn add(&self, records: &[Record]) -> Result<(), StoreError> {
        let records = records.to_vec();
        let changed = records.iter().filter_map(change).collect();
        self.writer
            .change(
                move |file| records.iter().try_for_each(|record| add::add(file, record)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::{read, schema};

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
}
