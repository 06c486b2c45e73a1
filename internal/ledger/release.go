package ledger

import (
	"context"
	"fmt"
	"time"
)

// Claim lists the keys of the next open records that a filter selects, in key
// order, and notes that the run is about to try them. Whatever applies, refuses or
// discards one of them meanwhile takes the claim away, so that the run writes
// nothing older over it. The filter must name a flow and a table.
func (l *Ledger) Claim(ctx context.Context, run string, f QuarantineFilter) (keys []string, err error) {
	f.State = QuarantineOpen
	where, args := f.where(l)
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		keys = nil
		rows, err := tx.QueryContext(ctx, l.q(`SELECT key FROM quarantine`+where+` ORDER BY flow, tbl, key LIMIT ?`), append(args[:len(args):len(args)], limitOf(f.Limit))...)
		if err != nil {
			return err
		}
		if keys, err = collect(rows, func(key *string, scan scanner) error { return scan(key) }); err != nil {
			return err
		}
		return putClaims.run(ctx, l, tx, []any{run, f.Flow, f.Table}, len(keys), func(args []any, i int) []any {
			return append(args, keys[i])
		})
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: listing quarantined records of %s for run %s: %w", f.Table, run, err)
	}
	return keys, nil
}

var putClaims = newBulk(3, `UPDATE quarantine SET claim = {1} WHERE flow = {2} AND tbl = {3} AND state = 'open' AND key IN (`, `{}`, `)`)

// Claimed says which of these quarantined records a run may still try.
func (l *Ledger) Claimed(ctx context.Context, flow, table, run string, keys []string) (map[string]bool, error) {
	return l.among(ctx, `SELECT key FROM quarantine WHERE state = 'open' AND tbl = ? AND flow = ? AND claim = ? AND key `, table, keys, flow, run)
}

// QuarantineDue says whether a record of a table is to be tried again by now.
func (l *Ledger) QuarantineDue(ctx context.Context, flow, table string, now time.Time) (bool, error) {
	n, err := l.count(ctx, `SELECT count(*) FROM (SELECT 1 FROM quarantine WHERE flow = ? AND tbl = ? AND state = 'open' AND next_try <= ? LIMIT 1) one`, flow, table, millis(now))
	return n > 0, err
}

// RetryUnblocked makes those records due whose parent the target holds now and did
// not hold when they were refused, or whose parent was created anew since. Callers call it from time to time; a call looks at a
// bounded number of records, and the next one at those behind.
func (l *Ledger) RetryUnblocked(ctx context.Context, flow, table string) (n int64, err error) {
	err = l.look(ctx, "orphans of "+flow+"/"+table, stretchOfOrphans, []any{flow, table}, func(ctx context.Context, tx txn, from, to string) error {
		res, err := tx.ExecContext(ctx, l.q(`UPDATE quarantine SET next_try = 0, parent_tbl = '', parent_key = '', parent_run = ''
			WHERE flow = ? AND tbl = ? AND state = 'open' AND parent_key <> '' AND key > ? AND key <= ?
			AND EXISTS (SELECT 1 FROM record r WHERE r.tbl = quarantine.parent_tbl AND r.key = quarantine.parent_key AND r.payload IS NOT NULL
				AND (quarantine.parent_run = '' OR quarantine.parent_run <> CASE WHEN r.created_run = '' THEN '`+NoRun+`' ELSE r.created_run END))`), flow, table, from, to)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: looking for parents that have come to %s: %w", table, err)
	}
	return n, nil
}
