package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/pressly/goose/v3/lock"
)

// migrateWithin is how long a worker waits for another one that migrates the ledger.
const migrateWithin = 5 * time.Minute

// migrateLock has one process at a time migrate a PostgreSQL ledger. The server lets the
// next one in as soon as the one before is done, or its process has ended.
type migrateLock struct{}

var _ lock.SessionLocker = migrateLock{}

func (migrateLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, migrateWithin)
	defer cancel()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, lock.DefaultLockID); err != nil {
		return fmt.Errorf("waiting for another process that migrates the ledger: %w", err)
	}
	return nil
}

func (migrateLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, lock.DefaultLockID)
	return err
}
