package ledger

import (
	"context"
	"fmt"
	"time"
)

// DeleteLimit is how many deletes of a table go on unasked. A run asks when what it
// would delete, with what was let go unasked within the window, exceeds both numbers.
type DeleteLimit struct {
	Ratio  float64       // share of the records that the target held when the window began; 1 never asks
	Min    int64         // and how many in any case
	Window time.Duration // 0: every run is counted for itself
	Ask    bool          // about any delete: something else is wrong
}

// keepUnasked is how long at least it is kept how many deletes were let go unasked, so
// that an operator who comes late is told of what was counted when the run asked.
const keepUnasked = 30 * 24 * time.Hour

// PageDeletes is how many deletes the staged pages of a run hold.
func (l *Ledger) PageDeletes(ctx context.Context, run string) (int64, error) {
	return l.count(ctx, `SELECT coalesce(sum(n_deletes), 0) FROM page WHERE run = ?`, run)
}

// AdmitDeletes lets the deletes of the last page of a run be carried out at once, when
// they are surely few: all that the run holds, with those of the window, are no more
// than the minimum. They are counted then, once however often it is asked.
func (l *Ledger) AdmitDeletes(ctx context.Context, run, table string, page int, limit DeleteLimit) (admitted bool, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		var already, deletes, onPage int64
		if err := tx.QueryRowContext(ctx, l.q(`SELECT count(*) FROM unasked_delete WHERE run = ? AND page = ?`), run, page).Scan(&already); err != nil {
			return err
		}
		if admitted = already > 0; admitted {
			return nil
		}
		if err := tx.QueryRowContext(ctx, l.q(`SELECT coalesce(sum(n_deletes), 0), coalesce(sum(CASE WHEN number = ? THEN n_deletes ELSE 0 END), 0) FROM page WHERE run = ?`),
			page, run).Scan(&deletes, &onPage); err != nil {
			return err
		}
		before, err := l.unasked(ctx, tx, table, limit.Window)
		if err != nil {
			return err
		}
		if admitted = before+deletes <= limit.Min && !limit.Ask; !admitted || onPage == 0 {
			return nil
		}
		return l.countUnasked(ctx, tx, run, page, table, onPage, limit.Window)
	})
	if err != nil {
		return false, fmt.Errorf("ledger: counting the deletes of run %s: %w", run, err)
	}
	return admitted, nil
}

// unasked is how many deletes of a table were let go unasked within the window.
func (l *Ledger) unasked(ctx context.Context, tx txn, table string, window time.Duration) (n int64, err error) {
	err = tx.QueryRowContext(ctx, l.q(`SELECT coalesce(sum(n), 0) FROM unasked_delete WHERE tbl = ? AND at > ?`), table, l.now().Add(-window).UnixMilli()).Scan(&n)
	return n, err
}

func (l *Ledger) countUnasked(ctx context.Context, tx txn, run string, page int, table string, n int64, window time.Duration) error {
	if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM unasked_delete WHERE tbl = ? AND at < ?`), table, l.now().Add(-max(window, keepUnasked)).UnixMilli()); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, l.q(`INSERT INTO unasked_delete (run, page, tbl, at, n) VALUES (?,?,?,?,?)
		ON CONFLICT (run, page) DO UPDATE SET at = excluded.at, n = unasked_delete.n + excluded.n`), run, page, table, l.now().UnixMilli(), n)
	return err
}

// ForgetUndoneDeletes takes the deletes that a run carried out unasked off what the limit
// counts, once the run is undone: the target holds those records again.
func (l *Ledger) ForgetUndoneDeletes(ctx context.Context, run string) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		// Others carry out what a run held back, under page 0.
		_, err := tx.ExecContext(ctx, l.q(`DELETE FROM unasked_delete WHERE run = ? AND page > 0`), run)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: forgetting the undone deletes of run %s: %w", run, err)
	}
	return nil
}

// GuardDeletes decides on the deletes that a completed run held back. Up to the limit
// they may go on. More wait for ApproveDeletes, and their number is returned.
// Deletes of runs that ended in another way count as this run's. A run that is at
// work, or goes on later, has a decision of its own.
func (l *Ledger) GuardDeletes(ctx context.Context, run, table string, limit DeleteLimit) (waiting int64, err error) {
	var before int64
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE parked /*sqlite INDEXED BY parked_guarded */ SET run = ? WHERE tbl = ? AND waits = 'guard' AND ready = 0
			AND EXISTS (SELECT 1 FROM run WHERE run.id = parked.run AND state NOT IN ('COMPLETED', 'RUNNING') AND NOT `+goesOn+`)`), run, table); err != nil {
			return err
		}
		var err error
		if waiting, err = l.heldBack(ctx, tx, run); err != nil || waiting == 0 {
			return err
		}
		before, err = l.unasked(ctx, tx, table, limit.Window)
		return err
	})
	if err == nil && waiting > 0 {
		var few bool
		if few, err = l.fewEnough(ctx, table, waiting, before, limit); err == nil && few {
			waiting, err = 0, l.letGo(ctx, run, table, limit.Window)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("ledger: counting the deletes of run %s: %w", run, err)
	}
	return waiting, nil
}

// fewEnough compares deletes with the limit. What the target holds is counted only
// where that matters, because it can be a long count.
func (l *Ledger) fewEnough(ctx context.Context, table string, deletes, before int64, limit DeleteLimit) (bool, error) {
	switch {
	case limit.Ask:
		return false, nil
	case deletes+before <= limit.Min || limit.Ratio >= 1:
		return true, nil
	}
	known, err := l.KnownCount(ctx, table)
	return float64(deletes+before) <= limit.Ratio*float64(known+before), err
}

