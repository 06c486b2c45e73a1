-- +goose Up
-- Why events were not written: outcomes that only egress has.
ALTER TABLE run ADD COLUMN n_disabled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN n_soft_bounce BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN n_seed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN n_no_contact BIGINT NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN n_ignored BIGINT NOT NULL DEFAULT 0;
-- What became of each event, for a while: an event that comes again costs no
-- call, and an operator can ask.
CREATE TABLE event (
  key TEXT PRIMARY KEY, type TEXT NOT NULL, contact TEXT NOT NULL, outcome INTEGER NOT NULL, code TEXT NOT NULL, time BIGINT NOT NULL,
  run TEXT NOT NULL, at BIGINT NOT NULL, again INTEGER NOT NULL, again_run TEXT NOT NULL, again_at BIGINT NOT NULL
);
CREATE INDEX event_by_age ON event (at);
-- Exported files that were looked at, by what they are in a listing and by what
-- they hold.
CREATE TABLE export_file (
  flow TEXT NOT NULL, name TEXT NOT NULL, size BIGINT NOT NULL, modified BIGINT NOT NULL, hash TEXT NOT NULL, state TEXT NOT NULL,
  error TEXT NOT NULL, run TEXT NOT NULL, n_rows BIGINT NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (flow, name, size, modified)
);
CREATE INDEX export_file_by_hash ON export_file (flow, hash);

-- +goose Down
DROP TABLE export_file;
DROP TABLE event;
ALTER TABLE run DROP COLUMN n_ignored;
ALTER TABLE run DROP COLUMN n_no_contact;
ALTER TABLE run DROP COLUMN n_seed;
ALTER TABLE run DROP COLUMN n_soft_bounce;
ALTER TABLE run DROP COLUMN n_disabled;
