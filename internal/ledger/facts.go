package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Fact returns what is kept under a name; "" when nothing is.
func (l *Ledger) Fact(ctx context.Context, name string) (string, error) {
	var value string
	err := l.db.QueryRowContext(ctx, l.q(`SELECT value FROM fact WHERE name = ?`), name).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("ledger: reading %s: %w", name, err)
	}
	return value, nil
}

// SaveFact keeps a value under a name, in place of what was there.
func (l *Ledger) SaveFact(ctx context.Context, name, value string) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`INSERT INTO fact (name, value) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`), name, value)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping %s: %w", name, err)
	}
	return nil
}
