package ledger

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// Health is what the ledger tells of itself and of the database below it.
type Health struct {
	Driver  string    // sqlite or postgres
	Server  string    // version of the database
	Schema  int64     // number of the last migration
	Free    uint64    // bytes on the disk of the SQLite file
	Known   bool      // Free is known; of PostgreSQL it is not
	Now     time.Time // by the clock of the PostgreSQL server; zero on SQLite, which has ours
	Refuses string    // why the last write was refused; "" when it was not
}

// Health asks the database, and writes to it.
func (l *Ledger) Health(ctx context.Context) (*Health, error) {
	h := &Health{Driver: "sqlite"}
	query := `SELECT sqlite_version()`
	if l.postgres {
		h.Driver, query = "postgres", `SELECT current_setting('server_version')`
	}
	if err := l.db.QueryRowContext(ctx, query).Scan(&h.Server); err != nil {
		return nil, fmt.Errorf("ledger: asking for the version of the database: %w", err)
	}
	if err := l.db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&h.Schema); err != nil {
		return nil, fmt.Errorf("ledger: asking for the version of the schema: %w", err)
	}
	if l.postgres {
		if err := l.db.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&h.Now); err != nil {
			return nil, fmt.Errorf("ledger: asking for the time of the database: %w", err)
		}
		h.Now = h.Now.UTC()
	} else if l.file != nil {
		free, err := freeSpace(filepath.Dir(l.file.path))
		h.Free, h.Known = free, err == nil
	}
	if err := l.Probe(ctx); err != nil {
		h.Refuses = err.Error()
	}
	return h, nil
}
