-- +goose Up
-- When a refused record is tried again by itself, and what its refusal belongs to.
ALTER TABLE quarantine ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN tries INTEGER NOT NULL DEFAULT 1;
ALTER TABLE quarantine ADD COLUMN next_try BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN parent_tbl TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN parent_key TEXT NOT NULL DEFAULT '';
-- The release that is about to try it; whatever settles it meanwhile takes it away.
ALTER TABLE quarantine ADD COLUMN claim TEXT NOT NULL DEFAULT '';
-- The last discard, also after the record was refused again.
ALTER TABLE quarantine ADD COLUMN discarded_by TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN discarded_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN discard_reason TEXT NOT NULL DEFAULT '';
CREATE INDEX quarantine_due ON quarantine (flow, tbl, next_try) WHERE state = 'open';
CREATE INDEX quarantine_orphan ON quarantine (flow, tbl) WHERE state = 'open' AND parent_key <> '';

-- +goose Down
DROP INDEX quarantine_orphan;
DROP INDEX quarantine_due;
ALTER TABLE quarantine DROP COLUMN discard_reason;
ALTER TABLE quarantine DROP COLUMN discarded_at;
ALTER TABLE quarantine DROP COLUMN discarded_by;
ALTER TABLE quarantine DROP COLUMN claim;
ALTER TABLE quarantine DROP COLUMN parent_key;
ALTER TABLE quarantine DROP COLUMN parent_tbl;
ALTER TABLE quarantine DROP COLUMN next_try;
ALTER TABLE quarantine DROP COLUMN tries;
ALTER TABLE quarantine DROP COLUMN version;
