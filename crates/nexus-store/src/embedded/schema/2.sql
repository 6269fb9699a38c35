-- How far a token reaches. What was stored before speaks for its own key only.
ALTER TABLE sessions ADD COLUMN scope TEXT NOT NULL DEFAULT 'personal';
