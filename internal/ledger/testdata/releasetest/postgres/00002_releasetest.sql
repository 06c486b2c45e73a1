-- Expands: rehearses a next release, which notes more of a run.
-- +goose Up
ALTER TABLE run ADD COLUMN noted TEXT NOT NULL DEFAULT '';
CREATE TABLE noted (id TEXT PRIMARY KEY);

-- +goose Down
DROP TABLE noted;
ALTER TABLE run DROP COLUMN noted;
