package ledger

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
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
	cfg, err := postgresConfig(o)
	if err != nil {
		return err
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
	l.server = Server{Host: cfg.Host, Port: int(cfg.Port), User: cfg.User, Database: cfg.Database}
	if err := l.db.PingContext(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("ledger.dsn: database %s on %s:%d cannot be reached as %s: %s", cfg.Database, cfg.Host, cfg.Port, cfg.User, reason(err))
	}
	return nil
}

// postgresConfig reads the address of the database.
func postgresConfig(o Options) (*pgx.ConnConfig, error) {
	if o.DSN == "" {
		return nil, errors.New("ledger.dsn: got nothing, want the address of the PostgreSQL database")
	}
	cfg, err := pgx.ParseConfig(o.DSN)
	if err != nil {
		// The cause may quote the password.
		return nil, errors.New("ledger.dsn: not a PostgreSQL address; want postgres://user:password@host:5432/database or key=value pairs")
	}
	if strings.ContainsAny(cfg.Host, "@:/") && !strings.HasPrefix(cfg.Host, "/") && !isIPv6(cfg.Host) || strings.ContainsAny(cfg.Database, "@:/") {
		// A part of the password would be looked up in the network, and told in errors.
		return nil, errors.New("ledger.dsn: the password is not escaped, so that a part of it reads as the host or the database; set ledger.password in its place, or write @ as %40, / as %2F and : as %3A")
	}
	if o.Password != "" {
		cfg.Password = o.Password
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "causeway"
	}
	return cfg, nil
}

func isIPv6(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is6()
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
