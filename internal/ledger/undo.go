package ledger

import (
	"context"
	"fmt"
	"time"
)

const touched = `SELECT key, payload, 1 AS existed FROM before_image WHERE run = ? AND tbl = ? AND key > ?
	UNION ALL SELECT key, NULL, 0 FROM record WHERE tbl = ? AND key > ? AND created_run = ?
		AND NOT EXISTS (SELECT 1 FROM before_image b WHERE b.run = record.created_run AND b.tbl = record.tbl AND b.key = record.key)`

// Touched lists what a run changed in the target, in key order behind after; at
// most limit, 1,000 when 0. Raw is what the target held before; nil: the run
// created the record.
func (l *Ledger) Touched(ctx context.Context, run, table, after string, limit int) ([]Entry, error) {
	rows, err := l.db.QueryContext(ctx, l.q(touched+` ORDER BY key LIMIT ?`), run, table, after, table, after, run, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("ledger: listing what run %s changed: %w", run, err)
	}
	return collect(rows, func(e *Entry, scan scanner) error {
		var existed int
		return scan(&e.Key, &e.Raw, &existed)
	})
}

// TouchedCounts is how many records a run changed in the target.
type TouchedCounts struct {
	Created int64 // by the run, and known since
	Existed int64 // before the run: it changed or deleted them
	Since   int64 // of both: a later run has touched them
	Bytes   int64 // of their before-images
}

// CountTouched counts what Touched lists. Records whose last run begins with
// mine are not counted as touched since.
func (l *Ledger) CountTouched(ctx context.Context, run, table, mine string) (TouchedCounts, error) {
	var c TouchedCounts
	err := l.db.QueryRowContext(ctx, l.q(`SELECT coalesce(sum(1 - t.existed), 0), coalesce(sum(t.existed), 0),
		coalesce(sum(CASE WHEN r.run = ? OR substr(r.run, 1, ?) = ? THEN 0 ELSE 1 END), 0), coalesce(sum(length(t.payload)), 0)
		FROM (`+touched+`) t LEFT JOIN record r ON r.tbl = ? AND r.key = t.key`),
		run, len(mine), mine, run, table, "", table, "", run, table).Scan(&c.Created, &c.Existed, &c.Since, &c.Bytes)
	if err != nil {
		return c, fmt.Errorf("ledger: counting what run %s changed: %w", run, err)
	}
	return c, nil
}

// pruneChunk bounds the before-images that go at a time.
const pruneChunk = 5_000

// goesOn is the condition that a run was stopped and goes on at the next start:
// loads and backfills do, other kinds read anew.
const goesOn = `(state = 'STOPPED' AND kind IN ('initial', 'backfill'))`

// PruneBefores forgets the before-images of runs that ended before the cutoff, a
// bounded number at a time, and returns how many went. When none are left, it drops
// what else such runs have left for a rollback. Runs that were stopped and go on
// later keep theirs, and so do those of keep, which are being rolled back.
func (l *Ledger) PruneBefores(ctx context.Context, cutoff time.Time, keep ...string) (n int64, err error) {
	not, kept := l.in(append([]string{}, keep...))
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		n = 0
		var run, table string
		rows, err := tx.QueryContext(ctx, l.q(`SELECT id, tbl FROM run WHERE ended > 0 AND ended < ? AND NOT `+goesOn+` AND NOT id `+not+`
			AND EXISTS (SELECT 1 FROM before_image b WHERE b.run = run.id AND b.tbl = run.tbl) LIMIT 1`), append([]any{millis(cutoff)}, kept...)...)
		if err != nil {
			return err
		}
		for rows.Next() {
			if err := rows.Scan(&run, &table); err != nil {
				_ = rows.Close()
				return err
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
		if run == "" {
			return l.dropPagesOfEnded(ctx, tx, cutoff, not, kept)
		}
		res, err := tx.ExecContext(ctx, l.q(`DELETE FROM before_image WHERE run = ? AND tbl = ? AND key IN
			(SELECT key FROM before_image WHERE run = ? AND tbl = ? ORDER BY key LIMIT ?)`), run, table, run, table, pruneChunk)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting before-images: %w", err)
	}
	return n, nil
}
