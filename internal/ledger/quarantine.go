package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// QuarantineCount is how many records of a flow and table ("" = all) are set
// aside and open.
func (l *Ledger) QuarantineCount(ctx context.Context, flow, table string) (int64, error) {
	if table == "" {
		return l.count(ctx, `SELECT count(*) FROM quarantine WHERE state = 'open' AND flow = ?`, flow)
	}
	return l.count(ctx, `SELECT count(*) FROM quarantine WHERE state = 'open' AND flow = ? AND tbl = ?`, flow, table)
}

// Quarantined lists refused records by flow, table and key, without their
// payload: see QuarantinePayload.
func (l *Ledger) Quarantined(ctx context.Context, f QuarantineFilter) ([]QuarantineItem, error) {
	where, args := []string{"(flow, tbl, key) > (?, ?, ?)"}, []any{f.After.Flow, f.After.Table, f.After.Key}
	for _, c := range []struct{ column, value string }{
		{"flow", f.Flow}, {"tbl", f.Table}, {"key", f.Key}, {"run", f.Run}, {"code", f.Code}, {"state", f.State},
	} {
		if c.value != "" {
			where, args = append(where, c.column+" = ?"), append(args, c.value)
		}
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT flow, tbl, key, run, class, code, field, message, state, first_seen, last_seen, attempts
		FROM quarantine WHERE `+strings.Join(where, " AND ")+` ORDER BY flow, tbl, key LIMIT ?`), append(args, limitOf(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing quarantine: %w", err)
	}
	return collect(rows, func(q *QuarantineItem, scan scanner) error {
		var first, last int64
		err := scan(&q.Flow, &q.Table, &q.Key, &q.Run, &q.Class, &q.Code, &q.Field, &q.Message, &q.State, &first, &last, &q.Attempts)
		q.FirstSeen, q.LastSeen = fromMillis(first), fromMillis(last)
		return err
	})
}

// QuarantinePayload returns the staged source object of a quarantined record, or
// ErrNotFound. It holds personal data.
func (l *Ledger) QuarantinePayload(ctx context.Context, key QuarantineKey) ([]byte, error) {
	var sealed []byte
	err := l.db.QueryRowContext(ctx, l.q(`SELECT payload FROM quarantine WHERE flow = ? AND tbl = ? AND key = ?`), key.Flow, key.Table, key.Key).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading quarantine: %w", err)
	}
	return l.seal.open(sealed)
}
