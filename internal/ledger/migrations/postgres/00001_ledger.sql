-- +goose Up
-- The whole ledger. Times are milliseconds since 1970 in UTC; 0 is "never".
-- Flags are 0 or 1. "tbl" is the name of a table mapping, "key" the id of a
-- record in its source. '' stands for "none" unless a comment says otherwise.

-- Versions of the mapping that runs have used.
CREATE TABLE revision (
  hash TEXT PRIMARY KEY,                     -- of the document
  doc BYTEA NOT NULL                         -- the mapping as it was, in JSON
);

-- What the ledger knows of itself and of the two systems, each under a name of its own.
CREATE TABLE fact (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

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
);
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
);
-- +goose StatementBegin
CREATE FUNCTION run_total() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
  after BIGINT := (NEW.state <> 'RUNNING')::INT;
  before BIGINT := (OLD.state <> 'RUNNING')::INT;
BEGIN
  INSERT INTO run_total AS t (flow, tbl, runs, n_read, n_created, n_updated, n_unchanged, n_filtered, n_deleted, n_parked, n_quarantined, n_disabled, n_soft_bounce, n_seed, n_no_contact, n_ignored)
    VALUES (NEW.flow, NEW.tbl, after - before,
    after * NEW.n_read - before * OLD.n_read, after * NEW.n_created - before * OLD.n_created, after * NEW.n_updated - before * OLD.n_updated, after * NEW.n_unchanged - before * OLD.n_unchanged, after * NEW.n_filtered - before * OLD.n_filtered, after * NEW.n_deleted - before * OLD.n_deleted, after * NEW.n_parked - before * OLD.n_parked, after * NEW.n_quarantined - before * OLD.n_quarantined, after * NEW.n_disabled - before * OLD.n_disabled, after * NEW.n_soft_bounce - before * OLD.n_soft_bounce, after * NEW.n_seed - before * OLD.n_seed, after * NEW.n_no_contact - before * OLD.n_no_contact, after * NEW.n_ignored - before * OLD.n_ignored)
    ON CONFLICT (flow, tbl) DO UPDATE SET runs = t.runs + excluded.runs, n_read = t.n_read + excluded.n_read, n_created = t.n_created + excluded.n_created, n_updated = t.n_updated + excluded.n_updated, n_unchanged = t.n_unchanged + excluded.n_unchanged, n_filtered = t.n_filtered + excluded.n_filtered, n_deleted = t.n_deleted + excluded.n_deleted, n_parked = t.n_parked + excluded.n_parked, n_quarantined = t.n_quarantined + excluded.n_quarantined, n_disabled = t.n_disabled + excluded.n_disabled, n_soft_bounce = t.n_soft_bounce + excluded.n_soft_bounce, n_seed = t.n_seed + excluded.n_seed, n_no_contact = t.n_no_contact + excluded.n_no_contact, n_ignored = t.n_ignored + excluded.n_ignored;
  RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION run_total_new() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO run_total AS t (flow, tbl, runs, n_read, n_created, n_updated, n_unchanged, n_filtered, n_deleted, n_parked, n_quarantined, n_disabled, n_soft_bounce, n_seed, n_no_contact, n_ignored)
    VALUES (NEW.flow, NEW.tbl, 1,
    NEW.n_read, NEW.n_created, NEW.n_updated, NEW.n_unchanged, NEW.n_filtered, NEW.n_deleted, NEW.n_parked, NEW.n_quarantined, NEW.n_disabled, NEW.n_soft_bounce, NEW.n_seed, NEW.n_no_contact, NEW.n_ignored)
    ON CONFLICT (flow, tbl) DO UPDATE SET runs = t.runs + excluded.runs, n_read = t.n_read + excluded.n_read, n_created = t.n_created + excluded.n_created, n_updated = t.n_updated + excluded.n_updated, n_unchanged = t.n_unchanged + excluded.n_unchanged, n_filtered = t.n_filtered + excluded.n_filtered, n_deleted = t.n_deleted + excluded.n_deleted, n_parked = t.n_parked + excluded.n_parked, n_quarantined = t.n_quarantined + excluded.n_quarantined, n_disabled = t.n_disabled + excluded.n_disabled, n_soft_bounce = t.n_soft_bounce + excluded.n_soft_bounce, n_seed = t.n_seed + excluded.n_seed, n_no_contact = t.n_no_contact + excluded.n_no_contact, n_ignored = t.n_ignored + excluded.n_ignored;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER run_total_update AFTER UPDATE ON run FOR EACH ROW WHEN (NEW.passes = 0 AND NEW.pruned <= OLD.pruned AND (NEW.state <> 'RUNNING' OR OLD.state <> 'RUNNING')) EXECUTE FUNCTION run_total();
