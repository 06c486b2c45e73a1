package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite" // driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// noted keeps whether the database refuses writes, from what a write has come to: a full
// disk is known as soon as anything was to be written, and over as soon as something was.
func (l *Ledger) noted(err error) error {
	switch why := refusesWrites(err); {
	case why != "":
		l.unwritable.Store(&why)
	case err == nil:
		l.unwritable.Store(nil)
	}
	return err
}

// refusesWrites says why no write can succeed; "" when only this one did not.
func refusesWrites(err error) string {
	if fail, ok := errors.AsType[*sqlite.Error](err); ok {
		switch fail.Code() & 0xff {
		case sqlite3.SQLITE_FULL:
			return "its disk is full: free space, and it goes on by itself"
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT:
			return "its file cannot be written: " + fail.Error()
		}
	}
	if fail, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch fail.Code {
		case "53100":
			return "the disk of its database is full: free space, and it goes on by itself"
		case "58030", "25006":
			return "its database cannot be written: " + fail.Message
		}
	}
	return ""
}

// probeSize is what a probe writes. It is more than a page, so that it needs room.
const probeSize = 16 << 10

// Probe writes something, so that a full disk is noticed while nothing else is written.
func (l *Ledger) Probe(ctx context.Context) error {
	return l.SaveFact(ctx, "probe", strings.Repeat("0", probeSize))
}

// writable fails while the database refuses writes.
func (l *Ledger) writable() error {
	if why := l.unwritable.Load(); why != nil {
		return fmt.Errorf("ledger: nothing can be written, %s", *why)
	}
	return nil
}
