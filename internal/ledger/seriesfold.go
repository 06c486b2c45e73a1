package ledger

import (
	"context"
	"fmt"
	"time"
)

// FoldSeries puts the minutes of the oldest hour before the cutoff together into one row for
// each flow and table, and returns how many rows went. What several workers fold at once
// counts once: a minute is taken away by one of them.
func (l *Ledger) FoldSeries(ctx context.Context, cutoff time.Time) (n int64, err error) {
	for _, table := range []struct{ name, columns, key, each, conflict string }{
		{"settled", `flow, tbl, step, at, slot, ` + settledList, `flow, tbl, 3600, CAST(? AS BIGINT), 0`, eachSettled(func(c string) string { return `sum(` + c + `)` }), addSettled},
		{"level", `flow, tbl, step, at, backlog, lag`, `flow, tbl, 3600, CAST(? AS BIGINT)`, `max(backlog), max(lag)`, `ON CONFLICT (flow, tbl, step, at) DO UPDATE SET ` + higher},
	} {
		if n > 0 || err != nil {
			break
		}
		alias := map[string]string{"settled": "s", "level": "v"}[table.name]
		put := `INSERT INTO ` + table.name + ` AS ` + alias + ` (` + table.columns + `) SELECT ` + table.key + `, ` + table.each + ` FROM `
		n, err = l.foldHour(ctx, cutoff, table.name, put, ` GROUP BY flow, tbl `+table.conflict)
	}
	if err != nil {
		return 0, fmt.Errorf("ledger: putting minutes together: %w", err)
	}
	return n, nil
}

// foldHour takes the minutes of an hour away, and puts their sum in their place.
func (l *Ledger) foldHour(ctx context.Context, cutoff time.Time, table, put, group string) (n int64, err error) {
	var oldest int64
	const none = -1
	before := startOf(cutoff, anHour)
	if err := l.db.QueryRowContext(ctx, l.q(`SELECT coalesce(min(at), -1) FROM `+table+` WHERE step = 60 AND at < ?`), before).Scan(&oldest); err != nil || oldest == none {
		return 0, err
	}
	from := startOf(fromMillis(oldest), anHour)
	hour := []any{from, from + anHour*1000}
	const minutes = ` WHERE step = 60 AND at >= ? AND at < ?`
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if l.postgres {
			return tx.QueryRowContext(ctx, l.q(`WITH gone AS (DELETE FROM `+table+minutes+` RETURNING *), put AS (`+put+`gone`+group+`) SELECT count(*) FROM gone`),
				append(hour, from)...).Scan(&n)
		}
		if _, err := tx.ExecContext(ctx, l.q(put+table+minutes+group), append([]any{from}, hour...)...); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, l.q(`DELETE FROM `+table+minutes), hour...)
		if err == nil {
			n, err = res.RowsAffected()
		}
		return err
	})
	return n, err
}

// PruneSeries forgets the hours before the cutoff, a bounded number of rows at a time, and
// returns how many went.
func (l *Ledger) PruneSeries(ctx context.Context, cutoff time.Time) (int64, error) {
	n, err := l.pruneOldest(ctx, `settled`, `flow, tbl, step, at, slot`, `step = 3600 AND at < ?`, `at`, millis(cutoff))
	if err == nil && n == 0 {
		n, err = l.pruneOldest(ctx, `level`, `flow, tbl, step, at`, `step = 3600 AND at < ?`, `at`, millis(cutoff))
	}
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting the series of charts: %w", err)
	}
	return n, nil
}