CREATE TRIGGER run_total_insert AFTER INSERT ON run FOR EACH ROW WHEN (NEW.passes = 0 AND NEW.state <> 'RUNNING') EXECUTE FUNCTION run_total_new();

-- The last activity that began, staged or ended runs of a table. An earlier one that
-- wakes late may not do so any more.
CREATE TABLE turn (
  flow TEXT NOT NULL,
  tbl TEXT NOT NULL,
  scheduled BIGINT NOT NULL,                 -- by Temporal's clock
  activity TEXT NOT NULL,                    -- its id in its workflow
  attempt INTEGER NOT NULL,
  PRIMARY KEY (flow, tbl)
);

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
);

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
);

-- Services that asked all of us to wait.
CREATE TABLE gate (
  service TEXT PRIMARY KEY,
  until BIGINT NOT NULL                      -- nothing is sent before, by the clock of the ledger
);

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
  outcomes BYTEA NOT NULL,                   -- one byte an entry, 0 while it has none
  PRIMARY KEY (run, page, lane), FOREIGN KEY (run, page) REFERENCES page (run, number)
);

-- The entries of a lane, until it is done. Apart from lane, because each commit
-- rewrites a lane's row.
CREATE TABLE lane_data (
  run TEXT NOT NULL,
  page INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  data BYTEA NOT NULL,                       -- entries; compressed, and sealed where there is a key
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
);
CREATE UNIQUE INDEX file_part_outstanding ON file_part (tbl) WHERE outstanding = 1;

-- What is known of each record of a table. Keys compare by their bytes, as in SQLite.
CREATE TABLE record (
  tbl TEXT NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  version TEXT NOT NULL,                     -- of the source, that was applied last
  target_key TEXT NOT NULL,                  -- the record's name in the target
  state TEXT NOT NULL,                       -- written, filtered, deleted, parked, quarantined, undone, kept, lost
  payload BYTEA,                             -- what was written last; NULL when the target holds nothing of ours
  fingerprint BYTEA,                         -- of payload
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
  key TEXT COLLATE "C" NOT NULL,
  existed INTEGER NOT NULL,                  -- the target held the record
  payload BYTEA,                             -- what it held
  at BIGINT NOT NULL,                        -- when that was kept
  PRIMARY KEY (run, tbl, key)
);
CREATE INDEX before_image_by_key ON before_image (tbl, key); -- for a record that the source has deleted

-- Records that were refused, and set aside with the reason.
CREATE TABLE quarantine (
  flow TEXT COLLATE "C" NOT NULL,
  tbl TEXT COLLATE "C" NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  run TEXT NOT NULL,                         -- that refused it last
  state TEXT NOT NULL,                       -- open, released, discarded
  class TEXT NOT NULL,                       -- of the error
  code TEXT NOT NULL,
  field TEXT NOT NULL,                       -- that was refused
  message TEXT NOT NULL,                     -- without values
  version TEXT NOT NULL,                     -- of the source, that was refused
  payload BYTEA,                             -- the source's object; compressed, and sealed where there is a key
  parent_tbl TEXT NOT NULL,                  -- the parent that may be the cause: the target did not hold it, or has lost it
  parent_key TEXT COLLATE "C" NOT NULL,
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
);
CREATE INDEX quarantine_open ON quarantine (flow, tbl, key) WHERE state = 'open';
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
);

