package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

const runColumns = `id, flow, tbl, kind, revision, state, error, workflow, started, ended, server_start, expected,
	n_read, n_created, n_updated, n_unchanged, n_filtered, n_deleted, n_parked, n_quarantined`

// BeginRun records a run; one that exists is returned as it is.
func (l *Ledger) BeginRun(ctx context.Context, r Run) (*Run, error) {
	err := l.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, l.q(`INSERT INTO run (id, flow, tbl, kind, revision, state, workflow, started, server_start, expected)
			VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`),
			r.ID, r.Flow, r.Table, r.Kind, r.Revision, r.State, r.Workflow, millis(r.Started), millis(r.ServerStart), r.Expected)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: beginning run %s: %w", r.ID, err)
	}
	return l.Run(ctx, r.ID)
}

// Run returns a run, or ErrNotFound.
func (l *Ledger) Run(ctx context.Context, id string) (*Run, error) {
	return l.run(ctx, l.db, id)
}

type rowQueryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (l *Ledger) run(ctx context.Context, db rowQueryer, id string) (*Run, error) {
	r, err := scanRun(db.QueryRowContext(ctx, l.q(`SELECT `+runColumns+` FROM run WHERE id = ?`), id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading run %s: %w", id, err)
	}
	return r, nil
}

func scanRun(scan func(...any) error) (*Run, error) {
	var r Run
	var started, ended, server int64
	c := &r.Counts
	err := scan(&r.ID, &r.Flow, &r.Table, &r.Kind, &r.Revision, &r.State, &r.Error, &r.Workflow, &started, &ended, &server, &r.Expected,
		&c.Read, &c.Created, &c.Updated, &c.Unchanged, &c.Filtered, &c.Deleted, &c.Parked, &c.Quarantined)
	if err != nil {
		return nil, err
	}
	r.Started, r.Ended, r.ServerStart = fromMillis(started), fromMillis(ended), fromMillis(server)
	return &r, nil
}

// Runs lists runs, newest first.
func (l *Ledger) Runs(ctx context.Context, f RunFilter) ([]Run, error) {
	where, args := []string{"1 = 1"}, []any{}
	for _, c := range []struct{ column, value string }{{"flow", f.Flow}, {"tbl", f.Table}, {"state", f.State}} {
		if c.value != "" {
			where, args = append(where, c.column+" = ?"), append(args, c.value)
		}
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT `+runColumns+` FROM run WHERE `+strings.Join(where, " AND ")+` ORDER BY started DESC, id DESC LIMIT ?`), append(args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing runs: %w", err)
	}
	defer rows.Close()
	var out []Run
	for rows.Next() {
		r, err := scanRun(rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, *r)
	}
	return out, rows.Err()
}

// SetRunState changes the state of a run; any state but RUNNING ends it.
func (l *Ledger) SetRunState(ctx context.Context, id, state, reason string) error {
	ended := int64(0)
	if state != "RUNNING" {
		ended = time.Now().UnixMilli()
	}
	return l.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, l.q(`UPDATE run SET state = ?, error = ?, ended = ? WHERE id = ?`), state, reason, ended, id)
		return err
	})
}

// Advance ends a run: in one transaction it checks that every lane is written,
// saves the watermark if it has a link, and drops the pages. A run whose counts
// do not balance becomes INCOMPLETE: its pages stay and the watermark does not
// move. Ending an ended run returns it.
func (l *Ledger) Advance(ctx context.Context, id string, mark Watermark) (*Run, error) {
	var out *Run
	err := l.tx(ctx, func(tx *sql.Tx) error {
		run, err := l.run(ctx, tx, id)
		if err != nil {
			return err
		}
		out = run
		if run.State == "COMPLETED" || run.State == "INCOMPLETE" {
			return nil
		}
		open, err := l.unfinished(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(open) > 0 {
			return &UnfinishedError{Lanes: open}
		}
		var read int64
		if err := tx.QueryRowContext(ctx, l.q(`SELECT coalesce(sum(n_read), 0) FROM page WHERE run = ?`), id).Scan(&read); err != nil {
			return err
		}
		run.State, run.Counts.Read, run.Ended = "COMPLETED", read, time.Now().UTC()
		if !run.Counts.Balanced() {
			run.State = "INCOMPLETE"
		}
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE run SET state = ?, ended = ?, n_read = ? WHERE id = ?`), run.State, millis(run.Ended), read, id); err != nil {
			return err
		}
		if run.State == "INCOMPLETE" {
			return nil
		}
		if mark.Link != "" {
			if err := l.putWatermark(ctx, tx, mark); err != nil {
				return err
			}
		}
		return l.dropPages(ctx, tx, id)
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: ending run %s: %w", id, err)
	}
	return out, nil
}

// DropPages forgets what a run staged.
func (l *Ledger) DropPages(ctx context.Context, run string) error {
	return l.tx(ctx, func(tx *sql.Tx) error { return l.dropPages(ctx, tx, run) })
}

func (l *Ledger) dropPages(ctx context.Context, tx *sql.Tx, run string) error {
	if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM lane WHERE run = ?`), run); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, l.q(`DELETE FROM page WHERE run = ?`), run)
	return err
}

// Watermark returns the watermark of a flow's table, or ErrNotFound.
func (l *Ledger) Watermark(ctx context.Context, flow, table string) (*Watermark, error) {
	w := Watermark{Flow: flow, Table: table}
	var at int64
	err := l.db.QueryRowContext(ctx, l.q(`SELECT link, revision, obtained_at, run FROM watermark WHERE flow = ? AND tbl = ?`), flow, table).
		Scan(&w.Link, &w.Revision, &at, &w.Run)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading the watermark of %s: %w", table, err)
	}
	w.ObtainedAt = fromMillis(at)
	return &w, nil
}

// SaveWatermark moves a watermark past nothing: no record was read behind it.
func (l *Ledger) SaveWatermark(ctx context.Context, w Watermark) error {
	return l.tx(ctx, func(tx *sql.Tx) error { return l.putWatermark(ctx, tx, w) })
}

func (l *Ledger) putWatermark(ctx context.Context, tx *sql.Tx, w Watermark) error {
	_, err := tx.ExecContext(ctx, l.q(`INSERT INTO watermark (flow, tbl, link, revision, obtained_at, run) VALUES (?,?,?,?,?,?)
		ON CONFLICT (flow, tbl) DO UPDATE SET link = excluded.link, revision = excluded.revision, obtained_at = excluded.obtained_at, run = excluded.run`),
		w.Flow, w.Table, w.Link, w.Revision, millis(w.ObtainedAt), w.Run)
	return err
}
