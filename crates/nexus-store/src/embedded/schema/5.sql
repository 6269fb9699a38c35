-- How many runs have numbers that were estimated. What was stored before does not tell.
ALTER TABLE usage ADD COLUMN estimated_runs INTEGER NOT NULL DEFAULT 0;

-- What is on record about one person.
CREATE INDEX audit_by_actor ON audit (actor, seq);
CREATE INDEX audit_by_target ON audit (target, seq);
