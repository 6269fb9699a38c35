-- Times are milliseconds since 1970, keys are lower case, documents are JSON text.

PRAGMA application_id = 0x4e655875; -- "NeXu": how the file is told from another program's

-- Every accepted version of each template. The highest version is the current one.
CREATE TABLE configurations (
    environment TEXT NOT NULL,
    version     INTEGER NOT NULL CHECK (version > 0),
    doc         TEXT NOT NULL CHECK (json_valid(doc)),
    author      TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    hash        TEXT NOT NULL,
    PRIMARY KEY (environment, version)
) STRICT;

CREATE TABLE identities (
    public_key       TEXT NOT NULL PRIMARY KEY,
    created_at       INTEGER NOT NULL,
    metadata         TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    config_overrides TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(config_overrides)),
    prompt_overrides TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(prompt_overrides)),
    version          INTEGER NOT NULL DEFAULT 1
) STRICT;

-- `seq` is the order of arrival: two messages may have the same timestamp.
CREATE TABLE messages (
    seq       INTEGER PRIMARY KEY,
    id        TEXT NOT NULL UNIQUE,
    run_id    TEXT NOT NULL,
    owner_key TEXT NOT NULL,
    role      TEXT NOT NULL COLLATE NOCASE, -- the original Python NEXUS wrote some in upper case
    content   TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    metadata  TEXT NOT NULL CHECK (json_valid(metadata))
) STRICT;
CREATE INDEX messages_by_owner ON messages (owner_key, seq DESC);

CREATE TABLE sessions (
    digest     BLOB NOT NULL PRIMARY KEY,
    owner_key  TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_owner ON sessions (owner_key);

-- Counts the changes of everything but messages, in the transaction that makes them. Triggers, so
-- that a change by hand counts too.
CREATE TABLE generations (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    n  INTEGER NOT NULL
) STRICT;
INSERT INTO generations (id, n) VALUES (1, 1);

CREATE TRIGGER configurations_insert AFTER INSERT ON configurations
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER configurations_update AFTER UPDATE ON configurations
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER configurations_delete AFTER DELETE ON configurations
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER identities_insert AFTER INSERT ON identities
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER identities_update AFTER UPDATE ON identities
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER identities_delete AFTER DELETE ON identities
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER sessions_insert AFTER INSERT ON sessions
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER sessions_update AFTER UPDATE ON sessions
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER sessions_delete AFTER DELETE ON sessions
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
