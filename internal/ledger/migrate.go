package ledger

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// migrateTries: two processes may create a SQLite ledger at once; the one that
// comes second fails and finds the work done.
const migrateTries = 3

// migrate brings the schema to this build's version and refuses a newer one.
func (l *Ledger) migrate(ctx context.Context) error {
	dialect, dir, db := goose.DialectSQLite3, "migrations/sqlite", l.writer
	options := []goose.ProviderOption{goose.WithSlog(slog.New(slog.DiscardHandler)), goose.WithDisableGlobalRegistry(true)}
	if l.postgres {
		dialect, dir, db = goose.DialectPostgres, "migrations/postgres", l.migrator
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("the ledger's migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	sub, err := fs.Sub(migrations, dir)
	if err != nil {
		return fmt.Errorf("the ledger's migrations: %w", err)
	}
	p, err := goose.NewProvider(dialect, db, sub, options...)
	if err != nil {
		return fmt.Errorf("the ledger's migrations: %w", err)
	}
	for try := 1; ; try++ {
		err := l.up(ctx, p)
		if err == nil || try == migrateTries || ctx.Err() != nil {
			return err
		}
	}
}

func (l *Ledger) up(ctx context.Context, p *goose.Provider) error {
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("reading the ledger's schema version: %w", err)
	}
	sources := p.ListSources()
	newest := sources[len(sources)-1].Version
	if have > newest {
		return fmt.Errorf("the ledger was written by a newer build (schema %d; this build knows %d): run that build, or name another ledger", have, newest)
	}
	if have == newest {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bringing the ledger from schema %d to %d: %w", have, newest, err)
	}
	l.logger.InfoContext(ctx, "ledger migrated", "from", have, "to", newest)
	return nil
}

// newestSchema is the newest schema of the ledger that this program knows.
func newestSchema() int64 {
	files, err := migrations.ReadDir("migrations/sqlite")
	if err != nil {
		panic(err) // it is part of the program
	}
	var newest int64
	for _, f := range files {
		if n, err := goose.NumericComponent(f.Name()); err == nil {
			newest = max(newest, n)
		}
	}
	return newest
}
