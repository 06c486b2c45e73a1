package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrateTries: two processes may create a SQLite ledger at once; the one that
// comes second fails and finds the work done.
const migrateTries = 3

// oldestFact is the oldest schema that a program must know to work with the ledger.
const oldestFact = "schema.oldest"

// A step after the first one says on its first line what it does to programs that do not
// know it. One that expands leaves them be. One that contracts takes something away that
// programs before a schema use: it waits until no worker of those is left.
var (
	expands   = regexp.MustCompile(`^-- Expands: .+`)
	contracts = regexp.MustCompile(`^-- Contracts: for programs that know schema (\d+)\b.*`)
)

// step is one migration.
type step struct {
	version int64
	name    string
	needs   int64 // contracts: the schema that every program must know; 0: it expands
}

// steps reads what the migrations of a database are, in order.
func steps(files fs.FS) ([]step, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	var out []step
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		first, _, _ := strings.Cut(string(text), "\n")
		s := step{version: version, name: name}
		switch m := contracts.FindStringSubmatch(first); {
		case m != nil:
			if s.needs, err = strconv.ParseInt(m[1], 10, 64); err != nil {
				return nil, err
			}
		case version > 1 && !expands.MatchString(first):
			return nil, fmt.Errorf("migration %s: its first line is %q, want \"-- Expands: …\" or \"-- Contracts: for programs that know schema N: …\"", name, first)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b step) int { return int(a.version - b.version) })
	return out, nil
}

// builtIn are the steps that are in the program.
func builtIn(database string) fs.FS {
	sub, err := fs.Sub(migrations, "migrations/"+database)
	if err != nil {
		panic(err) // it is part of the program
	}
	return sub
}

// newestSchema is the newest schema of the ledger that this program knows.
func (o Options) newestSchema() int64 {
	known, err := steps(o.migrations("sqlite"))
	if err != nil || len(known) == 0 {
		panic(fmt.Sprint("the ledger's migrations: ", err)) // they are part of the program
	}
	return known[len(known)-1].version
}

// migrate brings the schema to this program's version, or to the one that o.SchemaTo says.
// A ledger that a newer program has migrated is left as it is, and refused only where it
// lacks what this program uses.
func (l *Ledger) migrate(ctx context.Context, o Options) error {
	dialect, name, db := goose.DialectSQLite3, "sqlite", l.writer
	options := []goose.ProviderOption{goose.WithSlog(slog.New(slog.DiscardHandler)), goose.WithDisableGlobalRegistry(true)}
	if l.postgres {
		dialect, name, db = goose.DialectPostgres, "postgres", l.migrator
		options = append(options, goose.WithSessionLocker(migrateLock{}))
	}
	files := o.migrations(name)
	known, err := steps(files)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, db, files, options...)
	if err != nil {
		return fmt.Errorf("the ledger's migrations: %w", err)
	}
	for try := 1; ; try++ {
		err := l.up(ctx, p, known, o.SchemaTo)
		if err == nil || try == migrateTries || ctx.Err() != nil || errors.Is(err, errRefused) {
			return err
		}
	}
}

// errRefused is in errors that another try does not change.
var errRefused = errors.New("refused")

// refused is a sentence that ends all tries.
type refused string

func (r refused) Error() string        { return string(r) }
func (r refused) Is(target error) bool { return target == errRefused }

func (l *Ledger) up(ctx context.Context, p *goose.Provider, known []step, to int64) error {
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("reading the ledger's schema version: %w", err)
	}
	newest := known[len(known)-1].version
	if have > newest {
		return l.fits(ctx, newest)
	}
	if to == 0 {
		to = newest
	}
	began := have
	for _, s := range known {
		if s.version <= have || s.version > to {
			continue
		}
		if s.needs > 0 {
			if err := l.mayContract(ctx, s); err != nil {
				return err
			}
		}
		if _, err := p.UpTo(ctx, s.version); err != nil {
			return fmt.Errorf("bringing the ledger from schema %d to %d: %w", have, s.version, err)
		}
		have = s.version
	}
	if have != began {
		l.logger.InfoContext(ctx, "ledger migrated", "from", began, "to", have)
	}
	return nil
}

// fits says whether a program may work with a ledger that a newer one has migrated.
func (l *Ledger) fits(ctx context.Context, newest int64) error {
	var have, oldest int64
	if err := l.db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&have); err != nil {
		return fmt.Errorf("reading the ledger's schema version: %w", err)
	}
	var text string
	switch err := l.db.QueryRowContext(ctx, l.q(`SELECT value FROM fact WHERE name = ?`), oldestFact).Scan(&text); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return fmt.Errorf("reading the ledger's schema version: %w", err)
	default:
		if oldest, err = strconv.ParseInt(text, 10, 64); err != nil {
			return fmt.Errorf("reading the ledger's schema version: %w", err)
		}
	}
	if oldest > newest {
		return refused(fmt.Sprintf("the ledger was written by a newer build (schema %d, for programs that know %d or newer; this build knows %d): run a newer build, or name another ledger", have, oldest, newest))
	}
	if have > newest {
		l.logger.InfoContext(ctx, "a newer build has extended the ledger; this one works with it", "schema", have, "knows", newest)
	}
	return nil
}

// mayContract lets a step take something away, once no worker is left that uses it. From
// then on older programs are refused, also when the step itself fails.
func (l *Ledger) mayContract(ctx context.Context, s step) error {
	if l.postgres {
		programs, err := programsOf(ctx, l.db)
		if err != nil {
			return fmt.Errorf("the ledger's schema %d: asking which workers are there: %w", s.version, err)
		}
		for _, p := range programs {
			if p.Knows < s.needs {
				return refused(fmt.Sprintf("the ledger's schema %d takes away what a worker of version %s uses: stop the workers of that version first", s.version, p.Build))
			}
		}
	}
	db := l.db
	if !l.postgres {
		db = l.writer
	}
	_, err := db.ExecContext(ctx, l.q(`INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`), oldestFact, strconv.FormatInt(s.needs, 10))
	if err != nil {
		return fmt.Errorf("the ledger's schema %d: %w", s.version, err)
	}
	return nil
}
