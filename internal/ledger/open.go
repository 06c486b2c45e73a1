package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // driver "sqlite"
)

//go:embed migrations
var migrations embed.FS

// Options of a ledger.
type Options struct {
	Driver        string // sqlite (default) or postgres
	Path          string // of the SQLite file
	DSN           string // of the PostgreSQL database
	Synchronous   string // SQLite: full (default: survives a power cut) or normal (survives a kill)
	EncryptionKey []byte // 32 bytes: encrypts staged pages and quarantined payloads; nil: compressed only
	Logger        *slog.Logger
}

// Ledger is an open ledger; it is safe for concurrent use.
type Ledger struct {
	db       *sql.DB // PostgreSQL, or SQLite for reading
	writer   *sql.DB // SQLite: the one connection that writes; PostgreSQL: db
	postgres bool
	seal     *sealer
	commits  *committer
}

// Open connects, applies migrations and checks what can be checked. Errors name
// the file or database and what to do.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	seal, err := newSealer(o.EncryptionKey)
	if err != nil {
		return nil, err
	}
	l := &Ledger{seal: seal}
	switch o.Driver {
	case "", "sqlite":
		err = l.openSQLite(ctx, o)
	case "postgres":
		err = l.openPostgres(ctx, o)
	default:
		err = fmt.Errorf("ledger.driver: got %q, want sqlite or postgres", o.Driver)
	}
	if err != nil {
		return nil, errors.Join(err, l.closeDBs())
	}
	if err := l.migrate(ctx); err != nil {
		return nil, errors.Join(err, l.closeDBs())
	}
	if l.commits, err = newCommitter(ctx, l); err != nil {
		return nil, errors.Join(err, l.closeDBs())
	}
	return l, nil
}

func (l *Ledger) openSQLite(ctx context.Context, o Options) error {
	if o.Path == "" {
		return errors.New("ledger.path: got nothing, want the path of the SQLite file")
	}
	if o.Synchronous == "" {
		o.Synchronous = "full"
	}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o755); err != nil {
		return fmt.Errorf("ledger.path: %w", err)
	}
	f, err := os.OpenFile(o.Path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("ledger.path: %w; choose a file the worker may write to", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	dsn := "file:" + (&url.URL{Path: o.Path}).EscapedPath() + "?" + url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(wal)", "synchronous(" + o.Synchronous + ")", "cache_size(-32768)", "wal_autocheckpoint(4000)",
	}, "_txlock": {"immediate"}}.Encode()
	if l.writer, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	l.writer.SetMaxOpenConns(1)
	if err := l.writer.PingContext(ctx); err != nil {
		return fmt.Errorf("ledger.path: %s cannot be used as a ledger: %w", o.Path, err)
	}
	if l.db, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	l.db.SetMaxOpenConns(4)
	return nil
}

func (l *Ledger) openPostgres(ctx context.Context, o Options) error {
	if o.DSN == "" {
		return errors.New("ledger.dsn: got nothing, want the address of the PostgreSQL database")
	}
	var err error
	if l.db, err = sql.Open("pgx", o.DSN); err != nil {
		return errors.New("ledger.dsn: not a PostgreSQL address") // the cause would quote the password
	}
	l.db.SetMaxOpenConns(16)
	l.db.SetMaxIdleConns(16)
	l.writer, l.postgres = l.db, true
	if err := l.db.PingContext(ctx); err != nil {
		return fmt.Errorf("ledger.dsn: the database does not answer: %w", err)
	}
	return nil
}

func (l *Ledger) migrate(ctx context.Context) error {
	dialect, dir := goose.DialectSQLite3, "migrations/sqlite"
	if l.postgres {
		dialect, dir = goose.DialectPostgres, "migrations/postgres"
	}
	sub, err := fs.Sub(migrations, dir)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, l.writer, sub, goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return fmt.Errorf("the ledger's migrations: %w", err)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("reading the ledger's version: %w", err)
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; have > newest {
		return fmt.Errorf("the ledger was written by a newer build (schema %d, this build knows %d); run that build", have, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bringing the ledger up to date: %w", err)
	}
	return nil
}

// Ping says whether the ledger can be reached.
func (l *Ledger) Ping(ctx context.Context) error { return l.writer.PingContext(ctx) }

// Close waits for commits under way.
func (l *Ledger) Close() error {
	if l.commits != nil {
		l.commits.close()
	}
	return l.closeDBs()
}

func (l *Ledger) closeDBs() error {
	var errs []error
	if l.db != nil {
		errs = append(errs, l.db.Close())
	}
	if l.writer != nil && l.writer != l.db {
		errs = append(errs, l.writer.Close())
	}
	return errors.Join(errs...)
}

// q writes a query's ? as $1, $2 … for PostgreSQL.
func (l *Ledger) q(query string) string {
	if !l.postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// tx runs f in a writing transaction.
func (l *Ledger) tx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := l.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	if err := f(tx); err != nil {
		return errors.Join(err, rollback(tx))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("ledger: committing: %w", err)
	}
	return nil
}

func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
