package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Advance ends a run, in one transaction: it checks that every lane is written,
// saves the watermark if it has a link, drops the pages and marks the run
// COMPLETED. A run whose counts do not balance becomes INCOMPLETE: its pages
// stay for a look and the watermark does not move. Ending such a run again
// returns it as it ended.
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
	// What was read is what the pages say; what was settled came with each lane.
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
	if err := l.write(ctx, func(ctx context.Context, tx txn) error { return l.putWatermark(ctx, tx, w) }); err != nil {
		return fmt.Errorf("ledger: saving the watermark of %s: %w", w.Table, err)
	}
	return nil
}

// ClearWatermark forgets a position, so that the next start begins anew.
func (l *Ledger) ClearWatermark(ctx context.Context, flow, table string) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`DELETE FROM watermark WHERE flow = ? AND tbl = ?`), flow, table)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: clearing the watermark of %s: %w", table, err)
	}
	return nil
}

func (l *Ledger) putWatermark(ctx context.Context, tx txn, w Watermark) error {
	_, err := tx.ExecContext(ctx, l.q(`INSERT INTO watermark (flow, tbl, link, revision, obtained_at, run) VALUES (?,?,?,?,?,?)
		ON CONFLICT (flow, tbl) DO UPDATE SET link = excluded.link, revision = excluded.revision, obtained_at = excluded.obtained_at, run = excluded.run`),
		w.Flow, w.Table, w.Link, w.Revision, millis(w.ObtainedAt), w.Run)
	return err
}
