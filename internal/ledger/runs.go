package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// RunState is how far a run is.
type RunState string

const (
	RunRunning    RunState = "RUNNING"
	RunCompleted  RunState = "COMPLETED"  // every record accounted for; final
	RunIncomplete RunState = "INCOMPLETE" // ended without balancing; never a success
	RunStopped    RunState = "STOPPED"    // by an operator; may go on
	RunFailed     RunState = "FAILED"
	RunCancelled  RunState = "CANCELLED" // given up
)

// RunKind is why a run reads what it reads. The flows have more kinds than these,
// which the ledger treats in a way of their own: a stopped run of these kinds goes
// on at the next start, whereas others begin anew.
type RunKind string

const (
	RunInitial  RunKind = "initial"
	RunBackfill RunKind = "backfill"
)

// Run is one pass over a table.
type Run struct {
	ID, Flow, Table, Revision string
	Kind                      RunKind
	State                     RunState
	Error, Workflow           string
	Started, Ended            time.Time
	ServerStart               time.Time // the source's clock when it began
	PreBaseline               Cursor    // from before a baseline was read: it shows what was deleted meanwhile; none = not needed
	Counts                    Counts
	Expected                  int64
	NotFound                  []string // ids of those that it was asked for by id and the source does not have
	Listed                    int64    // records that the list of a load showed; -1 until SetListed
	Span                      string   // what a backfill was asked to read; its caller's to read
	Passes                    int64    // of changes, of one hour, that are put together in this row; 0: it is one run
}

// RunFilter selects runs; empty fields match all.
type RunFilter struct {
	Flow, Table string
	Kind        RunKind
	State       RunState
	States      []RunState // any of them
	Since       time.Time  // begun at or after it
	Before      RunPlace   // only those that come after it in a list, whose newest stands first
	Limit       int        // 0: 1,000
}

// RunPlace is where a run stands in a list.
type RunPlace struct {
	Started time.Time
	ID      string
}

const runColumns = `id, flow, tbl, kind, revision, state, error, workflow, started, ended, server_start, expected, listed, passes, not_found,
	n_read, n_created, n_updated, n_unchanged, n_filtered, n_deleted, n_parked, n_quarantined, pre_baseline_kind, pre_baseline_at,
	n_disabled, n_soft_bounce, n_seed, n_no_contact, n_ignored, span`

