package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Event is what became of one marketing event. No address and no URL is in it.
type Event struct {
	Key     string // of internal/events
	Type    string // send, open, click, bounce
	Contact string // id in Dynamics; "" = none
	Outcome Outcome
	Code    string    // of a refusal
	Time    time.Time // of the event
	Run     string    // the run that had Outcome
	At      time.Time // when

	Again    int64 // how often it came after it was written
	AgainRun string
	AgainAt  time.Time
}

// Written says that Dynamics has the event.
func (e *Event) Written() bool { return e != nil && (e.Outcome == Created || e.Outcome == Unchanged) }

// mergeEvents leaves one event for each key: of what came several times in one
// group, the write and how often it came again.
func mergeEvents(events []*Event) []*Event {
	slices.SortStableFunc(events, func(a, b *Event) int { return cmp.Compare(a.Key, b.Key) })
	var out []*Event
	for _, e := range events {
		if n := len(out); n > 0 && out[n-1].Key == e.Key {
			merged := *e
			if out[n-1].Written() {
				merged = *out[n-1]
				merged.Again++
			}
			out[n-1] = &merged
			continue
		}
		out = append(out, e)
	}
	return out
}

func (e *effects) putEvents(ctx context.Context, l *Ledger, tx txn, run string, now int64) error {
	return putEvents.run(ctx, l, tx, []any{run, now}, len(e.events), func(args []any, i int) []any {
		ev := e.events[i]
		return append(args, ev.Key, ev.Type, ev.Contact, int(ev.Outcome), text(ev.Code), millis(ev.Time), ev.Again)
	})
}

// An event that was written (99 created, 101 there already) keeps saying
// that, whatever is made of it when it comes again: its type may be switched off
// by then, and a soft bounce has the key of a hard one.
var putEvents = newBulk(2,
	`INSERT INTO event (run, at, again_run, again_at, key, type, contact, outcome, code, time, again) VALUES `,
	`({1},{2},{1},{2},{},{},{},{},{},{},{})`,
	` ON CONFLICT (key) DO UPDATE SET
	again = event.again + excluded.again + CASE WHEN event.outcome IN (99, 101) THEN 1 ELSE 0 END,
	again_run = excluded.again_run, again_at = excluded.again_at`+keptOnceWritten("type", "contact", "outcome", "code", "time", "run", "at"))

func keptOnceWritten(columns ...string) string {
	out := ""
	for _, c := range columns {
		out += ", " + c + " = CASE WHEN event.outcome IN (99, 101) THEN event." + c + " ELSE excluded." + c + " END"
	}
	return out
}

// Events returns what is known of keys; unknown ones are missing in the map.
func (l *Ledger) Events(ctx context.Context, keys []string) (map[string]*Event, error) {
	out := make(map[string]*Event, len(keys))
	for len(keys) > 0 {
		n := min(lookupChunk, len(keys))
		if err := l.lookUpEvents(ctx, out, keys[:n]); err != nil {
			return nil, fmt.Errorf("ledger: looking up events: %w", err)
		}
		keys = keys[n:]
	}
	return out, nil
}

func (l *Ledger) lookUpEvents(ctx context.Context, out map[string]*Event, keys []string) error {
	in, args := l.in(keys)
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, type, contact, outcome, code, time, run, at, again, again_run, again_at FROM event WHERE key `+in), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		e := &Event{}
		var outcome, at, seen, again int64
		if err := rows.Scan(&e.Key, &e.Type, &e.Contact, &outcome, &e.Code, &at, &e.Run, &seen, &e.Again, &e.AgainRun, &again); err != nil {
			return err
		}
		e.Outcome, e.Time, e.At = Outcome(outcome), fromMillis(at), fromMillis(seen)
		if e.Again > 0 {
			e.AgainAt = fromMillis(again)
		} else {
			e.AgainRun = ""
		}
		out[e.Key] = e
	}
	return rows.Err()
}

// PruneEvents forgets events that were handled before the cutoff, a bounded
// number at a time, and returns how many went.
func (l *Ledger) PruneEvents(ctx context.Context, cutoff time.Time) (n int64, err error) {
	n, err = l.pruneOldest(ctx, `event`, `key`, `at < ?`, `at`, millis(cutoff))
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting events: %w", err)
	}
	return n, nil
}