-- Calls that Campaign counts against the contract.
CREATE TABLE engine_calls (
  hour BIGINT NOT NULL,                      -- its beginning
  kind TEXT COLLATE "C" NOT NULL,            -- of call; '' is a row that is locked while calls of the hour are reserved
  calls BIGINT NOT NULL,                     -- made
  reserved BIGINT NOT NULL DEFAULT 0,        -- that workers may make, and have not reported yet
  PRIMARY KEY (hour, kind)
);

-- What became of records, by the minute and later by the hour, for charts. Commits count in
-- their own transaction, so a sum over all of it is what the lanes say.
CREATE TABLE settled (
  flow TEXT NOT NULL,
  tbl TEXT NOT NULL,
  step INTEGER NOT NULL,                     -- how long the time is, in seconds: 60 or 3600
  at BIGINT NOT NULL,                        -- its beginning
  slot INTEGER NOT NULL,                     -- of the connection that counted, because transactions that change one row wait for each other
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
);
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
);
CREATE INDEX level_by_time ON level (step, at);

-- Changes that wait.
CREATE TABLE parked (
  tbl TEXT NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  waits TEXT NOT NULL,                       -- parent: to be in the target; children: to be gone from it; guard: the delete guard
  parent_tbl TEXT NOT NULL,                  -- with waits = parent
  parent_key TEXT COLLATE "C" NOT NULL,
  parent_run TEXT NOT NULL DEFAULT '',       -- '': the ledger did not have the parent in the target; else somebody deleted it there after this run had created it, '-' for none
  version TEXT NOT NULL,                     -- of the source
  deleted INTEGER NOT NULL,                  -- the source has deleted it
  payload BYTEA,                             -- the source's object; compressed, and sealed where there is a key
  run TEXT NOT NULL,                         -- that parked it
  since BIGINT NOT NULL,
  ready INTEGER NOT NULL,                    -- it waits no longer and can be applied
  PRIMARY KEY (tbl, key)
);
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
);
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
  payload BYTEA,                              -- the source's object; compressed, and sealed where there is a key
  since BIGINT NOT NULL,                     -- the request is no older
  at BIGINT NOT NULL,                        -- when this was kept
  look BIGINT NOT NULL,                      -- when the target is read next
  final BIGINT NOT NULL,                     -- a read from then on ends the doubt
  PRIMARY KEY (tbl, key, cause)
);
CREATE INDEX doubt_due ON doubt (tbl, look);

-- How many records were created anew. A child whose request was under way meanwhile is
-- looked at: the target may have removed it with the parent that was there before.
CREATE TABLE renewals (
  one INTEGER PRIMARY KEY,
  n BIGINT NOT NULL
);
INSERT INTO renewals (one, n) VALUES (1, 0);

-- Which parents a record in the target names.
CREATE TABLE link (
  tbl TEXT NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  parent_tbl TEXT NOT NULL,
  parent_key TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (tbl, key, parent_tbl, parent_key)
);
CREATE INDEX link_by_parent ON link (parent_tbl, parent_key);

-- What an audit saw of a record in the target.
CREATE TABLE audit (
  run TEXT NOT NULL,                         -- of the audit
  tbl TEXT NOT NULL,
  key TEXT COLLATE "C" NOT NULL,
  finding TEXT NOT NULL,                     -- '': as written; else changed, missing, stray
  fields TEXT NOT NULL,                      -- that differ
  payload BYTEA,                             -- what the target holds, when it has changed
  fingerprint BYTEA,                         -- of payload
  expected BYTEA,                            -- fingerprint of what was last written then
  PRIMARY KEY (tbl, key)
);
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
  hash BYTEA NOT NULL
);
CREATE INDEX operation_by_time ON operation (at, seq);
CREATE INDEX operation_by_run ON operation (run, at, seq) WHERE run <> '';

