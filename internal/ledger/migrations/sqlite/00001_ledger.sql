-- +goose Up
-- The whole ledger. Times are milliseconds since 1970 in UTC; 0 is "never".
-- Flags are 0 or 1. "tbl" is the name of a table mapping, "key" the id of a
-- record in its source. '' stands for "none" unless a comment says otherwise.

-- Versions of the mapping that runs have used.
CREATE TABLE revision (
  hash TEXT PRIMARY KEY,                     -- of the document
  doc BLOB NOT NULL                          -- the mapping as it was, in JSON
) WITHOUT ROWID;

-- What the ledger knows of itself and of the two systems, each under a name of its own.
CREATE TABLE fact (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

-- Runs: passes over one table, with their account.
CREATE TABLE run (
  id TEXT PRIMARY KEY,
  flow TEXT NOT NULL,                        -- ingress, egress, optout, rollback, audit
  tbl TEXT NOT NULL,
  kind TEXT NOT NULL,                        -- initial, delta, backfill …
  revision TEXT NOT NULL,                    -- of the mapping that it uses
  state TEXT NOT NULL,                       -- RUNNING, COMPLETED, INCOMPLETE, STOPPED, FAILED, CANCELLED
  error TEXT NOT NULL DEFAULT '',            -- why it ended, where that was not in good order
  workflow TEXT NOT NULL DEFAULT '',         -- id of the workflow that carries it out
  started BIGINT NOT NULL,
  ended BIGINT NOT NULL DEFAULT 0,
  server_start BIGINT NOT NULL DEFAULT 0,    -- the source's clock when it began
  expected BIGINT NOT NULL DEFAULT 0,        -- estimate of the records that it reads
  not_found TEXT NOT NULL DEFAULT '',        -- ids of those that a backfill was asked for by id and the source does not have (JSON)
  listed BIGINT NOT NULL DEFAULT -1,         -- records that the list of a load showed; -1 until that matters
  span TEXT NOT NULL DEFAULT '',             -- what a backfill was asked to read (JSON), so that it can be asked again when its history is gone
  pre_baseline_kind TEXT NOT NULL DEFAULT '', -- cursor from before a baseline was read: it shows what was deleted meanwhile
  pre_baseline_at TEXT NOT NULL DEFAULT '',
  n_read BIGINT NOT NULL DEFAULT 0,          -- records read; the other counts add up to it
  n_created BIGINT NOT NULL DEFAULT 0,
  n_updated BIGINT NOT NULL DEFAULT 0,
  n_unchanged BIGINT NOT NULL DEFAULT 0,
  n_filtered BIGINT NOT NULL DEFAULT 0,      -- left out by rule
  n_deleted BIGINT NOT NULL DEFAULT 0,
  n_parked BIGINT NOT NULL DEFAULT 0,        -- wait, see table parked
  n_quarantined BIGINT NOT NULL DEFAULT 0,   -- refused, see table quarantine
  n_disabled BIGINT NOT NULL DEFAULT 0,      -- events of a type that is switched off
  n_soft_bounce BIGINT NOT NULL DEFAULT 0,   -- events that may still be delivered
  n_seed BIGINT NOT NULL DEFAULT 0,          -- events of test addresses
  n_no_contact BIGINT NOT NULL DEFAULT 0,    -- events of nobody that Dynamics has
  n_ignored BIGINT NOT NULL DEFAULT 0,       -- events of another kind than e-mail
  pruned INTEGER NOT NULL DEFAULT 0,         -- what it left for a rollback is forgotten
  passes BIGINT NOT NULL DEFAULT 0          -- of changes, of one hour, that are put together in this row; 0: it is one run
) WITHOUT ROWID;
CREATE INDEX run_by_table ON run (flow, tbl, started, id);
CREATE INDEX run_by_state ON run (flow, state, tbl, started, id);
CREATE INDEX run_by_time ON run (started, id);
CREATE INDEX run_unpruned ON run (ended, id) WHERE pruned = 0 AND ended > 0;
CREATE INDEX run_pruned ON run (ended, id) WHERE pruned = 1;
CREATE INDEX run_single ON run (ended, id) WHERE pruned = 1 AND passes = 0 AND kind = 'delta' AND state = 'COMPLETED';
CREATE INDEX run_loads ON run (flow, tbl, started) WHERE kind = 'initial';
CREATE INDEX run_wrote ON run (started) WHERE flow = 'ingress' AND state = 'COMPLETED' AND n_created + n_updated > 0;

-- What the runs of a flow and table that have ended did together, kept in the transaction
-- that ends a run. One that goes on is taken out until it ends again.
-- Rows of run that stand for several have counted as single ones.
CREATE TABLE run_total (
  flow TEXT NOT NULL,
  tbl TEXT NOT NULL,
  runs BIGINT NOT NULL,
  n_read BIGINT NOT NULL,
  n_created BIGINT NOT NULL,
  n_updated BIGINT NOT NULL,
  n_unchanged BIGINT NOT NULL,
  n_filtered BIGINT NOT NULL,
  n_deleted BIGINT NOT NULL,
  n_parked BIGINT NOT NULL,
  n_quarantined BIGINT NOT NULL,
  n_disabled BIGINT NOT NULL,
  n_soft_bounce BIGINT NOT NULL,
  n_seed BIGINT NOT NULL,
  n_no_contact BIGINT NOT NULL,
  n_ignored BIGINT NOT NULL,
  PRIMARY KEY (flow, tbl)
) WITHOUT ROWID;
-- +goose StatementBegin
CREATE TRIGGER run_total_update AFTER UPDATE ON run WHEN NEW.passes = 0 AND NEW.pruned <= OLD.pruned AND (NEW.state <> 'RUNNING' OR OLD.state <> 'RUNNING') BEGIN
  INSERT INTO run_total (flow, tbl, runs, n_read, n_created, n_updated, n_unchanged, n_filtered, n_deleted, n_parked, n_quarantined, n_disabled, n_soft_bounce, n_seed, n_no_contact, n_ignored)
    VALUES (NEW.flow, NEW.tbl, (NEW.state <> 'RUNNING') - (OLD.state <> 'RUNNING'),
    (NEW.state <> 'RUNNING') * NEW.n_read - (OLD.state <> 'RUNNING') * OLD.n_read, (NEW.state <> 'RUNNING') * NEW.n_created - (OLD.state <> 'RUNNING') * OLD.n_created, (NEW.state <> 'RUNNING') * NEW.n_updated - (OLD.state <> 'RUNNING') * OLD.n_updated, (NEW.state <> 'RUNNING') * NEW.n_unchanged - (OLD.state <> 'RUNNING') * OLD.n_unchanged, (NEW.state <> 'RUNNING') * NEW.n_filtered - (OLD.state <> 'RUNNING') * OLD.n_filtered, (NEW.state <> 'RUNNING') * NEW.n_deleted - (OLD.state <> 'RUNNING') * OLD.n_deleted, (NEW.state <> 'RUNNING') * NEW.n_parked - (OLD.state <> 'RUNNING') * OLD.n_parked, (NEW.state <> 'RUNNING') * NEW.n_quarantined - (OLD.state <> 'RUNNING') * OLD.n_quarantined, (NEW.state <> 'RUNNING') * NEW.n_disabled - (OLD.state <> 'RUNNING') * OLD.n_disabled, (NEW.state <> 'RUNNING') * NEW.n_soft_bounce - (OLD.state <> 'RUNNING') * OLD.n_soft_bounce, (NEW.state <> 'RUNNING') * NEW.n_seed - (OLD.state <> 'RUNNING') * OLD.n_seed, (NEW.state <> 'RUNNING') * NEW.n_no_contact - (OLD.state <> 'RUNNING') * OLD.n_no_contact, (NEW.state <> 'RUNNING') * NEW.n_ignored - (OLD.state <> 'RUNNING') * OLD.n_ignored)
    ON CONFLICT (flow, tbl) DO UPDATE SET runs = runs + excluded.runs, n_read = n_read + excluded.n_read, n_created = n_created + excluded.n_created, n_updated = n_updated + excluded.n_updated, n_unchanged = n_unchanged + excluded.n_unchanged, n_filtered = n_filtered + excluded.n_filtered, n_deleted = n_deleted + excluded.n_deleted, n_parked = n_parked + excluded.n_parked, n_quarantined = n_quarantined + excluded.n_quarantined, n_disabled = n_disabled + excluded.n_disabled, n_soft_bounce = n_soft_bounce + excluded.n_soft_bounce, n_seed = n_seed + excluded.n_seed, n_no_contact = n_no_contact + excluded.n_no_contact, n_ignored = n_ignored + excluded.n_ignored;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER run_total_insert AFTER INSERT ON run WHEN NEW.passes = 0 AND NEW.state <> 'RUNNING' BEGIN
  INSERT INTO run_total (flow, tbl, runs, n_read, n_created, n_updated, n_unchanged, n_filtered, n_deleted, n_parked, n_quarantined, n_disabled, n_soft_bounce, n_seed, n_no_contact, n_ignored)
    VALUES (NEW.flow, NEW.tbl, 1,
    NEW.n_read, NEW.n_created, NEW.n_updated, NEW.n_unchanged, NEW.n_filtered, NEW.n_deleted, NEW.n_parked, NEW.n_quarantined, NEW.n_disabled, NEW.n_soft_bounce, NEW.n_seed, NEW.n_no_contact, NEW.n_ignored)
    ON CONFLICT (flow, tbl) DO UPDATE SET runs = runs + excluded.runs, n_read = n_read + excluded.n_read, n_created = n_created + excluded.n_created, n_updated = n_updated + excluded.n_updated, n_unchanged = n_unchanged + excluded.n_unchanged, n_filtered = n_filtered + excluded.n_filtered, n_deleted = n_deleted + excluded.n_deleted, n_parked = n_parked + excluded.n_parked, n_quarantined = n_quarantined + excluded.n_quarantined, n_disabled = n_disabled + excluded.n_disabled, n_soft_bounce = n_soft_bounce + excluded.n_soft_bounce, n_seed = n_seed + excluded.n_seed, n_no_contact = n_no_contact + excluded.n_no_contact, n_ignored = n_ignored + excluded.n_ignored;
END;
-- +goose StatementEnd

-- The last activity that began, staged or ended runs of a table. An earlier one that
-- wakes late may not do so any more.
CREATE TABLE turn (
  flow TEXT NOT NULL,
  tbl TEXT NOT NULL,
  scheduled BIGINT NOT NULL,                 -- by Temporal's clock
  activity TEXT NOT NULL,                    -- its id in its workflow
  attempt INTEGER NOT NULL,
  PRIMARY KEY (flow, tbl)
) WITHOUT ROWID;

-- Staged pages of runs that go on. They are dropped when their run ends.
CREATE TABLE page (
  run TEXT NOT NULL REFERENCES run (id),
  number INTEGER NOT NULL,                   -- from 1
  tbl TEXT NOT NULL,
  phase TEXT NOT NULL,                       -- of the run: baseline, delta, sweep …
  n_read INTEGER NOT NULL,                   -- entries in all lanes
  n_deletes INTEGER NOT NULL DEFAULT 0,      -- entries that would be deleted in the target
  lane_sizes TEXT NOT NULL,                  -- entries of each lane (JSON)
  next_kind TEXT NOT NULL,                   -- cursor of the next page of the phase; '' on the last one
  next_at TEXT NOT NULL,
  end_kind TEXT NOT NULL,                    -- cursor where the next run begins, if this page is the run's last
  end_at TEXT NOT NULL,
  server_time BIGINT NOT NULL,               -- the source's clock when it was read
  PRIMARY KEY (run, number)
) WITHOUT ROWID;

-- Workers. Whether one lives is told on PostgreSQL by an advisory lock of its own, on SQLite
-- by the file, which one at a time has. Until it lapses, a worker holds a share of the limits
-- that all of them keep together.
CREATE TABLE worker (
  id TEXT PRIMARY KEY,
  server_start TEXT NOT NULL,                -- start of the database server in which it took its lock; '' on SQLite
  since BIGINT NOT NULL,
  build TEXT NOT NULL DEFAULT '',            -- of its program
  knows BIGINT NOT NULL DEFAULT 0,           -- newest schema that its program knows
  name TEXT NOT NULL DEFAULT '',             -- instance@host:pid
  lapses BIGINT NOT NULL DEFAULT 0,          -- when others may use its share, by the clock of the ledger
  lanes INTEGER NOT NULL DEFAULT 0,          -- that it has in hand
  held TEXT NOT NULL DEFAULT '{}'            -- JSON: what it may be using of each limit
) WITHOUT ROWID;

-- Services that asked all of us to wait.
CREATE TABLE gate (
  service TEXT PRIMARY KEY,
  until BIGINT NOT NULL                      -- nothing is sent before, by the clock of the ledger
) WITHOUT ROWID;

-- Parts of a page that are written in parallel, each by one attempt at a time.
CREATE TABLE lane (
  run TEXT NOT NULL,
  page INTEGER NOT NULL,
  lane INTEGER NOT NULL,                     -- from 0
  size INTEGER NOT NULL,                     -- entries
  attempts BIGINT NOT NULL DEFAULT 0,        -- how often it was opened
  token TEXT NOT NULL DEFAULT '',            -- of the attempt that opened it last: only that one may write
  worker TEXT NOT NULL DEFAULT '',           -- id of the worker of that attempt; '' when it was none
  held INTEGER NOT NULL DEFAULT 0,           -- an attempt is at it, or died at it
  done INTEGER NOT NULL DEFAULT 0,           -- every entry has an outcome, and the run's account has them
  outcome_unknown INTEGER NOT NULL DEFAULT 0, -- an attempt died at it, or ended without knowing what became of a write
  crashes INTEGER NOT NULL DEFAULT 0,        -- attempts that died at it
  entry INTEGER NOT NULL DEFAULT -1,         -- that the present attempt has in flight alone; -1 none; -2 it waits and has none on purpose
  renewals BIGINT NOT NULL DEFAULT 0,        -- records that had been created anew when it was opened last
  suspects TEXT NOT NULL DEFAULT '',         -- JSON: attempts that died, by the entry that they had in flight
  outcomes BLOB NOT NULL,                    -- one byte an entry, 0 while it has none
  PRIMARY KEY (run, page, lane), FOREIGN KEY (run, page) REFERENCES page (run, number)
) WITHOUT ROWID;

-- The entries of a lane, until it is done. Apart from lane, because each commit
-- rewrites a lane's row.
CREATE TABLE lane_data (
  run TEXT NOT NULL,
  page INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  data BLOB NOT NULL,                        -- entries; compressed, and sealed where there is a key
  PRIMARY KEY (run, page, lane), FOREIGN KEY (run, page, lane) REFERENCES lane (run, page, lane)
);

-- Parts of loads by file: the records of a lane that go to Campaign in one file. A row stays until
-- its run has ended and nothing of the part can be written any more.
CREATE TABLE file_part (
  run TEXT NOT NULL,
  page INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  tbl TEXT NOT NULL,
  outstanding INTEGER NOT NULL,              -- 1: Campaign may import it at any time, so nothing else is written of the table
  doc TEXT NOT NULL,                         -- how far it has come (JSON): no values of records
  PRIMARY KEY (run, page, lane)
) WITHOUT ROWID;
CREATE UNIQUE INDEX file_part_outstanding ON file_part (tbl) WHERE outstanding = 1;

-- What is known of each record of a table. It and before_image keep rowids: their
-- keys come in no order, and payloads appended beside a small index of keys touch
-- far fewer pages than payloads in it.
CREATE TABLE record (
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  version TEXT NOT NULL,                     -- of the source, that was applied last
  target_key TEXT NOT NULL,                  -- the record's name in the target
  state TEXT NOT NULL,                       -- written, filtered, deleted, parked, quarantined, undone, kept, lost
  payload BLOB,                              -- what was written last; NULL when the target holds nothing of ours
  fingerprint BLOB,                          -- of payload
  run TEXT NOT NULL,                         -- that touched it last
  created_run TEXT NOT NULL,                 -- that created it in the target; '' when it was there before
  seen_run TEXT NOT NULL,                    -- the baseline that saw it last
  renewed BIGINT NOT NULL DEFAULT 0,         -- the count in table renewals when it was created anew last
  PRIMARY KEY (tbl, key)
);
CREATE INDEX record_created ON record (created_run) WHERE created_run <> ''; -- for a rollback
CREATE INDEX record_lost ON record (tbl) WHERE state = 'lost';

-- What the target held of a record before a run touched it, for a rollback.
CREATE TABLE before_image (
  run TEXT NOT NULL,
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  existed INTEGER NOT NULL,                  -- the target held the record
  payload BLOB,                              -- what it held
  at BIGINT NOT NULL,                        -- when that was kept
  PRIMARY KEY (run, tbl, key)
);
CREATE INDEX before_image_by_key ON before_image (tbl, key); -- for a record that the source has deleted

-- Records that were refused, and set aside with the reason.
CREATE TABLE quarantine (
  flow TEXT NOT NULL,
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  run TEXT NOT NULL,                         -- that refused it last
  state TEXT NOT NULL,                       -- open, released, discarded
  class TEXT NOT NULL,                       -- of the error
  code TEXT NOT NULL,
  field TEXT NOT NULL,                       -- that was refused
  message TEXT NOT NULL,                     -- without values
  version TEXT NOT NULL,                     -- of the source, that was refused
  payload BLOB,                              -- the source's object; compressed, and sealed where there is a key
  parent_tbl TEXT NOT NULL,                  -- the parent that may be the cause: the target did not hold it, or has lost it
  parent_key TEXT NOT NULL,
  parent_run TEXT NOT NULL DEFAULT '',       -- '': the target did not hold the parent; else that had created it by then, '-' for none
  first_seen BIGINT NOT NULL,
  last_seen BIGINT NOT NULL,
  attempts INTEGER NOT NULL,                 -- refusals ever
  tries INTEGER NOT NULL DEFAULT 1,          -- refusals since it is open
  next_try BIGINT NOT NULL,                  -- when it is tried again by itself; the year 9999: it is not
  claim TEXT NOT NULL DEFAULT '',            -- the release that is about to try it; whatever decides on it meanwhile takes it away
  discarded_by TEXT NOT NULL DEFAULT '',     -- the last discard, also after the record was refused again
  discarded_at BIGINT NOT NULL DEFAULT 0,
  discard_reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (flow, tbl, key)
) WITHOUT ROWID;
CREATE INDEX quarantine_open ON quarantine (flow, tbl, key) WHERE state = 'open';
CREATE INDEX quarantine_by_reason ON quarantine (flow, tbl, code, field, message, first_seen, last_seen, next_try) WHERE state = 'open'; -- SQLite alone: it counts by reason without reading payloads. PostgreSQL keeps those outside of rows, and refuses long texts in an index
CREATE INDEX quarantine_by_run ON quarantine (run) WHERE state = 'open';
CREATE INDEX quarantine_due ON quarantine (flow, tbl, next_try) WHERE state = 'open';
CREATE INDEX quarantine_closed ON quarantine ((CASE WHEN discarded_at > last_seen THEN discarded_at ELSE last_seen END)) WHERE state <> 'open'; -- by when it was closed
CREATE INDEX quarantine_orphan ON quarantine (flow, tbl, key) WHERE state = 'open' AND parent_key <> '';

-- Positions everything before which has an outcome.
CREATE TABLE watermark (
  flow TEXT NOT NULL,
  tbl TEXT NOT NULL,
  link TEXT NOT NULL,                        -- where the next run begins
  revision TEXT NOT NULL,                    -- of the mapping that the run used
  obtained_at BIGINT NOT NULL,               -- everything up to then was read
  run TEXT NOT NULL,                         -- that came to it
  PRIMARY KEY (flow, tbl)
) WITHOUT ROWID;

-- Calls that Campaign counts against the contract.
CREATE TABLE engine_calls (
  hour BIGINT NOT NULL,                      -- its beginning
  kind TEXT NOT NULL,                        -- of call; '' is a row that is locked while calls of the hour are reserved
  calls BIGINT NOT NULL,                     -- made
  reserved BIGINT NOT NULL DEFAULT 0,        -- that workers may make, and have not reported yet
  PRIMARY KEY (hour, kind)
) WITHOUT ROWID;

-- What became of records, by the minute and later by the hour, for charts. Commits count in
-- their own transaction, so a sum over all of it is what the lanes say.
CREATE TABLE settled (
  flow TEXT NOT NULL,
  tbl TEXT NOT NULL,
  step INTEGER NOT NULL,                     -- how long the time is, in seconds: 60 or 3600
  at BIGINT NOT NULL,                        -- its beginning
  slot INTEGER NOT NULL,                     -- 0: SQLite has one writer
  n_created BIGINT NOT NULL,
  n_updated BIGINT NOT NULL,
  n_unchanged BIGINT NOT NULL,
  n_filtered BIGINT NOT NULL,
  n_deleted BIGINT NOT NULL,
  n_parked BIGINT NOT NULL,
  n_quarantined BIGINT NOT NULL,
  n_disabled BIGINT NOT NULL,
  n_soft_bounce BIGINT NOT NULL,
  n_seed BIGINT NOT NULL,
  n_no_contact BIGINT NOT NULL,
  n_ignored BIGINT NOT NULL,
  PRIMARY KEY (flow, tbl, step, at, slot)
) WITHOUT ROWID;
CREATE INDEX settled_by_time ON settled (step, at);

-- How much waited and how far a flow was behind, at most in that time. Workers look twice a minute.
CREATE TABLE level (
  flow TEXT NOT NULL,
  tbl TEXT NOT NULL,
  step INTEGER NOT NULL,
  at BIGINT NOT NULL,
  backlog BIGINT NOT NULL,                   -- records that were read and had no outcome
  lag BIGINT NOT NULL,                       -- in seconds; -1: not known
  PRIMARY KEY (flow, tbl, step, at)
) WITHOUT ROWID;
CREATE INDEX level_by_time ON level (step, at);

-- Changes that wait.
CREATE TABLE parked (
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  waits TEXT NOT NULL,                       -- parent: to be in the target; children: to be gone from it; guard: the delete guard
  parent_tbl TEXT NOT NULL,                  -- with waits = parent
  parent_key TEXT NOT NULL,
  parent_run TEXT NOT NULL DEFAULT '',       -- '': the ledger did not have the parent in the target; else somebody deleted it there after this run had created it, '-' for none
  version TEXT NOT NULL,                     -- of the source
  deleted INTEGER NOT NULL,                  -- the source has deleted it
  payload BLOB,                              -- the source's object; compressed, and sealed where there is a key
  run TEXT NOT NULL,                         -- that parked it
  since BIGINT NOT NULL,
  ready INTEGER NOT NULL,                    -- it waits no longer and can be applied
  PRIMARY KEY (tbl, key)
) WITHOUT ROWID;
CREATE INDEX parked_by_parent ON parked (parent_tbl, parent_key) WHERE ready = 0;
CREATE INDEX parked_guarded ON parked (tbl, run, key) WHERE waits = 'guard' AND ready = 0;
CREATE INDEX parked_by_run ON parked (run) WHERE waits = 'guard' AND ready = 0;
CREATE INDEX parked_blocked ON parked (tbl, key) WHERE waits <> 'guard' AND ready = 0;
CREATE INDEX parked_ready ON parked (tbl, key) WHERE ready = 1;

-- Deletes that were let go unasked, for a while: the delete guard adds them up.
CREATE TABLE unasked_delete (
  run TEXT NOT NULL,
  page INTEGER NOT NULL,                     -- of the run; 0: those that were held back until the run was complete
  tbl TEXT NOT NULL,
  at BIGINT NOT NULL,                        -- when
  n BIGINT NOT NULL,                         -- how many
  PRIMARY KEY (run, page)
) WITHOUT ROWID;
CREATE INDEX unasked_delete_by_time ON unasked_delete (tbl, at);

-- Records of which the target may come to hold something else than the ledger says,
-- because a request of which nobody knows the end may still have an effect, or because
-- their parent was created anew.
CREATE TABLE doubt (
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  cause TEXT NOT NULL,                       -- token of the attempt that may still send; sent and what: it sends no more; parent: was created anew
  run TEXT NOT NULL,                         -- that the request is of
  carries TEXT NOT NULL,                     -- what it would do: record, before, delete; '': not known; nothing: there is none
  version TEXT NOT NULL,                     -- of the source, that it carries
  payload BLOB,                              -- the source's object; compressed, and sealed where there is a key
  since BIGINT NOT NULL,                     -- the request is no older
  at BIGINT NOT NULL,                        -- when this was kept
  look BIGINT NOT NULL,                      -- when the target is read next
  final BIGINT NOT NULL,                     -- a read from then on ends the doubt
  PRIMARY KEY (tbl, key, cause)
) WITHOUT ROWID;
CREATE INDEX doubt_due ON doubt (tbl, look);

-- How many records were created anew. A child whose request was under way meanwhile is
-- looked at: the target may have removed it with the parent that was there before.
CREATE TABLE renewals (
  one INTEGER PRIMARY KEY,
  n BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO renewals (one, n) VALUES (1, 0);

-- Which parents a record in the target names.
CREATE TABLE link (
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  parent_tbl TEXT NOT NULL,
  parent_key TEXT NOT NULL,
  PRIMARY KEY (tbl, key, parent_tbl, parent_key)
) WITHOUT ROWID;
CREATE INDEX link_by_parent ON link (parent_tbl, parent_key);

-- What an audit saw of a record in the target.
CREATE TABLE audit (
  run TEXT NOT NULL,                         -- of the audit
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  finding TEXT NOT NULL,                     -- '': as written; else changed, missing, stray
  fields TEXT NOT NULL,                      -- that differ
  payload BLOB,                              -- what the target holds, when it has changed
  fingerprint BLOB,                          -- of payload
  expected BLOB,                             -- fingerprint of what was last written then
  PRIMARY KEY (tbl, key)
) WITHOUT ROWID;
CREATE INDEX audit_findings ON audit (tbl, run, key) WHERE finding <> '';
CREATE INDEX audit_unapplied ON audit (tbl, key) WHERE finding <> '' AND expected IS NOT NULL;

-- What operators asked for: the audit trail. Rows come at the end and go at the beginning,
-- and each carries a hash over itself and the row before. reason and detail may be sealed
-- anew: the hash is over what they say.
CREATE TABLE operation (
  seq BIGINT PRIMARY KEY,                    -- from 1, without a gap, in the order they came
  id TEXT NOT NULL UNIQUE,                   -- given by the caller, so that it is kept once
  at BIGINT NOT NULL,
  who TEXT NOT NULL,
  verified INTEGER NOT NULL DEFAULT 0,       -- who has signed in; else the name is what the client said
  subject TEXT NOT NULL DEFAULT '',          -- of who at the issuer, if verified
  what TEXT NOT NULL,                        -- the command
  flow TEXT NOT NULL,
  tbl TEXT NOT NULL,
  run TEXT NOT NULL,                         -- that it is about
  revision TEXT NOT NULL,                    -- of the mapping that it is about
  was TEXT NOT NULL,                         -- the revision before
  reason TEXT NOT NULL,                      -- in the operator's words
  detail TEXT NOT NULL,                      -- what else was asked
  hash BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX operation_by_time ON operation (at, seq);
CREATE INDEX operation_by_run ON operation (run, at, seq) WHERE run <> '';

-- Where the audit trail begins (first: the last row that was pruned) and ends (last).
-- Whoever adds a row holds the lock of last, so that the chain does not fork.
CREATE TABLE operation_chain (
  name TEXT PRIMARY KEY,                     -- first, last
  seq BIGINT NOT NULL,                       -- of the row; 0: there was none yet
  at BIGINT NOT NULL,                        -- of the row
  hash BLOB NOT NULL,                      -- of the row
  proof BLOB NOT NULL                      -- a hash over the rest
) WITHOUT ROWID;
INSERT INTO operation_chain (name, seq, at, hash, proof) VALUES ('first', 0, 0, '', ''), ('last', 0, 0, '', '');
-- +goose StatementBegin
CREATE TRIGGER operation_stays BEFORE UPDATE OF seq, id, at, who, verified, subject, what, flow, tbl, run, revision, was, hash ON operation BEGIN
  SELECT RAISE(ABORT, 'an operation that was logged is not changed');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER operation_pruned BEFORE DELETE ON operation WHEN OLD.seq > (SELECT seq FROM operation_chain WHERE name = 'first') BEGIN
  SELECT RAISE(ABORT, 'operations go from the beginning of the log only');
END;
-- +goose StatementEnd

-- Saved changes of the configuration. It holds no secrets, only where they are.
CREATE TABLE config_save (
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  who TEXT NOT NULL,
  verified INTEGER NOT NULL,                 -- who has signed in
  subject TEXT NOT NULL,                     -- of who at the issuer, if verified
  reason TEXT NOT NULL,                      -- in their words
  says BLOB NOT NULL,                      -- the differences, in JSON
  files BLOB NOT NULL                      -- what the files held before and after, in JSON
) WITHOUT ROWID;
CREATE INDEX config_save_by_time ON config_save (at, id);

-- From which the workers' keys come that open requests and sign permits. One row.
CREATE TABLE access_secret (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  secret BLOB NOT NULL
);

-- Requests that got a permit, for as long as they could be repeated.
CREATE TABLE access_used (
  nonce TEXT PRIMARY KEY,
  asked_by TEXT NOT NULL,                    -- the execution of the activity, which may be tried again
  until BIGINT NOT NULL
);
CREATE INDEX access_used_by_time ON access_used (until);

-- Who is to be forgotten, until nothing of theirs is left.
CREATE TABLE erasing (
  key TEXT PRIMARY KEY,                      -- id in Dynamics
  tbl TEXT NOT NULL,
  at BIGINT NOT NULL,                        -- when that was asked for
  until BIGINT NOT NULL,                     -- what runs wrote that began later is of somebody who came back
  waits TEXT NOT NULL,                       -- for what; '' for nothing
  again INTEGER NOT NULL DEFAULT 0           -- 1: they were forgotten before, and a restore brought them back
) WITHOUT ROWID;

-- Who was forgotten: no ids.
CREATE TABLE erasure (
  hash TEXT PRIMARY KEY,                     -- of the id, with erasure_secret
  at BIGINT NOT NULL,
  searched INTEGER NOT NULL                  -- 0: the ledger was restored since, and is to be searched for it
) WITHOUT ROWID;

-- What the hashes of erasures are made with. One row, from the first opening on, so that every backup has it.
CREATE TABLE erasure_secret (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  secret TEXT NOT NULL                       -- sealed where there is a key
);

-- What waits for a second person, or has waited for one.
CREATE TABLE access_request (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,                        -- of what is asked for, as permits have it
  operation TEXT NOT NULL,                   -- the same in words
  role INTEGER NOT NULL,                     -- that a second person needs
  target TEXT NOT NULL,                      -- workflow that it is asked of
  what TEXT NOT NULL,                        -- the input, as a hash
  input TEXT NOT NULL,                       -- in JSON; a mapping in it may name a value
  subject TEXT NOT NULL,                     -- who asks
  who TEXT NOT NULL,                         -- with their name
  asked BIGINT NOT NULL,
  until BIGINT NOT NULL,                     -- it expires
  state TEXT NOT NULL,                       -- asked, confirmed, declined, done
  decider TEXT NOT NULL,                     -- the second person; '' before
  nonce TEXT NOT NULL                        -- of the request that carried it out; '' before
);
CREATE INDEX access_request_by_what ON access_request (what, subject);
CREATE INDEX access_request_by_time ON access_request (until);

-- What became of each marketing event, for a while: one that comes again costs no
-- call, and an operator can ask.
CREATE TABLE event (
  key TEXT PRIMARY KEY,                      -- made of what the event is
  type TEXT NOT NULL,                        -- send, open, click, bounce
  contact TEXT NOT NULL,                     -- id in Dynamics
  outcome INTEGER NOT NULL,                  -- as in lane.outcomes
  code TEXT NOT NULL,                        -- of a refusal
  time BIGINT NOT NULL,                      -- of the event
  run TEXT NOT NULL,                         -- that had outcome
  at BIGINT NOT NULL,                        -- when
  again INTEGER NOT NULL,                    -- how often it came after it was written
  again_run TEXT NOT NULL,                   -- the last of these times
  again_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX event_by_age ON event (at);
CREATE INDEX event_by_contact ON event (contact, time); -- for what happened to a person

-- Records that somebody deleted in Campaign and that were created again, when they came back last.
CREATE TABLE returned (
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  run TEXT NOT NULL,                         -- that created it again
  at BIGINT NOT NULL,
  PRIMARY KEY (tbl, key)
) WITHOUT ROWID;
CREATE INDEX returned_by_age ON returned (at);
CREATE INDEX returned_last ON returned (tbl, at, key);

-- Exported files that were looked at: what they are in a listing, and what they hold.
CREATE TABLE export_file (
  flow TEXT NOT NULL,
  name TEXT NOT NULL,
  size BIGINT NOT NULL,                      -- in bytes
  modified BIGINT NOT NULL,
  hash TEXT NOT NULL,                        -- of the content; '' when it could not be read
  state TEXT NOT NULL,                       -- reading, done, bad
  error TEXT NOT NULL,                       -- what is wrong in it, and where
  run TEXT NOT NULL,                         -- that reads or has read it
  n_rows BIGINT NOT NULL,
  at BIGINT NOT NULL,                        -- when this was kept
  PRIMARY KEY (flow, name, size, modified)
) WITHOUT ROWID;
CREATE INDEX export_file_by_state ON export_file (flow, state, at);
CREATE INDEX export_file_by_hash ON export_file (flow, hash);

-- What is known of a contact's choices in both systems.
CREATE TABLE optout (
  contact TEXT PRIMARY KEY,                  -- id in Dynamics
  doc BLOB NOT NULL,                         -- ids, choices and times (JSON)
  waits TEXT NOT NULL,                       -- profile: for its profile; refused: for another try
  due BIGINT NOT NULL,                       -- when to look again, if it waits
  refused BIGINT NOT NULL DEFAULT 0,         -- since when a choice of it is refused; 0: none is
  run TEXT NOT NULL,                         -- that touched it last
  at BIGINT NOT NULL                         -- when
) WITHOUT ROWID;
CREATE INDEX optout_refused ON optout (refused) WHERE refused > 0;
CREATE INDEX optout_waits ON optout (due, contact) WHERE waits <> '';

-- Opt-outs that a contact has from those that were merged into it, until both systems hold them.
CREATE TABLE optout_owed (
  contact TEXT NOT NULL,                     -- the winner's id in Dynamics
  attribute TEXT NOT NULL,                   -- of Campaign, by its canonical name
  loser TEXT NOT NULL,                       -- the contact that it was known of
  at BIGINT NOT NULL,                        -- when that was noticed
  PRIMARY KEY (contact, attribute)
) WITHOUT ROWID;
CREATE INDEX optout_owed_by_attribute ON optout_owed (attribute, contact);

-- Evidence: what was decided about a choice, and on which grounds.
CREATE TABLE optout_decision (
  contact TEXT NOT NULL,
  at BIGINT NOT NULL,                        -- of the decision
  run TEXT NOT NULL,
  pair TEXT NOT NULL,                        -- of fields, which the choice is about
  rule TEXT NOT NULL,                        -- that decided
  chosen INTEGER NOT NULL,                   -- 1: both sides are to hold an opt-out
  dynamics INTEGER NOT NULL,                 -- what Dynamics held: 1 an opt-out, 0 none, -1 not known
  dynamics_at BIGINT NOT NULL,               -- when that was chosen
  campaign INTEGER NOT NULL,                 -- what Campaign held, likewise
  campaign_at BIGINT NOT NULL,
  effect TEXT NOT NULL,                      -- what was written: dynamics, campaign, both, waits, refused
  PRIMARY KEY (contact, at, run, pair)
) WITHOUT ROWID;
CREATE INDEX optout_decision_by_age ON optout_decision (at, contact);

-- How many rows of the big tables there are in a state, so that nobody has to count
-- them. Triggers keep it, so it is right after every statement, whoever wrote. A number
-- is the sum over slots: SQLite has one writer, so there is one. New records are the
-- exception: a trigger for each would cost a tenth of a load, so Commit counts them.
CREATE TABLE tally (
  what TEXT NOT NULL,                        -- held: records that the target holds; parked; quarantined: and open; optout: by what is waited for; returned
  flow TEXT NOT NULL,                        -- with quarantined
  tbl TEXT NOT NULL,                         -- with optout, what is waited for
  slot INTEGER NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (what, flow, tbl, slot)
) WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER tally_held_more AFTER UPDATE OF payload ON record WHEN NEW.payload IS NOT NULL AND NOT OLD.payload IS NOT NULL BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('held', '', NEW.tbl, 0, 1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_held_less AFTER UPDATE OF payload ON record WHEN OLD.payload IS NOT NULL AND NOT NEW.payload IS NOT NULL BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('held', '', OLD.tbl, 0, -1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + -1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_held_delete AFTER DELETE ON record WHEN OLD.payload IS NOT NULL BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('held', '', OLD.tbl, 0, -1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + -1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_parked_insert AFTER INSERT ON parked WHEN 1 BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('parked', '', NEW.tbl, 0, 1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_parked_delete AFTER DELETE ON parked WHEN 1 BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('parked', '', OLD.tbl, 0, -1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + -1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_returned_insert AFTER INSERT ON returned WHEN 1 BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('returned', '', NEW.tbl, 0, 1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_returned_delete AFTER DELETE ON returned WHEN 1 BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('returned', '', OLD.tbl, 0, -1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + -1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_quarantined_insert AFTER INSERT ON quarantine WHEN NEW.state = 'open' BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('quarantined', NEW.flow, NEW.tbl, 0, 1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_quarantined_more AFTER UPDATE OF state ON quarantine WHEN NEW.state = 'open' AND NOT OLD.state = 'open' BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('quarantined', NEW.flow, NEW.tbl, 0, 1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_quarantined_less AFTER UPDATE OF state ON quarantine WHEN OLD.state = 'open' AND NOT NEW.state = 'open' BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('quarantined', OLD.flow, OLD.tbl, 0, -1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + -1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_quarantined_delete AFTER DELETE ON quarantine WHEN OLD.state = 'open' BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('quarantined', OLD.flow, OLD.tbl, 0, -1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + -1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_optout_insert AFTER INSERT ON optout WHEN NEW.waits <> '' BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('optout', '', NEW.waits, 0, 1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_optout_more AFTER UPDATE OF waits ON optout WHEN NEW.waits <> '' AND NEW.waits <> OLD.waits BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('optout', '', NEW.waits, 0, 1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_optout_less AFTER UPDATE OF waits ON optout WHEN OLD.waits <> '' AND NEW.waits <> OLD.waits BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('optout', '', OLD.waits, 0, -1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + -1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER tally_optout_delete AFTER DELETE ON optout WHEN OLD.waits <> '' BEGIN
  INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('optout', '', OLD.waits, 0, -1) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + -1;
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE optout_decision;
DROP TABLE optout_owed;
DROP TABLE optout;
DROP TABLE export_file;
DROP TABLE returned;
DROP TABLE event;
DROP TABLE operation;
DROP TABLE access_request;
DROP TABLE access_used;
DROP TABLE access_secret;
DROP TABLE erasure_secret;
DROP TABLE erasure;
DROP TABLE erasing;
DROP TABLE operation_chain;
DROP TABLE audit;
DROP TABLE link;
DROP TABLE renewals;
DROP TABLE unasked_delete;
DROP TABLE doubt;
DROP TABLE parked;
DROP TABLE level;
DROP TABLE settled;
DROP TABLE engine_calls;
DROP TABLE watermark;
DROP TABLE quarantine;
DROP TABLE before_image;
DROP TABLE record;
DROP TABLE file_part;
DROP TABLE lane_data;
DROP TABLE lane;
DROP TABLE gate;
DROP TABLE worker;
DROP TABLE page;
DROP TABLE turn;
DROP TABLE run;
DROP TABLE run_total;
DROP TABLE config_save;
DROP TABLE fact;
DROP TABLE revision;
DROP TABLE tally;
