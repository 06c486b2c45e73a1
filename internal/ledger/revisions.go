package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// SaveRevision keeps what a mapping revision resolved to; saving again replaces it.
func (l *Ledger) SaveRevision(ctx context.Context, hash string, doc []byte) error {
	doc, err := l.seal.close(doc, at(revisionDoc, hash))
	if err != nil {
		return fmt.Errorf("ledger: keeping revision %s: %w", hash, err)
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`INSERT INTO revision (hash, doc) VALUES (?,?) ON CONFLICT (hash) DO UPDATE SET doc = excluded.doc`), hash, doc)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping revision %s: %w", hash, err)
	}
	return nil
}

// Revision returns a kept revision, or ErrNotFound.
func (l *Ledger) Revision(ctx context.Context, hash string) ([]byte, error) {
	var doc []byte
	err := l.db.QueryRowContext(ctx, l.q(`SELECT doc FROM revision WHERE hash = ?`), hash).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading revision %s: %w", hash, err)
	}
	if doc, err = l.seal.open(doc, at(revisionDoc, hash)); err != nil {
		return nil, fmt.Errorf("ledger: reading revision %s: %w", hash, err)
	}
	return doc, nil
}
