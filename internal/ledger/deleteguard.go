package ledger

import (
	"context"
	"fmt"
)

// PageDeletes is how many deletes the staged pages of a run hold.
func (l *Ledger) PageDeletes(ctx context.Context, run string) (int64, error) {
	return l.count(ctx, `SELECT coalesce(sum(n_deletes), 0) FROM page WHERE run = ?`, run)
}

// GuardDeletes decides on the deletes that a completed run held back. Up to limit of
// them may go on. More wait for ApproveDeletes, and their number is returned.
// Deletes of runs that ended in another way count as this run's. A run that is at
// work, or goes on later, has a decision of its own.
func (l *Ledger) GuardDeletes(ctx context.Context, run, table string, limit int64) (waiting int64, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE parked /*sqlite INDEXED BY parked_guarded */ SET run = ? WHERE tbl = ? AND waits = 'guard' AND ready = 0
			AND EXISTS (SELECT 1 FROM run WHERE run.id = parked.run AND state NOT IN ('COMPLETED', 'RUNNING') AND NOT `+goesOn+`)`), run, table); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, l.q(`SELECT count(*) FROM parked WHERE run = ? AND waits = 'guard' AND ready = 0`), run).Scan(&waiting); err != nil {
			return err
		}
		if waiting == 0 || waiting > limit {
			return nil
		}
		waiting = 0
		return l.unguard(ctx, tx, run)
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: counting the deletes of run %s: %w", run, err)
	}
	return waiting, nil
}

// ApproveDeletes lets the deletes go on that GuardDeletes kept back, and returns their number.
func (l *Ledger) ApproveDeletes(ctx context.Context, run string) (n int64, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if err := tx.QueryRowContext(ctx, l.q(`SELECT count(*) FROM parked WHERE run = ? AND waits = 'guard' AND ready = 0`), run).Scan(&n); err != nil {
			return err
		}
		return l.unguard(ctx, tx, run)
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: approving the deletes of run %s: %w", run, err)
	}
	return n, nil
}

func (l *Ledger) unguard(ctx context.Context, tx txn, run string) error {
	_, err := tx.ExecContext(ctx, l.q(`UPDATE parked SET ready = 1 WHERE run = ? AND waits = 'guard' AND ready = 0`), run)
	return err
}

// Approval is a run whose deletes wait for an operator.
type Approval struct {
	Run     string
	Deletes int64
}

// Approvals lists the completed runs of a table whose deletes wait for ApproveDeletes.
func (l *Ledger) Approvals(ctx context.Context, table string) ([]Approval, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT p.run, count(*) FROM parked p JOIN run r ON r.id = p.run
		WHERE p.tbl = ? AND p.waits = 'guard' AND p.ready = 0 AND r.state = 'COMPLETED' GROUP BY p.run ORDER BY p.run`), table)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing deletes to approve: %w", err)
	}
	return collect(rows, func(a *Approval, scan scanner) error { return scan(&a.Run, &a.Deletes) })
}
