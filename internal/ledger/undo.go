package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// created is the condition that a run created a record in the target, and nothing of it
// was kept. It hides the table from SQLite's planner, which would else walk all of it.
const created = `created_run = ? AND created_run <> '' AND (tbl || '') = ? AND NOT ` + kept

const kept = `EXISTS (SELECT 1 FROM before_image b WHERE b.run = record.created_run AND b.tbl = record.tbl AND b.key = record.key)`

const touched = `SELECT key, payload, 1 AS existed FROM before_image WHERE run = ? AND tbl = ? UNION ALL SELECT key, NULL, 0 FROM record WHERE ` + created

// createdFew is up to how many records of a run are sorted for each page of Touched. Where
// a run created more, they lie close together in the table, and it is walked.
const createdFew = 20_000

// Touched lists what a run changed in the target, in key order behind after; at
// most limit, 1,000 when 0. Raw is what the target held before; nil: the run
// created the record.
func (l *Ledger) Touched(ctx context.Context, run, table, after string, limit int) ([]Entry, error) {
	limit = limitOf(limit)
	images, err := l.BeforeImages(ctx, run, table, after, limit)
	if err != nil {
		return nil, err
	}
	keys, err := l.createdBy(ctx, run, table, after, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing what run %s changed: %w", run, err)
	}
	var out []Entry
	for _, b := range images {
		out = append(out, Entry{Key: b.Key, Raw: b.Payload})
	}
	for _, k := range keys {
		out = append(out, Entry{Key: k})
	}
	slices.SortFunc(out, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	return out[:min(len(out), limit)], nil
}

func (l *Ledger) createdBy(ctx context.Context, run, table, after string, limit int) ([]string, error) {
	n, err := l.count(ctx, `SELECT count(*) FROM (SELECT 1 FROM record WHERE created_run = ? AND created_run <> '' LIMIT ?) one`, run, createdFew)
	if err != nil || n == 0 {
		return nil, err
	}
	if n == createdFew {
		return l.recordKeys(ctx, `(created_run || '') = ? AND NOT `+kept, table, run, after, limit)
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key FROM record WHERE `+created+` AND (key || '') > ? ORDER BY (key || '') LIMIT ?`), run, table, after, limit)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(key *string, scan scanner) error { return scan(key) })
}

// TouchedCounts is how many records a run changed in the target.
type TouchedCounts struct {
	Created int64 // by the run, and known since
	Existed int64 // before the run: it changed or deleted them
	Since   int64 // of both: a later run has touched them
	Bytes   int64 // of their before-images, as they are kept
}

// CountTouched counts what Touched lists. Records whose last run begins with
// mine are not counted as touched since.
func (l *Ledger) CountTouched(ctx context.Context, run, table, mine string) (TouchedCounts, error) {
	var c TouchedCounts
	err := l.db.QueryRowContext(ctx, l.q(`SELECT coalesce(sum(1 - t.existed), 0), coalesce(sum(t.existed), 0),
		coalesce(sum(CASE WHEN r.run = ? OR substr(r.run, 1, ?) = ? THEN 0 ELSE 1 END), 0), coalesce(sum(length(t.payload)), 0)
		FROM (`+touched+`) t LEFT JOIN record r ON r.tbl = ? AND r.key = t.key`),
		run, len(mine), mine, run, table, run, table, table).Scan(&c.Created, &c.Existed, &c.Since, &c.Bytes)
	if err != nil {
		return c, fmt.Errorf("ledger: counting what run %s changed: %w", run, err)
	}
	return c, nil
}

// pruneChunk bounds the rows that go at a time: writers wait for one such step, a tenth of a
// second on SQLite.
const pruneChunk = 1_000

// goesOn is the condition that a run was stopped and goes on at the next start:
// loads and backfills do, other kinds read anew.
const goesOn = `(state = 'STOPPED' AND kind IN ('initial', 'backfill'))`

// PruneBefores forgets the before-images of runs that ended before the cutoff, a
// bounded number at a time, and returns how many went. It drops what else such runs have
// left for a rollback, too. Runs that were stopped and go on
// later keep theirs, and so do those of keep, which are being rolled back.
func (l *Ledger) PruneBefores(ctx context.Context, cutoff time.Time, keep ...string) (n int64, err error) {
	for {
		runs, err := l.unpruned(ctx, l.db, cutoff, keep) // mostly none; then this writes nothing
		if err == nil && len(runs) > 0 {
			n, err = l.prune(ctx, cutoff, keep)
		}
		if err != nil {
			return 0, fmt.Errorf("ledger: forgetting before-images: %w", err)
		}
		if n > 0 || len(runs) == 0 {
			return n, nil
		}
	}
}

// pruneRuns bounds how many runs are pruned at a time. Most have nothing to prune.
const pruneRuns = 200

// unpruned lists the next runs that may have left something for a rollback.
func (l *Ledger) unpruned(ctx context.Context, db queryer, cutoff time.Time, keep []string) ([]Run, error) {
	not, kept := l.in(append([]string{}, keep...))
	rows, err := db.QueryContext(ctx, l.q(`SELECT id, tbl, state FROM run WHERE pruned = 0 AND ended > 0 AND ended < ? AND NOT `+goesOn+` AND NOT id `+not+`
		ORDER BY ended, id LIMIT ?`), slices.Concat([]any{millis(cutoff)}, kept, []any{pruneRuns})...)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(r *Run, scan scanner) error { return scan(&r.ID, &r.Table, &r.State) })
}

// prune forgets what the next runs have left, up to pruneChunk before-images, and notes which runs
// have nothing any more.
func (l *Ledger) prune(ctx context.Context, cutoff time.Time, keep []string) (n int64, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		n = 0
		runs, err := l.unpruned(ctx, tx, cutoff, keep)
		if err != nil {
			return err
		}
		for i := range runs {
			r := &runs[i]
			left := pruneChunk - n
			res, err := tx.ExecContext(ctx, l.q(`DELETE FROM before_image WHERE run = ? AND tbl = ? AND key IN
				(SELECT key FROM before_image WHERE run = ? AND tbl = ? ORDER BY key LIMIT ?)`), r.ID, r.Table, r.ID, r.Table, left)
			if err != nil {
				return err
			}
			gone, err := res.RowsAffected()
			if err != nil {
				return err
			}
			if n += gone; gone == left {
				return nil
			}
			if err := l.dropPagesOfEnded(ctx, tx, r); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, l.q(`UPDATE run SET pruned = 1 WHERE id = ?`), r.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}
