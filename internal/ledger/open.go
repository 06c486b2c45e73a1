// Package ledger is the durable state of the synchronisation: staged pages,
// what was last written of each record, watermarks, before-images, quarantine
// and runs, in SQLite (one worker) or PostgreSQL (several). Activities use it;
// workflows never do.
//
// Positions and outcomes commit together, so a restored backup is consistent with
// itself. A run stages pages; a page has lanes; an attempt opens a lane, commits
// results of its entries in groups, and closes it; Advance ends the run and moves
// the watermark. Whoever opens a lane fences off the attempts before.
package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a ledger.
type Options struct {
	Driver      string           // sqlite or postgres
	Path        string           // of the SQLite file; created with mode 0600 where missing
	DSN         string           // of the PostgreSQL database: a URL or key=value pairs
	Password    string           // of the PostgreSQL database; "" is the one in DSN
	Synchronous string           // SQLite: full (survives a power cut) or normal (survives a kill)
	Keys        [][]byte         // of 32 bytes: the first seals what can hold a value of a person, all open it; nil: nothing is sealed
	RequestsEnd time.Duration    // how long after a request was given up it may still have an effect; 0: 2m5s
	Now         func() time.Time // the clock of stamps; nil: time.Now
	Erasures    string           // file that keeps who was forgotten, apart from the ledger; "": none
	Logger      *slog.Logger     // nil: silent

	// Worker says that this process is a worker: others can ask whether it lives. On
	// SQLite, opening waits until no other worker has the file, and tells Waits for
	// whom. Without it nothing is locked: tests and tools look at a ledger in use.
	Worker bool
	Waits  func(holder string) // nil: only logged
	Build  string              // of the program, for other workers

	// SchemaTo is the schema that the ledger is brought to, at most; 0: the newest that this
	// program knows.
	SchemaTo int64
	steps    func(database string) fs.FS // nil: those of this program

	// Connections is how many there may be to PostgreSQL, besides one that shows a worker to
	// others; 0: 16.
	Connections int

	// StatementTimeout ends a statement that lasts longer, on PostgreSQL: a plan that went
	// wrong must not hold its locks for hours. 0: the server's own setting. Migrations have
	// no such bound.
	StatementTimeout time.Duration
}

// Ledger is an open ledger; it is safe for concurrent use.
type Ledger struct {
	db          *sql.DB // PostgreSQL, or SQLite for reading
	migrator    *sql.DB // PostgreSQL: for migrations, without a bound on a statement; until they are done
	writer      *sql.DB // SQLite: the one connection that writes; PostgreSQL: db
	postgres    bool
	server      Server // PostgreSQL, as it was reached
	seal        *sealer
	chain       atomic.Pointer[chainKey] // of the audit trail; nil without an encryption key
	sqlite      *sqliteWriter            // SQLite only
	requestsEnd time.Duration
	file        *ledgerFile // SQLite only

	erasures      *erasureFile
	erasureSecret []byte // keys the hashes of erasures
	search        search // for them, after a restore

	unwritable atomic.Pointer[string] // why the last write was refused; nil: it was not

	presence presence // of this process among the workers; nil without Options.Worker
	now      func() time.Time
	logger   *slog.Logger
	subjects sync.Map   // LaneID -> subject, of lanes that are at work
	texts    sync.Map   // query with ? -> query as the database takes it
	copying  sync.Mutex // of the one backup that is being made
	walks    sync.Map   // where the next stretch of a walk begins, by its name
	closing  sync.Once
	closed   error
}

// Open connects, checks that the file or database is a ledger or empty, and
// applies migrations. Errors are sentences that name the setting and what to do.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	seal, err := newSealer(o.Keys)
	if err != nil {
		return nil, err
	}
	l := &Ledger{seal: seal, now: o.Now, logger: o.Logger, requestsEnd: cmp.Or(o.RequestsEnd, defaultRequestsEnd), erasures: &erasureFile{path: o.Erasures}}
	if l.now == nil {
		l.now = time.Now
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	switch o.Driver {
	case "sqlite":
		err = l.openSQLite(ctx, o)
	case "postgres":
		err = l.openPostgres(ctx, o)
	default:
		err = fmt.Errorf("ledger.driver: got %q, want sqlite or postgres", o.Driver)
	}
	if err == nil {
		err = l.migrate(ctx, o)
	}
	if l.migrator != nil {
		err = errors.Join(err, l.migrator.Close())
	}
	if err == nil && !l.postgres {
		l.sqlite, err = newSQLiteWriter(ctx, o.Path, l.writer)
		l.file = findFile(o.Path)
	}
	if err == nil {
		err = l.unlock(ctx)
	}
	if err == nil {
		err = l.secretOfErasures(ctx)
	}
	if err == nil && !l.postgres {
		l.dropRemains(ctx, o.Path)
	}
	if err == nil && o.Worker && l.postgres {
		l.presence, err = newSession(ctx, o, l.db, l.logger)
		if err == nil { // a newer program that did not see this one may have taken something away
			err = l.fits(ctx, o.newestSchema())
		}
	}
	if err != nil {
		return nil, errors.Join(err, l.closeAll())
	}
	return l, nil
}

// Now is the time by the ledger's clock, by which doubts are dated.
func (l *Ledger) Now() time.Time { return l.now() }

// Ping says whether the ledger can be read, is still where it was opened, and took the last
// write. It does not wait for writes.
func (l *Ledger) Ping(ctx context.Context) error {
	if err := l.file.inPlace(); err != nil {
		return err
	}
	var one int
	if err := l.db.QueryRowContext(ctx, `SELECT 1 FROM goose_db_version LIMIT 1`).Scan(&one); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return l.writable()
}

// Close waits for commits under way; calls made after it fail.
func (l *Ledger) Close() error {
	l.closing.Do(func() { l.closed = l.closeAll() })
	return l.closed
}

func (l *Ledger) closeAll() error {
	var errs []error
	if l.sqlite != nil {
		errs = append(errs, l.sqlite.close())
	}
	if l.db != nil {
		errs = append(errs, l.db.Close())
	}
	if l.writer != nil && l.writer != l.db {
		errs = append(errs, l.writer.Close())
	}
	if l.presence != nil {
		errs = append(errs, l.presence.end()) // last: the next worker begins
	}
	l.seal.release()
	return errors.Join(errs...)
}

// sqliteHint is a comment that is part of the text on SQLite, whose planner knows nothing of
// how many rows there are, and may take a primary key where an index of few rows serves.
var sqliteHint = regexp.MustCompile(`/\*sqlite (.*?) \*/`)

// q writes a query's ? as $1, $2 … for PostgreSQL.
func (l *Ledger) q(query string) string {
	if text, ok := l.texts.Load(query); ok {
		return text.(string)
	}
	if !l.postgres {
		text := sqliteHint.ReplaceAllString(query, "$1")
		l.texts.Store(query, text)
		return text
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
	l.texts.Store(query, b.String())
	return b.String()
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

// text makes a message both databases store: PostgreSQL refuses NUL and bytes
// that are not UTF-8, and a refusal's message comes from somebody else's service.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

const defaultLimit = 1000

func limitOf(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return n
}
