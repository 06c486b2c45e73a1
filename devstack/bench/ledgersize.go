package main

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
)

// ledgerSize is how many rows the ledger has in all its tables, and how many bytes.
func ledgerSize(ctx context.Context, r *rig) (rows, bytes int64, err error) {
	db, err := sql.Open("sqlite", filepath.Join(r.dir, "ledger.db"))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.QueryRowContext(ctx, `SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)`).Scan(&bytes); err != nil {
		return 0, 0, err
	}
	names, err := db.QueryContext(ctx, `SELECT name FROM sqlite_master WHERE type = 'table'`)
	if err != nil {
		return 0, 0, err
	}
	var tables []string
	for names.Next() {
		var name string
		if err := names.Scan(&name); err != nil {
			return 0, 0, errors.Join(err, names.Close())
		}
		tables = append(tables, name)
	}
	if err := errors.Join(names.Err(), names.Close()); err != nil {
		return 0, 0, err
	}
	for _, name := range tables {
		var n int64
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM "`+name+`"`).Scan(&n); err != nil {
			return 0, 0, err
		}
		rows += n
	}
	return rows, bytes, nil
}
