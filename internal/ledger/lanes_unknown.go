package ledger

import (
	"context"
	"fmt"
)

// UnknownOutcomes lists the lanes of a run, in page order, at which an attempt
// died, or ended without knowing what became of a write, and which no later
// attempt has written to its end: the target may hold writes that the ledger does
// not know of. A rollback looks for them.
func (l *Ledger) UnknownOutcomes(ctx context.Context, run string) ([]OpenLaneRef, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT page, lane, size FROM lane WHERE run = ? AND `+unrecorded+` ORDER BY page, lane`), run)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing the lanes of run %s with unknown outcomes: %w", run, err)
	}
	return collect(rows, func(ref *OpenLaneRef, scan scanner) error {
		ref.Run = run
		return scan(&ref.Page, &ref.Lane, &ref.Size)
	})
}

// DropLane forgets a lane, and its page with the last one.
func (l *Ledger) DropLane(ctx context.Context, id LaneID) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		for _, table := range []string{"lane_data", "lane"} {
			if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM `+table+` WHERE run = ? AND page = ? AND lane = ?`), id.Run, id.Page, id.Lane); err != nil {
				return err
			}
		}
		return l.dropEmptyPages(ctx, tx, id.Run)
	})
	if err != nil {
		return fmt.Errorf("ledger: dropping %s: %w", id, err)
	}
	return nil
}

// dropPagesOfEnded forgets the lanes with unknown outcomes of a run that was given up.
func (l *Ledger) dropPagesOfEnded(ctx context.Context, tx txn, run *Run) error {
	if run.State != RunCancelled && run.State != RunFailed && run.State != RunStopped {
		return nil
	}
	for _, table := range []string{"lane_data", "lane", "page"} {
		if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM `+table+` WHERE run = ?`), run.ID); err != nil {
			return err
		}
	}
	return nil
}