-- Where the audit trail begins (first: the last row that was pruned) and ends (last).
-- Whoever adds a row holds the lock of last, so that the chain does not fork.
CREATE TABLE operation_chain (
  name TEXT PRIMARY KEY,                     -- first, last
  seq BIGINT NOT NULL,                       -- of the row; 0: there was none yet
  at BIGINT NOT NULL,                        -- of the row
  hash BYTEA NOT NULL,                      -- of the row
  proof BYTEA NOT NULL                      -- a hash over the rest
);
INSERT INTO operation_chain (name, seq, at, hash, proof) VALUES ('first', 0, 0, '', ''), ('last', 0, 0, '', '');
-- +goose StatementBegin
CREATE FUNCTION operation_stays() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN RAISE EXCEPTION 'an operation that was logged is not changed'; END IF;
  IF OLD.seq > (SELECT seq FROM operation_chain WHERE name = 'first') THEN RAISE EXCEPTION 'operations go from the beginning of the log only'; END IF;
  RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER operation_stays BEFORE UPDATE OF seq, id, at, who, verified, subject, what, flow, tbl, run, revision, was, hash ON operation FOR EACH ROW EXECUTE FUNCTION operation_stays();
CREATE TRIGGER operation_pruned BEFORE DELETE ON operation FOR EACH ROW EXECUTE FUNCTION operation_stays();

-- Saved changes of the configuration. It holds no secrets, only where they are.
CREATE TABLE config_save (
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  who TEXT NOT NULL,
  verified INTEGER NOT NULL,                 -- who has signed in
  subject TEXT NOT NULL,                     -- of who at the issuer, if verified
  reason TEXT NOT NULL,                      -- in their words
  says BYTEA NOT NULL,                      -- the differences, in JSON
  files BYTEA NOT NULL                      -- what the files held before and after, in JSON
);
CREATE INDEX config_save_by_time ON config_save (at, id);

-- From which the workers' keys come that open requests and sign permits. One row.
CREATE TABLE access_secret (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  secret BYTEA NOT NULL
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
);

-- Who was forgotten: no ids.
CREATE TABLE erasure (
  hash TEXT PRIMARY KEY,                     -- of the id, with erasure_secret
  at BIGINT NOT NULL,
  searched INTEGER NOT NULL                  -- 0: the ledger was restored since, and is to be searched for it
);

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
  key TEXT COLLATE "C" PRIMARY KEY,          -- made of what the event is
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
);
CREATE INDEX event_by_age ON event (at);
CREATE INDEX event_by_contact ON event (contact, time); -- for what happened to a person

-- Records that somebody deleted in Campaign and that were created again, when they came back last.
CREATE TABLE returned (
  tbl TEXT NOT NULL,
  key TEXT NOT NULL,
  run TEXT NOT NULL,                         -- that created it again
  at BIGINT NOT NULL,
  PRIMARY KEY (tbl, key)
);
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
);
CREATE INDEX export_file_by_state ON export_file (flow, state, at);
CREATE INDEX export_file_by_hash ON export_file (flow, hash);

-- What is known of a contact's choices in both systems.
CREATE TABLE optout (
  contact TEXT PRIMARY KEY,                  -- id in Dynamics
  doc BYTEA NOT NULL,                        -- ids, choices and times (JSON)
  waits TEXT NOT NULL,                       -- profile: for its profile; refused: for another try
  due BIGINT NOT NULL,                       -- when to look again, if it waits
  refused BIGINT NOT NULL DEFAULT 0,         -- since when a choice of it is refused; 0: none is
  run TEXT NOT NULL,                         -- that touched it last
  at BIGINT NOT NULL                         -- when
);
CREATE INDEX optout_refused ON optout (refused) WHERE refused > 0;
CREATE INDEX optout_waits ON optout (due, contact) WHERE waits <> '';

-- Opt-outs that a contact has from those that were merged into it, until both systems hold them.
CREATE TABLE optout_owed (
  contact TEXT NOT NULL,                     -- the winner's id in Dynamics
  attribute TEXT NOT NULL,                   -- of Campaign, by its canonical name
  loser TEXT NOT NULL,                       -- the contact that it was known of
  at BIGINT NOT NULL,                        -- when that was noticed
  PRIMARY KEY (contact, attribute)
);
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
);
CREATE INDEX optout_decision_by_age ON optout_decision (at, contact);

