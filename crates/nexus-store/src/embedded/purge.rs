//! Rows that have no further use, a few at a time: other writes need not wait for long.

use chrono::TimeDelta;
use nexus_core::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::read;
use super::trust::work::forgotten;
use crate::types::ENDED_SESSION;
use crate::{API_KEY_KEPT, StoreError};

/// How many rows of a table are removed at once.
const PORTION: u32 = 500;

const SESSIONS: &str = "SELECT digest FROM sessions WHERE expires_at < ?1 LIMIT ?2";

const API_KEYS: &str = "SELECT id FROM api_keys WHERE expires_at < ?1 OR revoked_at < ?1 LIMIT ?2";

/// The names of rows to remove.
pub(super) struct Doomed {
    sessions: Vec<Value>,
    api_keys: Vec<Value>,
}

impl Doomed {
    /// Looks for them. No index says when sessions and keys end, so this walks through the tables,
    /// which is for a thread that reads.
    pub(super) fn find(file: &Connection, at: Timestamp) -> Result<Self, StoreError> {
        let names = |sql, kept: TimeDelta| {
            let before = (at - kept).timestamp_millis();
            read::all(file, sql, (before, PORTION), |row| Ok(row.get(0)?))
        };
        Ok(Self {
            sessions: names(SESSIONS, ENDED_SESSION)?,
            api_keys: names(API_KEYS, API_KEY_KEPT)?,
        })
    }

    /// Removes them, and nonces and counters that have ended. An ended session or key is accepted by
    /// nobody, so that nobody has to hear of it.
    pub(super) fn remove(self, file: &Connection, at: Timestamp) -> Result<u64, StoreError> {
        let ended = forgotten(at);
        let mut removed = 0;
        for (sql, names) in [
            ("DELETE FROM sessions WHERE digest = ?1", self.sessions),
            ("DELETE FROM api_keys WHERE id = ?1", self.api_keys),
        ] {
            let mut delete = file.prepare_cached(sql)?;
            for name in names {
                removed += delete.execute(params_from_iter([name]))? as u64;
            }
        }
        for sql in [
            "DELETE FROM used_nonces
             WHERE id IN (SELECT id FROM used_nonces WHERE expires_at < ?1 LIMIT ?2)",
            "DELETE FROM counters
             WHERE id IN (SELECT id FROM counters WHERE expires_at < ?1 LIMIT ?2)",
        ] {
            removed += file.prepare_cached(sql)?.execute((ended, PORTION))? as u64;
        }
        Ok(removed)
    }
}