// BeginRun records a run, RUNNING unless it says otherwise; one that exists is
// returned as it is.
func (l *Ledger) BeginRun(ctx context.Context, r Run) (*Run, error) {
	if r.State == "" {
		r.State = RunRunning
	}
	if r.Started.IsZero() {
		r.Started = l.now()
	}
	var out *Run
	span, err := l.seal.closeText(r.Span, at(runSpan, r.ID))
	if err != nil {
		return nil, fmt.Errorf("ledger: beginning run %s: %w", r.ID, err)
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if err := l.takeTurn(ctx, tx, r.Flow, r.Table); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO run (id, flow, tbl, kind, revision, state, workflow, started, server_start, expected, span)
			VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`),
			r.ID, r.Flow, r.Table, r.Kind, r.Revision, r.State, r.Workflow, millis(r.Started), millis(r.ServerStart), r.Expected, span); err != nil {
			return err
		}
		var err error
		out, err = l.run(ctx, tx, r.ID, "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: beginning run %s: %w", r.ID, err)
	}
	return out, nil
}

// Run returns a run, or ErrNotFound.
func (l *Ledger) Run(ctx context.Context, id string) (*Run, error) {
	r, err := l.run(ctx, l.db, id, "")
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("ledger: reading run %s: %w", id, err)
	}
	return r, err
}

func (l *Ledger) run(ctx context.Context, db queryer, id, lock string) (*Run, error) {
	r := &Run{}
	err := l.scanRun(r, db.QueryRowContext(ctx, l.q(`SELECT `+runColumns+` FROM run WHERE id = ?`+lock), id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// SetPreBaseline keeps the cursor that was obtained before a run's baseline.
func (l *Ledger) SetPreBaseline(ctx context.Context, id string, cursor Cursor) error {
	var err error
	if cursor.At, err = l.seal.closeText(cursor.At, at(runPreBaseline, id)); err != nil {
		return fmt.Errorf("ledger: keeping the pre-baseline link of run %s: %w", id, err)
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if err := l.takeTurnOf(ctx, tx, id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, l.q(`UPDATE run SET pre_baseline_kind = ?, pre_baseline_at = ? WHERE id = ?`), append(cursor.columns(), id)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping the pre-baseline link of run %s: %w", id, err)
	}
	return nil
}

func (l *Ledger) scanRun(r *Run, scan scanner) error {
	var started, ended, server int64
	var notFound string
	c := &r.Counts
	err := scan(&r.ID, &r.Flow, &r.Table, &r.Kind, &r.Revision, &r.State, &r.Error, &r.Workflow, &started, &ended, &server, &r.Expected, &r.Listed, &r.Passes, &notFound,
		&c.Read, &c.Created, &c.Updated, &c.Unchanged, &c.Filtered, &c.Deleted, &c.Parked, &c.Quarantined, &r.PreBaseline.Kind, &r.PreBaseline.At,
		&c.Disabled, &c.SoftBounce, &c.SeedOrProof, &c.NoContact, &c.Ignored, &r.Span)
	r.Started, r.Ended, r.ServerStart = fromMillis(started), fromMillis(ended), fromMillis(server)
	if err == nil {
		err = errors.Join(l.seal.openText(&r.Span, at(runSpan, r.ID)), l.seal.openText(&r.PreBaseline.At, at(runPreBaseline, r.ID)))
	}
	if err != nil || notFound == "" {
		return err
	}
	return json.Unmarshal([]byte(notFound), &r.NotFound)
}

// Runs lists runs, newest first.
func (l *Ledger) Runs(ctx context.Context, f RunFilter) ([]Run, error) {
	where, args := []string{"started >= ?"}, []any{millis(f.Since)}
	for _, c := range []struct{ column, value string }{{"flow", f.Flow}, {"tbl", f.Table}, {"kind", string(f.Kind)}, {"state", string(f.State)}} {
		if c.value != "" {
			where, args = append(where, c.column+" = ?"), append(args, c.value)
		}
	}
	if !f.Before.Started.IsZero() {
		at := millis(f.Before.Started)
		where, args = append(where, "started <= ? AND (started < ? OR id < ?)"), append(args, at, at, f.Before.ID)
	}
	if len(f.States) > 0 {
		where = append(where, "state IN ("+strings.Repeat("?,", len(f.States)-1)+"?)")
		for _, s := range f.States {
			args = append(args, s)
		}
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT `+runColumns+` FROM run WHERE `+strings.Join(where, " AND ")+` ORDER BY started DESC, id DESC LIMIT ?`),
		append(args, limitOf(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing runs: %w", err)
	}
	return collect(rows, l.scanRun)
}

// SetRunState changes the state of a run; any state but RUNNING ends it. A
// COMPLETED run stays so: asking for anything else is ErrEnded. ErrNotFound
// without the run.
func (l *Ledger) SetRunState(ctx context.Context, id string, state RunState, reason string) error {
	ended := int64(0)
	if state != RunRunning {
		ended = l.now().UnixMilli()
	}
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		if err := l.takeTurnOf(ctx, tx, id); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, l.q(`UPDATE run SET state = ?, error = ?, ended = ?, pruned = 0 WHERE id = ? AND state <> 'COMPLETED'`), state, text(reason), ended, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		if _, err := l.run(ctx, tx, id, ""); err != nil {
			return err
		}
		if state == RunCompleted {
			return nil
		}
		return ErrEnded
	})
	if err != nil {
		return fmt.Errorf("ledger: setting run %s to %s: %w", id, state, err)
	}
	return nil
}

