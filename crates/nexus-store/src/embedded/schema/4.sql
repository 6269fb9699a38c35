-- A template of the original Python NEXUS has no version, which counts as 0. It may come from a
-- MongoDB database. SQLite cannot change a condition, so the table is made anew.
DROP TRIGGER configurations_insert;
DROP TRIGGER configurations_update;
DROP TRIGGER configurations_delete;
ALTER TABLE configurations RENAME TO old_configurations;
CREATE TABLE configurations (
    environment TEXT NOT NULL,
    version     INTEGER NOT NULL CHECK (version >= 0),
    doc         TEXT NOT NULL CHECK (json_valid(doc)),
    author      TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    hash        TEXT NOT NULL,
    PRIMARY KEY (environment, version)
) STRICT;
INSERT INTO configurations SELECT environment, version, doc, author, created_at, hash
FROM old_configurations;
DROP TABLE old_configurations;
CREATE TRIGGER configurations_insert AFTER INSERT ON configurations
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER configurations_update AFTER UPDATE ON configurations
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
CREATE TRIGGER configurations_delete AFTER DELETE ON configurations
BEGIN UPDATE generations SET n = n + 1 WHERE id = 1; END;
