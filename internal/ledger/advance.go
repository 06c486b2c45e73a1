package ledger

import (
	"context"
	"fmt"
)

// Advance ends a run, in one transaction: it checks that every lane is done, saves
// the watermark if it has a link, drops the pages and marks the run COMPLETED. A
// run whose counts do not balance becomes INCOMPLETE instead: its pages stay, so
// that somebody can look at them, and the watermark does not move. A run that has
// ended in one of these ways is returned as it is.
//
// *UnfinishedError while lanes are open, ErrEnded for a run that was stopped,
// cancelled or has failed, ErrNotFound without the run; then nothing is written.
func (l *Ledger) Advance(ctx context.Context, id string, mark Watermark) (*Run, error) {
	var out *Run
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		lock := ""
		if l.postgres {
			lock = " FOR UPDATE"
		}
		run, err := l.run(ctx, tx, id, lock)
		if err != nil {
			return err
		}
		out = run
		if err := l.takeTurn(ctx, tx, run.Flow, run.Table); err != nil {
			return err
		}
		switch run.State {
		case RunCompleted, RunIncomplete:
			return nil
		case RunRunning:
			return l.end(ctx, tx, run, mark)
		}
		return fmt.Errorf("%w: it is %s", ErrEnded, run.State)
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: ending run %s: %w", id, err)
	}
	return out, nil
}

func (l *Ledger) end(ctx context.Context, tx txn, run *Run, mark Watermark) error {
	if mark.Link != "" && (mark.Flow != run.Flow || mark.Table != run.Table) {
		return fmt.Errorf("the watermark is that of %s/%s, the run that of %s/%s", mark.Flow, mark.Table, run.Flow, run.Table)
	}
	open, err := l.unfinished(ctx, tx, run.ID)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return &UnfinishedError{Lanes: open}
	}
	// What was read is what the pages say; the outcomes came with each lane.
	if err := tx.QueryRowContext(ctx, l.q(`SELECT coalesce(sum(n_read), 0) FROM page WHERE run = ?`), run.ID).Scan(&run.Counts.Read); err != nil {
		return err
	}
	run.State, run.Ended = RunCompleted, fromMillis(l.now().UnixMilli())
	if !run.Counts.Balanced() {
		run.State = RunIncomplete
		run.Error = fmt.Sprintf("%d records were read, %d have an outcome", run.Counts.Read, run.Counts.WithOutcome())
	}
	if _, err := tx.ExecContext(ctx, l.q(`UPDATE run SET state = ?, error = ?, ended = ?, n_read = ? WHERE id = ?`),
		run.State, run.Error, millis(run.Ended), run.Counts.Read, run.ID); err != nil {
		return err
	}
	if run.State == RunIncomplete {
		return nil
	}
	if mark.Link != "" {
		if err := l.putWatermark(ctx, tx, mark); err != nil {
			return err
		}
	}
	return l.dropPages(ctx, tx, run.ID)
}
