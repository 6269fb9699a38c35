//! The statements of the request path. A test asks SQLite for the plan of each: none may walk
//! through a table or sort.

pub(super) mod trust;

pub(super) const GENERATION: &str = "SELECT n FROM generations WHERE id = 1";

pub(super) const TEMPLATE: &str = "
    SELECT version, doc, author, created_at, hash FROM configurations
    WHERE environment = ?1 ORDER BY version DESC LIMIT 1";

pub(super) const TEMPLATE_VERSION: &str = "
    SELECT version, doc, author, created_at, hash FROM configurations
    WHERE environment = ?1 AND version = ?2";

pub(super) const TEMPLATE_VERSIONS: &str = "
    SELECT version, author, created_at, hash FROM configurations
    WHERE environment = ?1 AND version < ?2 ORDER BY version DESC LIMIT ?3";

pub(super) const ADD_TEMPLATE: &str = "
    INSERT INTO configurations (environment, version, doc, author, created_at, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) const IDENTITY: &str = "
    SELECT public_key, created_at, metadata, config_overrides, prompt_overrides, version,
           standing, is_admin
    FROM identities WHERE public_key = ?1";

pub(super) const IDENTITIES: &str = "
    SELECT public_key, created_at, metadata, config_overrides, prompt_overrides, version,
           standing, is_admin
    FROM identities WHERE public_key > CAST(?1 AS TEXT) ORDER BY public_key LIMIT ?2";

pub(super) const ADD_IDENTITY: &str = "
    INSERT INTO identities (public_key, created_at, standing) VALUES (?1, ?2, ?3)
    ON CONFLICT (public_key) DO NOTHING";

// The moment of registration is compared too: a key that was erased and registered again starts
// over, and nothing that was decided in its former life may be written into the new one.

pub(super) const SET_CONFIG: &str = "
    UPDATE identities
    SET config_overrides = json_set(config_overrides, ?4, json(?5)), version = version + 1
    WHERE public_key = ?1 AND created_at = ?2 AND version = ?3";

pub(super) const UNSET_CONFIG: &str = "
    UPDATE identities
    SET config_overrides = json_remove(config_overrides, ?4), version = version + 1
    WHERE public_key = ?1 AND created_at = ?2 AND version = ?3";

pub(super) const SET_PROMPT: &str = "
    UPDATE identities
    SET prompt_overrides = json_set(prompt_overrides, ?4, json(?5)), version = version + 1
    WHERE public_key = ?1 AND created_at = ?2 AND version = ?3";

pub(super) const UNSET_PROMPT: &str = "
    UPDATE identities
    SET prompt_overrides = json_remove(prompt_overrides, ?4), version = version + 1
    WHERE public_key = ?1 AND created_at = ?2 AND version = ?3";

pub(super) const SET_METADATA: &str = "
    UPDATE identities
    SET metadata = json_set(metadata, ?4, json(?5)), version = version + 1
    WHERE public_key = ?1 AND created_at = ?2 AND version = ?3";

pub(super) const UNSET_METADATA: &str = "
    UPDATE identities
    SET metadata = json_remove(metadata, ?4), version = version + 1
    WHERE public_key = ?1 AND created_at = ?2 AND version = ?3";

pub(super) const ADD_MESSAGE: &str = "
    INSERT INTO messages (id, run_id, owner_key, role, content, timestamp, metadata)
    SELECT ?3, ?4, public_key, ?5, ?6, ?7, ?8 FROM identities
    WHERE public_key = ?1 AND created_at = ?2";

pub(super) const HISTORY: &str = "
    SELECT id, run_id, role, content, timestamp, metadata, seq FROM messages
    WHERE owner_key = ?1 AND role IN ('human', 'ai') AND content <> '' AND run_id <> ?2
    ORDER BY seq DESC LIMIT ?3";

pub(super) const MESSAGES: &str = "
    SELECT id, run_id, role, content, timestamp, metadata, seq FROM messages
    WHERE owner_key = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";

pub(super) const RUN_MESSAGES: &str = "
    SELECT id, run_id, role, content, timestamp, metadata, seq FROM messages
    WHERE owner_key = ?1 AND run_id = ?2 AND seq < ?3 ORDER BY seq DESC LIMIT ?4";

