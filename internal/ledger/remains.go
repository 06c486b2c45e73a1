package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// dropRemains writes a SQLite file anew whose free space may hold values in clear, from
// before the ledger had a key. It is called before the ledger is used, because it keeps
// others from writing. What goes wrong is told, and is tried again at the next start.
func (l *Ledger) dropRemains(ctx context.Context, path string) {
	kept, err := l.sealing(ctx, l.db)
	if err == nil && (kept == nil || !kept.Remains) {
		return
	}
	if err == nil {
		l.logger.InfoContext(ctx, "the ledger's file is written anew, because it held values in clear before it was sealed; that takes a while")
		err = vacuum(ctx, path)
	}
	if err == nil {
		err = l.write(ctx, func(ctx context.Context, tx txn) error {
			kept, err := l.lockSealing(ctx, tx)
			if err != nil {
				return err
			}
			kept.Remains = false
			return l.saveSealing(ctx, tx, kept)
		})
	}
	if err != nil {
		l.logger.WarnContext(ctx, "the ledger's file could not be written anew, and may hold remains of values in clear", "error", err)
	}
}

func vacuum(ctx context.Context, path string) (err error) {
	// A connection of its own: the writer keeps what is temporary in memory.
	db, err := sql.Open("sqlite", sqliteDSN(path, busyTimeout, "temp_store(file)"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range []string{`VACUUM`, `PRAGMA wal_checkpoint(TRUNCATE)`} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
