-- +goose Up
CREATE TABLE revision (hash TEXT PRIMARY KEY, doc BYTEA NOT NULL);
CREATE TABLE run (
  id TEXT PRIMARY KEY, flow TEXT NOT NULL, tbl TEXT NOT NULL, kind TEXT NOT NULL, revision TEXT NOT NULL, state TEXT NOT NULL,
  error TEXT NOT NULL DEFAULT '', workflow TEXT NOT NULL DEFAULT '', started BIGINT NOT NULL, ended BIGINT NOT NULL DEFAULT 0,
  server_start BIGINT NOT NULL DEFAULT 0, expected BIGINT NOT NULL DEFAULT 0,
  n_read BIGINT NOT NULL DEFAULT 0, n_created BIGINT NOT NULL DEFAULT 0, n_updated BIGINT NOT NULL DEFAULT 0,
  n_unchanged BIGINT NOT NULL DEFAULT 0, n_filtered BIGINT NOT NULL DEFAULT 0, n_deleted BIGINT NOT NULL DEFAULT 0,
  n_parked BIGINT NOT NULL DEFAULT 0, n_quarantined BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX run_by_table ON run (flow, tbl, started);
CREATE TABLE page (
  run TEXT NOT NULL REFERENCES run (id), number INTEGER NOT NULL, tbl TEXT NOT NULL, phase TEXT NOT NULL, n_read INTEGER NOT NULL,
  lane_sizes TEXT NOT NULL, next_link TEXT NOT NULL, delta_link TEXT NOT NULL, server_time BIGINT NOT NULL,
  PRIMARY KEY (run, number)
);
CREATE TABLE lane (
  run TEXT NOT NULL, page INTEGER NOT NULL, lane INTEGER NOT NULL, size INTEGER NOT NULL,
  fence BIGINT NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0, outcomes BYTEA NOT NULL,
  PRIMARY KEY (run, page, lane), FOREIGN KEY (run, page) REFERENCES page (run, number)
);
-- Apart from lane, because each settlement rewrites a lane's row.
CREATE TABLE lane_data (
  run TEXT NOT NULL, page INTEGER NOT NULL, lane INTEGER NOT NULL, data BYTEA NOT NULL,
  PRIMARY KEY (run, page, lane), FOREIGN KEY (run, page, lane) REFERENCES lane (run, page, lane)
);
CREATE TABLE record (
  tbl TEXT NOT NULL, key TEXT COLLATE "C" NOT NULL, version TEXT NOT NULL, target_key TEXT NOT NULL, state TEXT NOT NULL,
  payload BYTEA, fingerprint BYTEA, run TEXT NOT NULL, created_run TEXT NOT NULL, seen_run TEXT NOT NULL,
  PRIMARY KEY (tbl, key)
);
CREATE INDEX record_empty ON record (tbl) WHERE payload IS NULL;
CREATE TABLE before_image (
  run TEXT NOT NULL, tbl TEXT NOT NULL, key TEXT COLLATE "C" NOT NULL, existed INTEGER NOT NULL, payload BYTEA, at BIGINT NOT NULL,
  PRIMARY KEY (run, tbl, key)
);
CREATE TABLE quarantine (
  flow TEXT COLLATE "C" NOT NULL, tbl TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL, run TEXT NOT NULL, class TEXT NOT NULL, code TEXT NOT NULL,
  field TEXT NOT NULL, message TEXT NOT NULL, payload BYTEA, state TEXT NOT NULL,
  first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, attempts INTEGER NOT NULL,
  PRIMARY KEY (flow, tbl, key)
);
CREATE INDEX quarantine_open ON quarantine (flow, tbl) WHERE state = 'open';
CREATE TABLE watermark (
  flow TEXT NOT NULL, tbl TEXT NOT NULL, link TEXT NOT NULL, revision TEXT NOT NULL, obtained_at BIGINT NOT NULL, run TEXT NOT NULL,
  PRIMARY KEY (flow, tbl)
);
CREATE TABLE engine_calls (hour BIGINT NOT NULL, kind TEXT COLLATE "C" NOT NULL, calls BIGINT NOT NULL, PRIMARY KEY (hour, kind));

-- +goose Down
DROP TABLE engine_calls;
DROP TABLE watermark;
DROP TABLE quarantine;
DROP TABLE before_image;
DROP TABLE record;
DROP TABLE lane_data;
DROP TABLE lane;
DROP TABLE page;
DROP TABLE run;
DROP TABLE revision;
