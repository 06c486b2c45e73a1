package ledger

import (
	"context"
)

// A record that is created anew was gone in the target, and its children may have gone with
// it, or lost their link to it. Those that the ledger knows are looked at. A child whose
// request was under way meanwhile is known only later: when its outcome is committed, its
// parents are compared with the count of renewals at which its lane was opened.

// renewals is the count of records that were created anew. With lock nobody adds to it until
// the transaction ends.
func (l *Ledger) renewals(ctx context.Context, tx txn, lock bool) (n int64, err error) {
	query := `SELECT n FROM renewals WHERE one = 1`
	if lock && l.postgres {
		query += ` FOR SHARE`
	}
	err = tx.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// lockRenewals returns the count after the renewals of the group. Who names parents and who
// creates parents anew wait for each other: one of them sees what the other has done.
func (e *effects) lockRenewals(ctx context.Context, l *Ledger, tx txn) (int64, error) {
	switch {
	case len(e.renewed) > 0:
		if _, err := tx.ExecContext(ctx, `UPDATE renewals SET n = n + 1 WHERE one = 1`); err != nil {
			return 0, err
		}
		return l.renewals(ctx, tx, false)
	case len(e.linked) > 0:
		return l.renewals(ctx, tx, true)
	}
	return 0, nil
}

// doubtChildren has children of records that were created anew looked at: those that the
// ledger knows, and those of the group whose parents were created anew since its lane was opened.
func (e *effects) doubtChildren(ctx context.Context, l *Ledger, tx txn, run string, lane *lockedLane, renewals int64) error {
	now := l.now().UnixMilli()
	if err := markRenewed.run(ctx, l, tx, []any{renewals, lane.table}, len(e.renewed), func(args []any, i int) []any {
		return append(args, e.renewed[i])
	}); err != nil {
		return err
	}
	if err := doubtKnown.run(ctx, l, tx, []any{run, now, lane.table}, len(e.renewed), func(args []any, i int) []any {
		return append(args, e.renewed[i])
	}); err != nil {
		return err
	}
	if renewals == lane.renewals {
		return nil
	}
	return doubtLate.run(ctx, l, tx, []any{run, now, lane.table, lane.renewals}, len(e.linked), func(args []any, i int) []any {
		return append(args, e.linked[i])
	})
}

var markRenewed = newBulk(2, `UPDATE record SET renewed = CAST({1} AS BIGINT) WHERE tbl = {2} AND key IN (`, `{}`, `)`)

const (
	doubtOfChildren = `INSERT INTO doubt (tbl, key, cause, run, carries, version, since, at, look, final)
	SELECT DISTINCT k.tbl, k.key, 'parent', CAST({1} AS TEXT), '` + string(CarriesNothing) + `', '', CAST({2} AS BIGINT), CAST({2} AS BIGINT), CAST({2} AS BIGINT), CAST({2} AS BIGINT)
	FROM link k `
	orLaterDoubt = `) ORDER BY 1, 2 ON CONFLICT (tbl, key, cause) DO UPDATE SET run = excluded.run, look = excluded.look, final = excluded.final`
)

var (
	doubtKnown = newBulk(3, doubtOfChildren+`JOIN record r ON r.tbl = k.tbl AND r.key = k.key WHERE r.payload IS NOT NULL AND k.parent_tbl = {3} AND k.parent_key IN (`, `{}`, orLaterDoubt)
	doubtLate  = newBulk(4, doubtOfChildren+`JOIN record p ON p.tbl = k.parent_tbl AND p.key = k.parent_key WHERE p.renewed > CAST({4} AS BIGINT) AND k.tbl = {3} AND k.key IN (`, `{}`, orLaterDoubt)
)