// ExpectedOfOthers is how many records the newest loads of the other tables of a flow
// expected, those at work included.
func (l *Ledger) ExpectedOfOthers(ctx context.Context, flow, table string) (int64, error) {
	const counts = `kind = 'initial' AND state NOT IN ('CANCELLED', 'FAILED')`
	return l.count(ctx, `SELECT coalesce(sum(expected), 0) FROM run /*sqlite INDEXED BY run_loads */ WHERE flow = ? AND tbl <> ? AND `+counts+`
		AND started = (SELECT max(started) FROM run newer /*sqlite INDEXED BY run_loads */ WHERE newer.flow = run.flow AND newer.tbl = run.tbl AND newer.`+
		`kind = 'initial' AND newer.state NOT IN ('CANCELLED', 'FAILED'))`, flow, table)
}

// SetListed keeps how many records the pages of a phase hold, as what the list of a load
// showed. It outlives the pages.
func (l *Ledger) SetListed(ctx context.Context, id, phase string) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`UPDATE run SET listed = (SELECT coalesce(sum(n_read), 0) FROM page WHERE run = ? AND phase = ?) WHERE id = ?`), id, phase, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping what run %s listed: %w", id, err)
	}
	return nil
}

// SetNotFound keeps which of the records that a run was asked for the source does not have.
func (l *Ledger) SetNotFound(ctx context.Context, id string, keys []string) error {
	doc, err := json.Marshal(keys)
	if err == nil {
		err = l.write(ctx, func(ctx context.Context, tx txn) error {
			_, err := tx.ExecContext(ctx, l.q(`UPDATE run SET not_found = ? WHERE id = ?`), string(doc), id)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("ledger: keeping what run %s did not find: %w", id, err)
	}
	return nil
}

// PhaseReads is how many records the staged pages of a phase hold.
func (l *Ledger) PhaseReads(ctx context.Context, run, phase string) (int64, error) {
	return l.count(ctx, `SELECT coalesce(sum(n_read), 0) FROM page WHERE run = ? AND phase = ?`, run, phase)
}

// ReadSince is how many records the deltas of a flow's table have read that began at or after
// a time.
func (l *Ledger) ReadSince(ctx context.Context, flow, table string, since time.Time) (int64, error) {
	return l.count(ctx, `SELECT coalesce(sum(n_read), 0) FROM run WHERE flow = ? AND tbl = ? AND started >= ? AND kind = 'delta'`, flow, table, millis(since))
}

// QuarantinedBy is how many records a run set aside that are still open.
func (l *Ledger) QuarantinedBy(ctx context.Context, run string) (int64, error) {
	return l.count(ctx, `SELECT count(*) FROM quarantine WHERE state = 'open' AND run = ?`, run)
}

// addCounts adds the account of a lane to that of its run.
func (l *Ledger) addCounts(ctx context.Context, tx txn, run string, c Counts) error {
	_, err := tx.ExecContext(ctx, l.q(`UPDATE run SET n_read = n_read + ?, n_created = n_created + ?, n_updated = n_updated + ?, n_unchanged = n_unchanged + ?,
		n_filtered = n_filtered + ?, n_deleted = n_deleted + ?, n_parked = n_parked + ?, n_quarantined = n_quarantined + ?,
		n_disabled = n_disabled + ?, n_soft_bounce = n_soft_bounce + ?, n_seed = n_seed + ?, n_no_contact = n_no_contact + ?, n_ignored = n_ignored + ? WHERE id = ?`),
		c.Read, c.Created, c.Updated, c.Unchanged, c.Filtered, c.Deleted, c.Parked, c.Quarantined,
		c.Disabled, c.SoftBounce, c.SeedOrProof, c.NoContact, c.Ignored, run)
	return err
}
