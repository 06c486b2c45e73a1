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
// time, and returns how many went.
func (l *Ledger) PruneReturned(ctx context.Context, cutoff time.Time) (n int64, err error) {
	n, err = l.pruneOldest(ctx, `returned`, `tbl, key`, `at < ?`, `at`, millis(cutoff))
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting records that came back: %w", err)
	}
	return n, nil
}
