package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const postgresConns = 16

// idleInTransaction is how long the server lets a connection stand still in a transaction.
// A worker that is paused there holds locks that the others wait for; when this is over,
// they are given back. It is as long as Temporal waits for a sign of life.
const idleInTransaction = 10 * time.Second

func (l *Ledger) openPostgres(ctx context.Context, o Options) error {
	if o.DSN == "" {
		return errors.New("ledger.dsn: got nothing, want the address of the PostgreSQL database")
	}
	cfg, err := pgx.ParseConfig(o.DSN)
	if err != nil {
		// The cause may quote the password.
		return errors.New("ledger.dsn: not a PostgreSQL address; want postgres://user:password@host:5432/database or key=value pairs")
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "causeway"
	}
	l.migrator = stdlib.OpenDB(*cfg)
	cfg = cfg.Copy()
	if _, set := cfg.RuntimeParams["idle_in_transaction_session_timeout"]; !set {
		cfg.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(idleInTransaction.Milliseconds(), 10)
	}
	if _, set := cfg.RuntimeParams["statement_timeout"]; !set && o.StatementTimeout > 0 {
		cfg.RuntimeParams["statement_timeout"] = strconv.FormatInt(o.StatementTimeout.Milliseconds(), 10)
	}
	l.db = stdlib.OpenDB(*cfg)
	l.db.SetMaxOpenConns(postgresConns)
	l.db.SetMaxIdleConns(postgresConns)
	l.writer, l.postgres = l.db, true
	if err := l.db.PingContext(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("ledger.dsn: database %s on %s:%d cannot be reached as %s: %s", cfg.Database, cfg.Host, cfg.Port, cfg.User, reason(err))
	}
	return nil
}

// reason is the server's own words where it answered.
func reason(err error) string {
	if fail, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fail.Message
	}
	return err.Error()
}

// conflicted is true of a transaction PostgreSQL gave up in favour of another
// (serialization failure, deadlock): nothing of it was kept and it may run again.
func conflicted(err error) bool {
	fail, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (fail.Code == "40001" || fail.Code == "40P01")
}
