-- +goose Up
-- What an audit has looked at: '' is as written, anything else is a finding.
CREATE TABLE audit (
  run TEXT NOT NULL, tbl TEXT NOT NULL, key TEXT COLLATE "C" NOT NULL, finding TEXT NOT NULL, fields TEXT NOT NULL,
  payload BYTEA, fingerprint BYTEA, expected BYTEA,
  PRIMARY KEY (tbl, key)
);
CREATE INDEX audit_findings ON audit (tbl, finding) WHERE finding <> '';

-- +goose Down
DROP TABLE audit;