// letGo lets the deletes of a run go on that it held back, and counts them as unasked.
func (l *Ledger) letGo(ctx context.Context, run, table string, window time.Duration) error {
	return l.write(ctx, func(ctx context.Context, tx txn) error {
		n, err := l.heldBack(ctx, tx, run)
		if err != nil || n == 0 {
			return err
		}
		if err := l.countUnasked(ctx, tx, run, 0, table, n, window); err != nil {
			return err
		}
		return l.unguard(ctx, tx, run)
	})
}

// DeletesWithinLimit says whether so many deletes of a table would go on unasked.
func (l *Ledger) DeletesWithinLimit(ctx context.Context, table string, deletes int64, limit DeleteLimit) (bool, error) {
	before, err := l.count(ctx, `SELECT coalesce(sum(n), 0) FROM unasked_delete WHERE tbl = ? AND at > ?`, table, l.now().Add(-limit.Window).UnixMilli())
	if err != nil {
		return false, err
	}
	return l.fewEnough(ctx, table, deletes, before, limit)
}

// ApproveDeletes lets the deletes go on that GuardDeletes kept back, and returns their
// number. Whoever approves has seen what went on unasked before, so counting begins anew.
func (l *Ledger) ApproveDeletes(ctx context.Context, run string) (n int64, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		var err error
		if n, err = l.heldBack(ctx, tx, run); err != nil || n == 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM unasked_delete WHERE tbl IN (SELECT tbl FROM run WHERE id = ?)`), run); err != nil {
			return err
		}
		return l.unguard(ctx, tx, run)
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: approving the deletes of run %s: %w", run, err)
	}
	return n, nil
}

func (l *Ledger) heldBack(ctx context.Context, tx txn, run string) (n int64, err error) {
	err = tx.QueryRowContext(ctx, l.q(`SELECT count(*) FROM parked WHERE run = ? AND waits = 'guard' AND ready = 0`), run).Scan(&n)
	return n, err
}

func (l *Ledger) unguard(ctx context.Context, tx txn, run string) error {
	_, err := tx.ExecContext(ctx, l.q(`UPDATE parked SET ready = 1 WHERE run = ? AND waits = 'guard' AND ready = 0`), run)
	return err
}

// Approval is a run whose deletes wait for an operator.
type Approval struct {
	Run      string
	Deletes  int64
	Before   int64 // that were let go unasked within the window, up to the end of the run
	Expected int64 // records, of the run
	Listed   int64 // see Run
}

// Approvals lists the completed runs of a table whose deletes wait for ApproveDeletes.
func (l *Ledger) Approvals(ctx context.Context, table string, window time.Duration) ([]Approval, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT p.run, count(*), (SELECT coalesce(sum(u.n), 0) FROM unasked_delete u WHERE u.tbl = r.tbl AND u.at <= r.ended AND u.at > r.ended - ?), r.expected, r.listed
		FROM parked p JOIN run r ON r.id = p.run
		WHERE p.tbl = ? AND p.waits = 'guard' AND p.ready = 0 AND r.state = 'COMPLETED' GROUP BY p.run, r.tbl, r.ended, r.expected, r.listed ORDER BY p.run`), window.Milliseconds(), table)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing deletes to approve: %w", err)
	}
	return collect(rows, func(a *Approval, scan scanner) error {
		return scan(&a.Run, &a.Deletes, &a.Before, &a.Expected, &a.Listed)
	})
}

// RejectDeletes drops the deletes that GuardDeletes kept back, and returns their number.
// The target keeps the records. What is known of them stays, so that the next change, or
// the next baseline, decides about them anew.
func (l *Ledger) RejectDeletes(ctx context.Context, run string) (n int64, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE record SET state = 'kept' WHERE state = 'parked'
			AND (tbl, key) IN (SELECT tbl, key FROM parked WHERE run = ? AND waits = 'guard' AND ready = 0)`), run); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, l.q(`DELETE FROM parked WHERE run = ? AND waits = 'guard' AND ready = 0`), run)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: rejecting the deletes of run %s: %w", run, err)
	}
	return n, nil
}

// HeldDelete is a delete that waits for an operator.
type HeldDelete struct {
	Table, Key, Run string
	Gone            bool // from the source; else the record is there, and is left out by rule
	Since           time.Time
}

// HeldDeletes lists deletes that wait for ApproveDeletes, and counts them. An empty table
// or run matches all.
func (l *Ledger) HeldDeletes(ctx context.Context, table, run string, limit int) ([]HeldDelete, int64, error) {
	const from = ` FROM parked p JOIN run r ON r.id = p.run WHERE p.waits = 'guard' AND p.ready = 0 AND r.state = 'COMPLETED'`
	where, args := "", []any{}
	for _, c := range []struct{ column, value string }{{"p.tbl", table}, {"p.run", run}} {
		if c.value != "" {
			where, args = where+" AND "+c.column+" = ?", append(args, c.value)
		}
	}
	total, err := l.count(ctx, `SELECT count(*)`+from+where, args...)
	if err != nil {
		return nil, 0, err
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT p.tbl, p.key, p.run, p.deleted, p.since`+from+where+` ORDER BY p.tbl, p.run, p.key LIMIT ?`), append(args, limitOf(limit))...)
	if err != nil {
		return nil, 0, fmt.Errorf("ledger: listing deletes that wait: %w", err)
	}
	held, err := collect(rows, func(d *HeldDelete, scan scanner) error {
		var since int64
		err := scan(&d.Table, &d.Key, &d.Run, &d.Gone, &since)
		d.Since = fromMillis(since)
		return err
	})
	return held, total, err
}