pub(super) const PLACE: &str = "SELECT seq FROM messages WHERE id = ?1 AND owner_key = ?2";

pub(super) const HAS_MESSAGE: &str = "SELECT 1 FROM messages WHERE id = ?1 AND owner_key = ?2";

pub(super) const SET_MESSAGE_METADATA: &str =
    "UPDATE messages SET metadata = ?3 WHERE id = ?1 AND owner_key = ?2";

pub(super) const REMOVE_MESSAGE: &str = "DELETE FROM messages WHERE id = ?1 AND owner_key = ?2";

pub(super) const ADD_SESSION: &str = "
    INSERT INTO sessions (digest, owner_key, scope, created_at, expires_at, last_seen_at, idle,
                          client)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

pub(super) const SESSION: &str = "
    SELECT owner_key, created_at, expires_at, scope, last_seen_at, idle, client, digest
    FROM sessions WHERE digest = ?1";

// The key may be one that Nexus cannot read: bytes, which are compared as a text.

pub(super) const ERASE_MESSAGES: &str = "DELETE FROM messages WHERE owner_key = CAST(?1 AS TEXT)";

pub(super) const ERASE_SESSIONS: &str =
    "DELETE FROM sessions WHERE owner_key = CAST(?1 AS TEXT) RETURNING digest";

// A new life of the key: nothing that was decided or begun in the former one is stored in it.
pub(super) const KEEP_DISABLED: &str = "
    UPDATE identities SET created_at = max(?2, iif(created_at < 1 << 60, created_at + 1, 0)), metadata = '{}',
                          config_overrides = '{}', prompt_overrides = '{}', is_admin = 0, version = 1
    WHERE public_key = CAST(?1 AS TEXT) AND standing = 'disabled'";

pub(super) const ERASE_IDENTITY: &str =
    "DELETE FROM identities WHERE public_key = CAST(?1 AS TEXT)";

pub(super) const COUNTS: &str =
    "SELECT (SELECT count(*) FROM identities), (SELECT count(*) FROM messages)";

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST_PATH: [&str; 28] = [
        GENERATION,
        TEMPLATE,
        TEMPLATE_VERSION,
        TEMPLATE_VERSIONS,
        ADD_TEMPLATE,
        IDENTITY,
        IDENTITIES,
        ADD_IDENTITY,
        SET_CONFIG,
        UNSET_CONFIG,
        SET_PROMPT,
        UNSET_PROMPT,
        SET_METADATA,
        UNSET_METADATA,
        ADD_MESSAGE,
        HISTORY,
        MESSAGES,
        ADD_SESSION,
        SESSION,
        ERASE_MESSAGES,
        ERASE_SESSIONS,
        KEEP_DISABLED,
        ERASE_IDENTITY,
        HAS_MESSAGE,
        RUN_MESSAGES,
        PLACE,
        SET_MESSAGE_METADATA,
        REMOVE_MESSAGE,
    ];

    fn plan(sql: &str) -> String {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        crate::embedded::schema::migrate(&connection).unwrap();
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let details = statement
            .raw_query()
            .mapped(|row| row.get::<_, String>("detail"));
        details.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    #[test]
    fn no_request_walks_through_a_table_or_sorts() {
        for sql in REQUEST_PATH.into_iter().chain(trust::REQUEST_PATH) {
            let plan = plan(sql);
            assert!(
                !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"),
                "{sql}\n{plan}"
            );
        }
    }

    #[test]
    fn the_plan_test_would_notice_a_walk_and_a_sort() {
        assert!(plan("SELECT * FROM messages WHERE run_id = ?1").contains("SCAN"));
        assert!(
            plan("SELECT * FROM messages WHERE owner_key = ?1 ORDER BY timestamp")
                .contains("TEMP B-TREE")
        );
    }

    #[test]
    fn t33_history_and_pages_follow_the_owners_index() {
        assert!(plan(HISTORY).contains("USING INDEX messages_by_owner (owner_key=?)"));
        assert!(plan(MESSAGES).contains("USING INDEX messages_by_owner (owner_key=? AND seq<?)"));
        let by_run = "USING INDEX messages_by_run (owner_key=? AND run_id=? AND seq<?)";
        assert!(plan(RUN_MESSAGES).contains(by_run));
    }
}
