//! The statements about sessions, standings, API keys, nonces, the audit, usage and counters.

pub(in crate::embedded) const SESSIONS: &str = "
    SELECT owner_key, created_at, expires_at, scope, last_seen_at, idle, client, digest
    FROM sessions WHERE owner_key = ?1";

pub(in crate::embedded) const SESSION_DIGESTS: &str =
    "SELECT digest FROM sessions WHERE owner_key = ?1";

pub(in crate::embedded) const REVOKE_SESSION: &str =
    "DELETE FROM sessions WHERE digest = ?1 AND owner_key = ?2";

// Without a digest to spare, all of them are different from it.
pub(in crate::embedded) const REVOKE_SESSIONS: &str =
    "DELETE FROM sessions WHERE owner_key = ?1 AND digest IS NOT ?2 RETURNING digest";

pub(in crate::embedded) const TOUCH_SESSION: &str = "
    UPDATE sessions SET last_seen_at = ?2
    WHERE digest = ?1 AND coalesce(last_seen_at, created_at) < ?2";

pub(in crate::embedded) const IDENTITIES_BY_STANDING: &str = "
    SELECT public_key, created_at, metadata, config_overrides, prompt_overrides, version,
           standing, is_admin
    FROM identities WHERE standing = ?1 AND public_key > CAST(?2 AS TEXT) ORDER BY public_key LIMIT ?3";

pub(in crate::embedded) const COUNT_IDENTITIES: &str =
    "SELECT count(*) FROM identities WHERE standing = ?1";

pub(in crate::embedded) const SET_STANDING: &str = "
    UPDATE identities SET standing = ?4, version = version + 1
    WHERE public_key = ?1 AND created_at = ?2 AND version = ?3";

pub(in crate::embedded) const SET_ADMIN: &str = "
    UPDATE identities SET is_admin = ?4, version = version + 1
    WHERE public_key = ?1 AND created_at = ?2 AND version = ?3";

pub(in crate::embedded) const ADD_API_KEY: &str = "
    INSERT INTO api_keys (id, digest, owner_key, name, scopes, models, created_at, expires_at,
                          last_used_at, revoked_at)
    SELECT ?3, ?4, public_key, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM identities
    WHERE public_key = ?1 AND created_at = ?2";

pub(in crate::embedded) const COUNT_API_KEYS: &str = "
    SELECT count(*) FROM api_keys
    WHERE owner_key = ?1 AND revoked_at IS NULL AND expires_at > ?2";

pub(in crate::embedded) const API_KEY: &str = "
    SELECT id, digest, owner_key, name, scopes, models, created_at, expires_at, last_used_at,
           revoked_at
    FROM api_keys WHERE id = ?1";

pub(in crate::embedded) const API_KEYS: &str = "
    SELECT id, digest, owner_key, name, scopes, models, created_at, expires_at, last_used_at,
           revoked_at
    FROM api_keys WHERE owner_key = ?1 ORDER BY created_at DESC, id DESC";

pub(in crate::embedded) const REVOKE_API_KEY: &str = "
    UPDATE api_keys SET revoked_at = ?3 WHERE id = ?1 AND owner_key = ?2 AND revoked_at IS NULL";

pub(in crate::embedded) const TOUCH_API_KEY: &str = "
    UPDATE api_keys SET last_used_at = ?2
    WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)";

pub(in crate::embedded) const ADD_INSTALLATION: &str = "
    INSERT INTO installation (id, secret) VALUES (1, ?1) ON CONFLICT (id) DO NOTHING";

pub(in crate::embedded) const INSTALLATION: &str = "SELECT secret FROM installation WHERE id = 1";

pub(in crate::embedded) const USE_NONCE: &str = "
    INSERT INTO used_nonces (id, expires_at) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING";

// A few at a time: each insertion makes room for more than itself.
pub(in crate::embedded) const FORGET_NONCES: &str = "
    DELETE FROM used_nonces
    WHERE id IN (SELECT id FROM used_nonces WHERE expires_at < ?1 LIMIT 16)";

// A few at a time, as of nonces. Those that were left unused have ended too.
pub(in crate::embedded) const FORGET_SESSIONS: &str = "
    DELETE FROM sessions
    WHERE digest IN (SELECT digest FROM sessions
                     WHERE expires_at < ?1 OR last_seen_at + idle < ?1 LIMIT 16)";

// The newest stay, so that their owner sees what became of them.
pub(in crate::embedded) const FORGET_API_KEYS: &str = "
    DELETE FROM api_keys
    WHERE id IN (SELECT id FROM api_keys
                 WHERE owner_key = ?1 AND (revoked_at IS NOT NULL OR expires_at <= ?2)
                 ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?3)";