-- How many rows of the big tables there are in a state, so that nobody has to count
-- them. Triggers keep it, so it is right after every statement, whoever wrote. A number
-- is the sum over slots: each connection has its own, because transactions that
-- change one row wait for each other.
CREATE TABLE tally (
  what TEXT NOT NULL,                        -- held: records that the target holds; parked; quarantined: and open; optout: by what is waited for; returned
  flow TEXT NOT NULL,                        -- with quarantined
  tbl TEXT NOT NULL,                         -- with optout, what is waited for
  slot INTEGER NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (what, flow, tbl, slot)
);

-- +goose StatementBegin
CREATE FUNCTION tally_add(what TEXT, flow TEXT, tbl TEXT, change BIGINT) RETURNS VOID LANGUAGE sql AS $$
  INSERT INTO tally AS t (what, flow, tbl, slot, n) VALUES ($1, $2, $3, pg_backend_pid() % 1000, $4)
  ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = t.n + excluded.n;
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION tally_held() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.payload IS NOT NULL THEN PERFORM tally_add('held', '', OLD.tbl, -1); END IF;
  IF TG_OP <> 'DELETE' AND NEW.payload IS NOT NULL THEN PERFORM tally_add('held', '', NEW.tbl, 1); END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION tally_held_new() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tally_add('held', '', r.tbl, count(*)) FROM new_rows r WHERE r.payload IS NOT NULL GROUP BY r.tbl;
  RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION tally_parked() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN PERFORM tally_add('parked', '', OLD.tbl, -1); ELSE PERFORM tally_add('parked', '', NEW.tbl, 1); END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION tally_returned() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN PERFORM tally_add('returned', '', OLD.tbl, -1); ELSE PERFORM tally_add('returned', '', NEW.tbl, 1); END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION tally_quarantined() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.state = 'open' THEN PERFORM tally_add('quarantined', OLD.flow, OLD.tbl, -1); END IF;
  IF TG_OP <> 'DELETE' AND NEW.state = 'open' THEN PERFORM tally_add('quarantined', NEW.flow, NEW.tbl, 1); END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION tally_optout() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.waits <> '' THEN PERFORM tally_add('optout', '', OLD.waits, -1); END IF;
  IF TG_OP <> 'DELETE' AND NEW.waits <> '' THEN PERFORM tally_add('optout', '', NEW.waits, 1); END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
-- New records come many to a statement and are counted together. What happens to few
-- rows of a statement is counted row by row, and costs the others nothing.
CREATE TRIGGER tally_insert AFTER INSERT ON record REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tally_held_new();
CREATE TRIGGER tally_update AFTER UPDATE ON record FOR EACH ROW WHEN ((OLD.payload IS NULL) <> (NEW.payload IS NULL)) EXECUTE FUNCTION tally_held();
CREATE TRIGGER tally_delete AFTER DELETE ON record FOR EACH ROW EXECUTE FUNCTION tally_held();
CREATE TRIGGER tally_change AFTER INSERT OR DELETE ON parked FOR EACH ROW EXECUTE FUNCTION tally_parked();
CREATE TRIGGER tally_change AFTER INSERT OR DELETE ON returned FOR EACH ROW EXECUTE FUNCTION tally_returned();
CREATE TRIGGER tally_change AFTER INSERT OR DELETE ON quarantine FOR EACH ROW EXECUTE FUNCTION tally_quarantined();
CREATE TRIGGER tally_update AFTER UPDATE ON quarantine FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION tally_quarantined();
CREATE TRIGGER tally_insert AFTER INSERT ON optout FOR EACH ROW WHEN (NEW.waits <> '') EXECUTE FUNCTION tally_optout();
CREATE TRIGGER tally_update AFTER UPDATE ON optout FOR EACH ROW WHEN (OLD.waits <> NEW.waits) EXECUTE FUNCTION tally_optout();
CREATE TRIGGER tally_delete AFTER DELETE ON optout FOR EACH ROW WHEN (OLD.waits <> '') EXECUTE FUNCTION tally_optout();

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
DROP FUNCTION operation_stays;
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
DROP FUNCTION run_total, run_total_new;
DROP TABLE config_save;
DROP TABLE fact;
DROP TABLE revision;
DROP TABLE tally;
DROP FUNCTION tally_held, tally_held_new, tally_parked, tally_returned, tally_quarantined, tally_optout, tally_add;
