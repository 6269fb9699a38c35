-- How many runs have numbers that were estimated. What was stored before does not tell.
ALTER TABLE usage ADD COLUMN estimated_runs INTEGER NOT NULL DEFAULT 0;

-- What is on record about one person.
CREATE INDEX audit_by_actor ON audit (actor, seq);
CREATE INDEX audit_by_target ON audit (target, seq);

-- How many runs each process has under way, as long as its word holds.
CREATE TABLE running (
    owner_key  TEXT NOT NULL,
    node       TEXT NOT NULL,
    runs       INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (owner_key, node)
) STRICT, WITHOUT ROWID;
