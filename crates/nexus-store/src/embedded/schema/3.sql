-- How long a session may go unused, when it was last used, and from where. What was stored before
-- has no such limit and counts as used when it was made.
ALTER TABLE sessions ADD COLUMN last_seen_at INTEGER;
ALTER TABLE sessions ADD COLUMN idle INTEGER; -- milliseconds
ALTER TABLE sessions ADD COLUMN client TEXT NOT NULL DEFAULT '';

-- That a session was used is no change that anybody has to hear of.
DROP TRIGGER sessions_update;
CREATE TRIGGER sessions_update
AFTER UPDATE OF digest, owner_key, created_at, expires_at, scope, idle, client ON sessions
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;

-- Whoever was registered before was let in, and was no administrator.
ALTER TABLE identities ADD COLUMN standing TEXT NOT NULL DEFAULT 'active';
ALTER TABLE identities ADD COLUMN is_admin INTEGER NOT NULL DEFAULT 0;
CREATE INDEX identities_by_standing ON identities (standing, public_key);

CREATE TABLE api_keys (
    id           TEXT NOT NULL PRIMARY KEY,
    digest       BLOB NOT NULL,
    owner_key    TEXT NOT NULL,
    name         TEXT NOT NULL,
    scopes       TEXT NOT NULL CHECK (json_valid(scopes)),
    models       TEXT CHECK (json_valid(models)), -- NULL: all
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_owner ON api_keys (owner_key, created_at);

CREATE TRIGGER api_keys_insert AFTER INSERT ON api_keys
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER api_keys_update
AFTER UPDATE OF id, digest, owner_key, name, scopes, models, created_at, expires_at, revoked_at
ON api_keys
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER api_keys_delete AFTER DELETE ON api_keys
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;

-- What all processes that work on this file share: one row, made by the first.
CREATE TABLE installation (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    secret BLOB NOT NULL
) STRICT;

CREATE TABLE used_nonces (
    id         BLOB NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_nonces_by_expiry ON used_nonces (expires_at);

-- Each entry holds the hash of the one before.
CREATE TABLE audit (
    seq       INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    action    TEXT NOT NULL,
    target    TEXT NOT NULL,
    details   TEXT NOT NULL CHECK (json_valid(details)),
    signature TEXT,
    previous  TEXT NOT NULL,
    hash      TEXT NOT NULL
) STRICT;
-- Against mistakes; whoever wants to get past this can, and the hashes show it.
CREATE TRIGGER audit_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is never changed'); END;

CREATE TABLE usage (
    owner_key           TEXT NOT NULL,
    day                 TEXT NOT NULL, -- 2026-01-31, in UTC
    model               TEXT NOT NULL,
    runs                INTEGER NOT NULL,
    input_tokens        INTEGER NOT NULL,
    output_tokens       INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,
    reasoning_tokens    INTEGER NOT NULL,
    cost_micros         INTEGER NOT NULL,
    PRIMARY KEY (owner_key, day, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
    id         BLOB NOT NULL PRIMARY KEY,
    owner_key  TEXT, -- NULL: nobody's
    total      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_by_expiry ON counters (expires_at);
CREATE INDEX counters_by_owner ON counters (owner_key) WHERE owner_key IS NOT NULL;
