-- The messages of one run.
CREATE INDEX messages_by_run ON messages (owner_key, run_id, seq DESC);

-- The runs that were counted last: one that is counted again is left out.
ALTER TABLE usage ADD COLUMN recent_runs TEXT NOT NULL DEFAULT '';
