package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Watermark is a position; everything before it has an outcome.
type Watermark struct {
	Flow, Table, Link, Revision string
	ObtainedAt                  time.Time
	Run                         string
}

// Watermark returns the watermark of a flow's table, or ErrNotFound.
func (l *Ledger) Watermark(ctx context.Context, flow, table string) (*Watermark, error) {
	w := Watermark{Flow: flow, Table: table}
	var obtained int64
	err := l.db.QueryRowContext(ctx, l.q(`SELECT link, revision, obtained_at, run FROM watermark WHERE flow = ? AND tbl = ?`), flow, table).
		Scan(&w.Link, &w.Revision, &obtained, &w.Run)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading the watermark of %s: %w", table, err)
	}
	w.ObtainedAt = fromMillis(obtained)
	if err := l.seal.openText(&w.Link, at(watermarkLink, flow, table)); err != nil {
		return nil, fmt.Errorf("ledger: reading the watermark of %s: %w", table, err)
	}
	return &w, nil
}

// SaveWatermark moves a watermark without a run, where nothing was read on the way.
func (l *Ledger) SaveWatermark(ctx context.Context, w Watermark) error {
	if err := l.write(ctx, func(ctx context.Context, tx txn) error {
		if err := l.takeTurn(ctx, tx, w.Flow, w.Table); err != nil {
			return err
		}
		return l.putWatermark(ctx, tx, w)
	}); err != nil {
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
	link, err := l.seal.closeText(w.Link, at(watermarkLink, w.Flow, w.Table))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, l.q(`INSERT INTO watermark (flow, tbl, link, revision, obtained_at, run) VALUES (?,?,?,?,?,?)
		ON CONFLICT (flow, tbl) DO UPDATE SET link = excluded.link, revision = excluded.revision, obtained_at = excluded.obtained_at, run = excluded.run`),
		w.Flow, w.Table, link, w.Revision, millis(w.ObtainedAt), w.Run)
	return err
}
