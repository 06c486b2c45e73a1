package ledger

import (
	"context"
	"fmt"
	"time"
)

// WriteOf is a write to a record in Campaign, of which a before-image is kept.
type WriteOf struct {
	Run     string
	Existed bool // Campaign held the record before
	At      time.Time
}

// WritesOf lists the writes to a record, the newest first, as long as their before-images
// are kept. It opens none.
func (l *Ledger) WritesOf(ctx context.Context, table, key string, limit int) ([]WriteOf, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT run, existed, at FROM before_image WHERE tbl = ? AND key = ? ORDER BY at DESC, run DESC LIMIT ?`), table, key, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing the writes to a record: %w", err)
	}
	return collect(rows, func(w *WriteOf, scan scanner) error {
		var existed, at int64
		err := scan(&w.Run, &existed, &at)
		w.Existed, w.At = existed == 1, fromMillis(at)
		return err
	})
}

// EventsOf lists the events of a contact, the newest first.
func (l *Ledger) EventsOf(ctx context.Context, contact string, limit int) ([]Event, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, type, outcome, code, time, run, at FROM event WHERE contact = ? ORDER BY time DESC, key LIMIT ?`), contact, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing the events of a contact: %w", err)
	}
	return collect(rows, func(e *Event, scan scanner) error {
		var happened, at int64
		err := scan(&e.Key, &e.Type, &e.Outcome, &e.Code, &happened, &e.Run, &at)
		e.Contact, e.Time, e.At = contact, fromMillis(happened), fromMillis(at)
		return err
	})
}

// EventsHandled lists the events that got their outcome from one time on and before another,
// the oldest first, behind after; at most limit.
func (l *Ledger) EventsHandled(ctx context.Context, from, to time.Time, after *Event, limit int) ([]Event, error) {
	query, args := `SELECT key, type, contact, outcome, code, time, run, at FROM event WHERE at >= ? AND at < ?`, []any{millis(from), millis(to)}
	if after != nil {
		query, args = query+` AND (at, key) > (?, ?)`, append(args, millis(after.At), after.Key)
	}
	rows, err := l.db.QueryContext(ctx, l.q(query+` ORDER BY at, key LIMIT ?`), append(args, limitOf(limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing events by when they were handled: %w", err)
	}
	return collect(rows, func(e *Event, scan scanner) error {
		var happened, at int64
		err := scan(&e.Key, &e.Type, &e.Contact, &e.Outcome, &e.Code, &happened, &e.Run, &at)
		e.Time, e.At = fromMillis(happened), fromMillis(at)
		return err
	})
}
