-- +goose Up
-- Records that wait: for a parent to be in the target, a deleted parent for its
-- children to go, a delete for an operator when there are too many.
CREATE TABLE parked (
  tbl TEXT NOT NULL, key TEXT COLLATE "C" NOT NULL, waits TEXT NOT NULL, parent_tbl TEXT NOT NULL, parent_key TEXT COLLATE "C" NOT NULL,
  version TEXT NOT NULL, deleted INTEGER NOT NULL, payload BYTEA, run TEXT NOT NULL, since BIGINT NOT NULL, ready INTEGER NOT NULL,
  PRIMARY KEY (tbl, key)
);
CREATE INDEX parked_by_parent ON parked (parent_tbl, parent_key) WHERE ready = 0;
CREATE INDEX parked_by_run ON parked (run) WHERE ready = 0;
CREATE INDEX parked_ready ON parked (tbl, key) WHERE ready = 1;
-- Which parents a record in the target names.
CREATE TABLE link (
  tbl TEXT NOT NULL, key TEXT COLLATE "C" NOT NULL, parent_tbl TEXT NOT NULL, parent_key TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tbl, key, parent_tbl, parent_key)
);
CREATE INDEX link_by_parent ON link (parent_tbl, parent_key);
ALTER TABLE page ADD COLUMN n_deletes INTEGER NOT NULL DEFAULT 0;
-- Delta link from before a baseline was read: it shows what was deleted meanwhile.
ALTER TABLE run ADD COLUMN anchor TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE run DROP COLUMN anchor;
ALTER TABLE page DROP COLUMN n_deletes;
DROP TABLE link;
DROP TABLE parked;
