-- +goose Up
-- What operators asked for: the audit trail. Rows are never changed.
CREATE TABLE operation (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at BIGINT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, flow TEXT NOT NULL,
  tbl TEXT NOT NULL, run TEXT NOT NULL, revision TEXT NOT NULL, was TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX operation_by_time ON operation (at, seq);
CREATE INDEX operation_by_run ON operation (run) WHERE run <> '';
-- What a backfill was asked to read (JSON), so that it can be asked again when its history is gone.
ALTER TABLE run ADD COLUMN span TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE run DROP COLUMN span;
DROP TABLE operation;
