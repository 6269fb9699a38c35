//! Rows that cannot be read: looking through the tables for them, and deleting them.

use async_trait::async_trait;
use nexus_core::{ApiKeyId, PublicKey, TokenDigest};
use rusqlite::{Connection, Params, Row};

use super::read::{self, BYTES, name};
use super::write::{Erasure, execute};
use super::{EmbeddedStore, rows, sql, trust};
use crate::installation::ENVIRONMENTS;
use crate::quarantine::{self, Found};
use crate::{
    Collection, Erased, QuarantineStore, StoreError, StoredTemplate, Subject, UnreadablePage,
};

const MESSAGES: &str = "
    SELECT id, run_id, role, content, timestamp, metadata, seq, owner_key FROM messages
    WHERE seq > ?1 ORDER BY seq LIMIT ?2";

const MESSAGE: &str = "
    SELECT id, run_id, role, content, timestamp, metadata, seq, owner_key FROM messages
    WHERE id = CAST(?1 AS TEXT)";

const SESSIONS: &str = "
    SELECT owner_key, created_at, expires_at, scope, last_seen_at, idle, client, digest FROM sessions
    WHERE digest > ?1 ORDER BY digest LIMIT ?2";

const API_KEYS: &str = "
    SELECT id, digest, owner_key, name, scopes, models, created_at, expires_at, last_used_at,
           revoked_at
    FROM api_keys WHERE id > CAST(?1 AS TEXT) ORDER BY id LIMIT ?2";

const API_KEY: &str = "
    SELECT id, digest, owner_key, name, scopes, models, created_at, expires_at, last_used_at,
           revoked_at
    FROM api_keys WHERE id = CAST(?1 AS TEXT)";

const USAGE: &str = "
    SELECT day, model, runs, input_tokens, output_tokens, cached_input_tokens, reasoning_tokens,
           cost_micros, estimated_runs, owner_key
    FROM usage
    WHERE (owner_key, day, model) > (CAST(?1 AS TEXT), CAST(?2 AS TEXT), CAST(?3 AS TEXT))
    ORDER BY owner_key, day, model LIMIT ?4";

const USAGE_OF: &str = "
    SELECT day, model, runs, input_tokens, output_tokens, cached_input_tokens, reasoning_tokens,
           cost_micros, estimated_runs, owner_key
    FROM usage
    WHERE owner_key = CAST(?1 AS TEXT) AND day = CAST(?2 AS TEXT) AND model = CAST(?3 AS TEXT)";

const CONFIGURATIONS: &str = "
    SELECT version, doc, author, created_at, hash, environment, rowid FROM configurations
    WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

#[async_trait]
impl QuarantineStore for EmbeddedStore {
    async fn unreadable(
        &self,
        collection: Collection,
        after: Option<String>,
        limit: u32,
    ) -> Result<UnreadablePage, StoreError> {
        self.readers
            .read(move |file| look(file, collection, after, limit))
            .await
    }

    async fn delete_unreadable(
        &self,
        collection: Collection,
        id: String,
    ) -> Result<Option<Erased>, StoreError> {
        let deleted = self.writer.erase(
            move |file| delete(file, collection, &id),
            |deleted| {
                let subjects = deleted.iter().flat_map(|(_, subjects)| subjects);
                subjects.copied().map(super::Change::from).collect()
            },
        );
        Ok(deleted.await?.map(|(erased, _)| erased))
    }
}

/// A row, or why it cannot be read, and where the page would end after it.
type Seen = (Found<()>, String);

fn look(
    file: &Connection,
    collection: Collection,
    after: Option<String>,
    limit: u32,
) -> Result<UnreadablePage, StoreError> {
    let more = read::one_more(limit);
    let after = after.unwrap_or_default();
    let number = after.parse().unwrap_or(i64::MIN);
    let seen = match collection {
        Collection::Identities => through(
            file,
            sql::IDENTITIES,
            (bytes(&after), more),
            collection,
            |row| (rows::identity(row).map(drop), name(row, 0)),
        ),
        Collection::Messages => through(file, MESSAGES, (number, more), collection, |row| {
            (message(row), name(row, 6))
        }),
        Collection::Sessions => through(file, SESSIONS, (bytes(&after), more), collection, |row| {
            (rows::session(row).map(drop), name(row, 7))
        }),
        Collection::ApiKeys => through(file, API_KEYS, (bytes(&after), more), collection, |row| {
            (trust::rows::api_key(row).map(drop), name(row, 0))
        }),
        Collection::Usage => {
            let [owner, day, model] = parts(&after);
            let parameters = (owner, day, model, more);
            through(file, USAGE, parameters, collection, |row| {
                (usage(row), id(row, collection))
            })
        }
        Collection::Configurations => {
            through(file, CONFIGURATIONS, (number, more), collection, |row| {
                (template(row).map(drop), name(row, 6))
            })
        }
        Collection::Audit => {
            let parameters = (number, more);
            through(file, sql::trust::AUDIT, parameters, collection, |row| {
                (trust::rows::audit(row).map(drop), name(row, 0))
            })
        }
    }?;
    let (seen, has_more) = read::page(seen, limit);
    let next = seen.last().filter(|_| has_more).map(|(_, end)| end.clone());
    let looked_at = seen.len() as u64;
    let (_, unreadable) = quarantine::sorted(seen.into_iter().map(|it| it.0));
    Ok(UnreadablePage {
        unreadable,
        looked_at,
        next,
    })
}

