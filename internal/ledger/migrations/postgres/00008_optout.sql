-- +goose Up
-- What is known of a contact's choices in both systems, and what it waits for:
-- '' for nothing, 'profile' for its profile, 'refused' for another try.
CREATE TABLE optout (
  contact TEXT PRIMARY KEY, doc BYTEA NOT NULL, waits TEXT NOT NULL, due BIGINT NOT NULL, run TEXT NOT NULL, at BIGINT NOT NULL
);
CREATE INDEX optout_waits ON optout (due, contact) WHERE waits <> '';
-- Evidence: what was decided about a choice, on which grounds. A side is -1 when
-- nothing is known of it, 1 for an opt-out, 0 for none; times are of the choice.
CREATE TABLE optout_decision (
  contact TEXT NOT NULL, at BIGINT NOT NULL, run TEXT NOT NULL, pair TEXT NOT NULL, rule TEXT NOT NULL, chosen INTEGER NOT NULL,
  dynamics INTEGER NOT NULL, dynamics_at BIGINT NOT NULL, campaign INTEGER NOT NULL, campaign_at BIGINT NOT NULL, effect TEXT NOT NULL,
  PRIMARY KEY (contact, at, run, pair)
);
CREATE INDEX optout_decision_by_age ON optout_decision (at, contact);

-- +goose Down
DROP TABLE optout_decision;
DROP TABLE optout;