pub(in crate::embedded) const ADD_AUDIT: &str = "
    INSERT INTO audit (seq, at, actor, action, target, details, signature, previous, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

pub(in crate::embedded) const AUDIT: &str = "
    SELECT seq, at, actor, action, target, details, signature, previous, hash FROM audit
    WHERE seq > ?1 ORDER BY seq LIMIT ?2";

pub(in crate::embedded) const AUDIT_ABOUT: &str = "
    SELECT seq, at, actor, action, target, details, signature, previous, hash FROM audit
    WHERE actor = ?1 AND seq > ?2
    UNION
    SELECT seq, at, actor, action, target, details, signature, previous, hash FROM audit
    WHERE target = ?1 AND seq > ?2
    ORDER BY seq LIMIT ?3";

pub(in crate::embedded) const AUDIT_HEAD: &str =
    "SELECT seq, hash FROM audit WHERE seq > 0 ORDER BY seq DESC LIMIT 1";

pub(in crate::embedded) const ADD_USAGE: &str = "
    INSERT INTO usage (owner_key, day, model, runs, input_tokens, output_tokens,
                       cached_input_tokens, reasoning_tokens, cost_micros, estimated_runs,
                       recent_runs)
    SELECT public_key, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?12 FROM identities
    WHERE public_key = ?1 AND created_at = ?11
    ON CONFLICT (owner_key, day, model) DO UPDATE SET
        runs = runs + min(excluded.runs, 9223372036854775807 - runs),
        input_tokens = input_tokens + min(excluded.input_tokens, 9223372036854775807 - input_tokens),
        output_tokens =
            output_tokens + min(excluded.output_tokens, 9223372036854775807 - output_tokens),
        cached_input_tokens = cached_input_tokens
            + min(excluded.cached_input_tokens, 9223372036854775807 - cached_input_tokens),
        reasoning_tokens = reasoning_tokens
            + min(excluded.reasoning_tokens, 9223372036854775807 - reasoning_tokens),
        cost_micros = cost_micros + min(excluded.cost_micros, 9223372036854775807 - cost_micros),
        estimated_runs =
            estimated_runs + min(excluded.estimated_runs, 9223372036854775807 - estimated_runs),
        recent_runs = substr(excluded.recent_runs || recent_runs, 1, ?13)
    WHERE instr(recent_runs, excluded.recent_runs) = 0";

pub(in crate::embedded) const USAGE: &str = "
    SELECT day, model, runs, input_tokens, output_tokens, cached_input_tokens, reasoning_tokens,
           cost_micros, estimated_runs
    FROM usage WHERE owner_key = ?1 AND day BETWEEN ?2 AND ?3 ORDER BY day, model";

pub(in crate::embedded) const ADD_TO_COUNTER: &str = "
    INSERT INTO counters (id, owner_key, total, expires_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (id) DO UPDATE
    SET total = total + min(excluded.total, 9223372036854775807 - total)
    RETURNING total";

pub(in crate::embedded) const FORGET_COUNTERS: &str = "
    DELETE FROM counters
    WHERE id IN (SELECT id FROM counters WHERE expires_at < ?1 LIMIT 16)";

pub(in crate::embedded) const FORGET_RUNNING: &str =
    "DELETE FROM running WHERE owner_key = ?1 AND (node = ?2 OR expires_at <= ?3)";

pub(in crate::embedded) const ADD_RUNNING: &str =
    "INSERT INTO running (owner_key, node, runs, expires_at) VALUES (?1, ?2, ?3, ?4)";

pub(in crate::embedded) const RUNNING_ELSEWHERE: &str =
    "SELECT coalesce(sum(runs), 0) FROM running WHERE owner_key = ?1 AND node <> ?2";

pub(in crate::embedded) const ERASE_RUNNING: &str =
    "DELETE FROM running WHERE owner_key = CAST(?1 AS TEXT)";

pub(in crate::embedded) const ERASE_API_KEYS: &str =
    "DELETE FROM api_keys WHERE owner_key = CAST(?1 AS TEXT) RETURNING id";

pub(in crate::embedded) const ERASE_USAGE: &str =
    "DELETE FROM usage WHERE owner_key = CAST(?1 AS TEXT)";

pub(in crate::embedded) const ERASE_COUNTERS: &str =
    "DELETE FROM counters WHERE owner_key = CAST(?1 AS TEXT)";

#[cfg(test)]
pub(super) const REQUEST_PATH: [&str; 34] = [
    COUNT_API_KEYS,
    SESSIONS,
    SESSION_DIGESTS,
    REVOKE_SESSION,
    REVOKE_SESSIONS,
    TOUCH_SESSION,
    IDENTITIES_BY_STANDING,
    COUNT_IDENTITIES,
    SET_STANDING,
    SET_ADMIN,
    ADD_API_KEY,
    API_KEY,
    API_KEYS,
    REVOKE_API_KEY,
    TOUCH_API_KEY,
    ADD_INSTALLATION,
    INSTALLATION,
    USE_NONCE,
    FORGET_NONCES,
    ADD_AUDIT,
    AUDIT,
    AUDIT_ABOUT,
    AUDIT_HEAD,
    ADD_USAGE,
    USAGE,
    ADD_TO_COUNTER,
    FORGET_COUNTERS,
    FORGET_RUNNING,
    ADD_RUNNING,
    RUNNING_ELSEWHERE,
    ERASE_RUNNING,
    ERASE_API_KEYS,
    ERASE_USAGE,
    ERASE_COUNTERS,
];