fn through(
    file: &Connection,
    sql: &str,
    parameters: impl Params,
    collection: Collection,
    read: impl Fn(&Row<'_>) -> (Result<(), StoreError>, String),
) -> Result<Vec<Seen>, StoreError> {
    read::all(file, sql, parameters, |row| {
        let (document, end) = read(row);
        let found = quarantine::found(document, collection, || id(row, collection))?;
        Ok((found, end))
    })
}

/// The name by which a row can be deleted.
fn id(row: &Row<'_>, collection: Collection) -> String {
    match collection {
        Collection::Sessions => name(row, 7),
        Collection::Usage => {
            let parts = [name(row, 9), name(row, 0), name(row, 1)];
            serde_json::json!(parts).to_string()
        }
        Collection::Configurations => format!("{} {}", name(row, 5), name(row, 0)),
        _ => name(row, 0),
    }
}

/// Deletes a row if it cannot be read, and says what was remembered of it.
fn delete(
    file: &Connection,
    collection: Collection,
    id: &str,
) -> Result<Option<(Erased, Vec<Subject>)>, StoreError> {
    let key = bytes(id);
    let mut erased = Erased::default();
    let subject = match collection {
        Collection::Identities => {
            let by_key = "SELECT public_key, created_at, metadata, config_overrides,
                                 prompt_overrides, version, standing, is_admin
                          FROM identities WHERE public_key = CAST(?1 AS TEXT)";
            if !is_unreadable(file, by_key, [&key], rows::identity)? {
                return Ok(None);
            }
            let erasure = Erasure {
                key: id.parse().ok(),
                name: key,
                left_at: None,
            };
            return erasure.run(file).map(Some);
        }
        Collection::Messages => {
            if !is_unreadable(file, MESSAGE, [&key], message)? {
                return Ok(None);
            }
            let sql = "DELETE FROM messages WHERE id = CAST(?1 AS TEXT)";
            erased.messages = execute(file, sql, [&key])?;
            None
        }
        Collection::Sessions => {
            if !is_unreadable(file, sql::SESSION, [&key], rows::session)? {
                return Ok(None);
            }
            erased.sessions = execute(file, "DELETE FROM sessions WHERE digest = ?1", [&key])?;
            let digest = <[u8; 32]>::try_from(key).ok();
            digest.map(|digest| Subject::Session(TokenDigest::from_bytes(digest)))
        }
        Collection::ApiKeys => {
            if !is_unreadable(file, API_KEY, [&key], trust::rows::api_key)? {
                return Ok(None);
            }
            let sql = "DELETE FROM api_keys WHERE id = CAST(?1 AS TEXT)";
            erased.api_keys = execute(file, sql, [&key])?;
            id.parse::<ApiKeyId>().ok().map(Subject::ApiKey)
        }
        Collection::Usage => {
            let parts = parts(id);
            if !is_unreadable(file, USAGE_OF, parts.clone(), usage)? {
                return Ok(None);
            }
            let sql = "DELETE FROM usage WHERE owner_key = CAST(?1 AS TEXT)
                       AND day = CAST(?2 AS TEXT) AND model = CAST(?3 AS TEXT)";
            erased.usage = execute(file, sql, parts)?;
            None
        }
        Collection::Configurations | Collection::Audit => return Ok(None),
    };
    Ok(Some((erased, subject.into_iter().collect())))
}

/// Whether there is a row that cannot be read.
fn is_unreadable<T>(
    file: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
) -> Result<bool, StoreError> {
    match read::one(file, sql, parameters, read) {
        Ok(_) => Ok(false),
        Err(StoreError::Corrupt { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A message of anybody.
fn message(row: &Row<'_>) -> Result<(), StoreError> {
    let owner = owner(row, 7, || format!("message {}", name(row, 0)))?;
    rows::message(row, owner).map(drop)
}

fn usage(row: &Row<'_>) -> Result<(), StoreError> {
    let owner = owner(row, 9, || format!("the usage of {}", name(row, 9)))?;
    trust::rows::usage(row, owner).map(drop)
}

fn owner(
    row: &Row<'_>,
    index: usize,
    what: impl FnOnce() -> String,
) -> Result<PublicKey, StoreError> {
    let owner = name(row, index);
    owner.parse().map_err(|error| StoreError::Corrupt {
        what: what(),
        reason: format!("owner_key is {owner:?}: {error}"),
    })
}

fn template(row: &Row<'_>) -> Result<StoredTemplate, StoreError> {
    let environment = name(row, 5);
    let mut environments = ENVIRONMENTS.into_iter();
    match environments.find(|it| it.as_str() == environment) {
        Some(environment) => rows::template(row, environment),
        None => Err(StoreError::Corrupt {
            what: format!("a template of {environment:?}"),
            reason: "environment: expected development or production".to_owned(),
        }),
    }
}

/// The bytes of a value that has this [`name`].
pub(super) fn bytes(name: &str) -> Vec<u8> {
    let digits = name.strip_prefix(BYTES).and_then(quarantine::from_hex);
    digits.unwrap_or_else(|| name.as_bytes().to_vec())
}

/// The three columns that name a row of usage.
fn parts(id: &str) -> [Vec<u8>; 3] {
    let parts: [String; 3] = serde_json::from_str(id).unwrap_or_default();
    parts.map(|part| bytes(&part))
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
            MESSAGES,
            MESSAGE,
            SESSIONS,
            API_KEYS,
            API_KEY,
            USAGE,
            USAGE_OF,
            CONFIGURATIONS,
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

    #[test]
    fn every_value_is_found_by_its_name() {
        assert_eq!(bytes("0xsomebody"), b"0xsomebody");
        assert_eq!(bytes("hex:00fF"), [0, 255]);
        assert_eq!(bytes("hex:0"), b"hex:0");
        assert_eq!(
            parts(r#"["a b","hex:ff","c"]"#),
            [b"a b".to_vec(), vec![255], b"c".to_vec()]
        );
    }
}
