package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite" // driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID marks a SQLite file as a ledger ("CSWY"), so that a wrong path
// never puts our tables into another program's file.
const applicationID = 0x43535759

const (
	sqliteReaders = 4
	openPatience  = 5 * time.Second
)

var (
	errForeign = errors.New("another program's database")
	errLocked  = errors.New("locked by another program")
)

// busyTimeout lets a call wait for another program that has the file, and tell of
// it before an activity's missing heartbeat would be taken for a dead worker.
const busyTimeout = "busy_timeout(4000)"

func (l *Ledger) openSQLite(ctx context.Context, o Options) error {
	if o.Path == "" {
		return errors.New("ledger.path: got nothing, want the path of the SQLite file")
	}
	switch o.Synchronous {
	case "":
		o.Synchronous = "full"
	case "full", "normal":
	default:
		return fmt.Errorf("ledger.synchronous: got %q, want full or normal", o.Synchronous)
	}
	if o.Worker {
		var err error
		if l.presence, err = waitForFile(ctx, o, l.logger); err != nil {
			return fmt.Errorf("ledger.path: %w", err)
		}
	}
	if err := touch(o.Path); err != nil {
		return fmt.Errorf("ledger.path: %w; name a file in a folder the worker may write to", err)
	}
	if err := whileBusy(ctx, func() error { return claim(ctx, o.Path) }); err != nil {
		return sqliteSentence(o.Path, err)
	}
	var err error
	if l.writer, err = sql.Open("sqlite", sqliteDSN(o.Path, busyTimeout, "journal_mode(wal)", "synchronous("+o.Synchronous+")",
		"foreign_keys(on)", "cache_size(-16384)", "temp_store(memory)", "wal_autocheckpoint(16000)", "journal_size_limit(67108864)")); err != nil {
		return err
	}
	l.writer.SetMaxOpenConns(1)
	if err := whileBusy(ctx, func() error { return l.writer.PingContext(ctx) }); err != nil {
		return sqliteSentence(o.Path, err)
	}
	if l.db, err = sql.Open("sqlite", sqliteDSN(o.Path, busyTimeout, "query_only(on)", "cache_size(-4096)")); err != nil {
		return err
	}
	l.db.SetMaxOpenConns(sqliteReaders)
	l.db.SetMaxIdleConns(sqliteReaders)
	return nil
}

func sqliteDSN(path string, pragmas ...string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}.Encode()
}

// touch creates the file readable by its owner only; SQLite gives its -wal and
// -shm files the same mode.
func touch(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// whileBusy tries again while another process has the file: SQLite does not
// wait by itself when two switch a new file to WAL at once.
func whileBusy(ctx context.Context, f func() error) error {
	for until := time.Now().Add(openPatience); ; {
		err := f()
		if !busy(err) || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func busy(err error) bool {
	fail, ok := errors.AsType[*sqlite.Error](err)
	return ok && fail.Code()&0xff == sqlite3.SQLITE_BUSY
}

// claim marks an empty file as a ledger and refuses what is not one.
func claim(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, "busy_timeout(1000)"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	var id, tables int64
	// The tables first: another process may be claiming the file and filling it,
	// and it marks the file before it fills it.
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return err
	}
	switch {
	case id == applicationID:
		return nil
	case id != 0 || tables > 0:
		return errForeign
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf(`PRAGMA application_id = %d`, applicationID))
	return err
}

// sqliteSentence says what a file that cannot be used is, in place of SQLite's code.
func sqliteSentence(path string, err error) error {
	if errors.Is(err, errForeign) {
		return fmt.Errorf("ledger.path: %s is %w; name a new file", path, errForeign)
	}
	fail, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return fmt.Errorf("ledger.path: opening %s: %w", path, err)
	}
	switch fail.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("ledger.path: %s is not a SQLite file; name a new file", path)
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("ledger.path: %s is damaged; restore it from a backup", path)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("ledger.path: %s is %w; close that one first", path, errLocked)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("ledger.path: %s and its folder must be writable for the worker: %w", path, err)
	}
	return fmt.Errorf("ledger.path: opening %s: %w", path, err)
}
