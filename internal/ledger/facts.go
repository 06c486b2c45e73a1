package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
)

// factLedger names the identity of the ledger.
const factLedger = "ledger"

// Identity tells this ledger apart from others, such as one that took its place. It
// is random, is made when it is first asked for, and comes back with a backup.
func (l *Ledger) Identity(ctx context.Context) (string, error) {
	id, err := l.Fact(ctx, factLedger)
	if err != nil || id != "" {
		return id, err
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO fact (name, value) VALUES (?,?) ON CONFLICT DO NOTHING`), factLedger, rand.Text()); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, l.q(`SELECT value FROM fact WHERE name = ?`), factLedger).Scan(&id)
	})
	if err != nil {
		return "", fmt.Errorf("ledger: giving it an identity: %w", err)
	}
	return id, nil
}

// Fact returns what is kept under a name; "" when nothing is.
func (l *Ledger) Fact(ctx context.Context, name string) (string, error) {
	var value string
	err := l.db.QueryRowContext(ctx, l.q(`SELECT value FROM fact WHERE name = ?`), name).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("ledger: reading %s: %w", name, err)
	}
	return value, nil
}

// SaveFact keeps a value under a name, in place of what was there; "" keeps nothing.
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
