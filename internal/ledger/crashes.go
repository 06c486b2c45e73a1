package ledger

import (
	"context"
	"fmt"
	"time"
)

// lane.busy is 0 while nobody is at the lane, 1 while an attempt is, or has died.
// Once one has died, or has ended without knowing what became of a write, that is
// remembered until the lane is closed: 2 in place of 0, and 3 in place of 1.

// PutDown says that an attempt at a lane ends in good order. unsure says that it
// does not know what became of some of its writes; else whatever it had in hand is
// settled or untouched. A lane whose last attempt did not come to say so died at
// work: OpenLane counts it. A lane that another attempt has taken over is left as
// it is.
func (l *Ledger) PutDown(ctx context.Context, id LaneID, fence int64, unsure bool) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`UPDATE lane SET busy = CASE WHEN busy >= 2 OR ? = 1 THEN 2 ELSE 0 END WHERE run = ? AND page = ? AND lane = ? AND fence = ?`),
			flag(unsure), id.Run, id.Page, id.Lane, fence)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: putting down %s: %w", id, err)
	}
	return nil
}

// Suspect notes the entry that is about to be written, so that a death of the
// process can be laid at its door: see Lane.Blamed. ErrFenced when another
// attempt has opened the lane since.
func (l *Ledger) Suspect(ctx context.Context, id LaneID, fence int64, index int) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		res, err := tx.ExecContext(ctx, l.q(`UPDATE lane SET blamed = CASE WHEN suspect = ? OR suspect = ? THEN blamed ELSE 0 END, suspect = ?
			WHERE run = ? AND page = ? AND lane = ? AND fence = ?`), index, -2-index, index, id.Run, id.Page, id.Lane, fence)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return ErrFenced
	})
	if err != nil {
		return fmt.Errorf("ledger: entry %d of %s: %w", index, id, err)
	}
	return nil
}

// Crashed lists the lanes of a run, in page order, at which an attempt died, or
// ended unsure, and which nothing has written to their end since: what it had in
// hand may be in the target without the ledger knowing.
func (l *Ledger) Crashed(ctx context.Context, run string) ([]OpenLaneRef, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT page, lane, size FROM lane WHERE run = ? AND done = 0 AND busy <> 0 ORDER BY page, lane`), run)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing the lanes that run %s died at: %w", run, err)
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

// dropPagesOfEnded forgets what runs that ended before the cutoff have left
// behind: lanes at which an attempt died, or ended unsure.
func (l *Ledger) dropPagesOfEnded(ctx context.Context, tx txn, cutoff time.Time, not string, kept []any) error {
	ended := `(SELECT id FROM run WHERE ended > 0 AND ended < ? AND state IN ('CANCELLED', 'FAILED', 'STOPPED') AND NOT ` + goesOn + ` AND NOT id ` + not + `)`
	for _, table := range []string{"lane_data", "lane", "page"} {
		if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM `+table+` WHERE run IN `+ended), append([]any{millis(cutoff)}, kept...)...); err != nil {
			return err
		}
	}
	return nil
}
