package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

var putReturned = newBulk(3, `INSERT INTO returned (tbl, run, at, key) VALUES `, `({1},{2},{3},{})`,
	` ON CONFLICT (tbl, key) DO UPDATE SET run = excluded.run, at = excluded.at`)

// Returned is how many records of a table came back that somebody had deleted in the
// target, and which was the last. Those from before the last PruneReturned do not count.
type Returned struct {
	Count int64
	Last  string // key
}

// Returned counts the records of a table that came back.
func (l *Ledger) Returned(ctx context.Context, table string) (out Returned, err error) {
	if out.Count, err = l.count(ctx, tallied+` AND flow = '' AND tbl = ?`, talliedReturned, table); err != nil || out.Count == 0 {
		return out, err
	}
	err = l.db.QueryRowContext(ctx, l.q(`SELECT key FROM returned WHERE tbl = ? ORDER BY at DESC, key DESC LIMIT 1`), table).Scan(&out.Last)
	if errors.Is(err, sql.ErrNoRows) {
		return Returned{}, nil
	}
	if err != nil {
		return out, fmt.Errorf("ledger: looking for records that came back: %w", err)
	}
	return out, nil
}

// PruneReturned forgets records that came back before the cutoff, a bounded number at a
// time.
func (l *Ledger) PruneReturned(ctx context.Context, cutoff time.Time) error {
	for {
		// Mostly there are none; then this writes nothing.
		due, err := l.count(ctx, `SELECT count(*) FROM (SELECT 1 FROM returned WHERE at < ? LIMIT ?) one`, millis(cutoff), pruneChunk)
		if err != nil || due == 0 {
			return err
		}
		err = l.write(ctx, func(ctx context.Context, tx txn) error {
			_, err := tx.ExecContext(ctx, l.q(`DELETE FROM returned WHERE (tbl, key) IN (SELECT tbl, key FROM returned WHERE at < ? ORDER BY at LIMIT ?)`), millis(cutoff), pruneChunk)
			return err
		})
		if err != nil {
			return fmt.Errorf("ledger: forgetting records that came back: %w", err)
		}
	}
}
