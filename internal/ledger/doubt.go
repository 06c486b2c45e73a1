package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Doubt is a record of which the target may come to hold something else than the
// ledger says: a request was sent of which nobody knows the end, a worker that was
// taken for dead may wake and send one, or the record's parent was created anew. A doubt ends only by a read of the
// target that began after the last such request can have had an effect. Writing
// the record again ends none, because the old request may arrive after it.
type Doubt struct {
	Key     string
	Run     string    // that the request is of
	Carries Carries   // what the request would do
	Version string    // of the source, with CarriesRecord
	Raw     []byte    // the source's object, with CarriesRecord; what the target is to hold, with CarriesBefore
	Since   time.Time // the request is no older
	Final   time.Time // a read that begins then or later ends the doubt
}

// Carries is what a doubtful request would do to its record.
type Carries string

const (
	CarriesRecord  Carries = "record"
	CarriesDelete  Carries = "delete"
	CarriesBefore  Carries = "before" // a rollback's: what the record held before
	CarriesUnknown Carries = ""       // one of several changes of the record
	// CarriesNothing is for no request: the record's parent was created anew. The target may
	// have removed the record with its parent, or taken the parent out of it.
	CarriesNothing Carries = "nothing"
)

const (
	// wakesWithin is how long a worker that was taken for dead is expected to wake. It
	// may have stood still with its clocks, and sends what it had begun when it goes on.
	// That a PostgreSQL session has ended proves nothing of a machine that stands still.
	wakesWithin = 24 * time.Hour
	// defaultRequestsEnd is Options.RequestsEnd where that is not set.
	defaultRequestsEnd = 2*time.Minute + 5*time.Second
)

// flowsWithDoubt are the flows whose late requests could put something old over
// something new. Events are only ever created, under ids of their own. Dynamics takes
// a choice only for the version of the contact that it was made for, and to Campaign
// the flow of opt-outs sends nothing but opt-outs: one that comes late is kept.
var flowsWithDoubt = []string{"ingress", "rollback"}

// doubtOf makes the doubt about the request of an entry.
func doubtOf(e *Entry, run string) Doubt {
	d := Doubt{Key: e.Key, Run: run, Carries: CarriesRecord, Version: e.Version, Raw: e.Raw}
	rollback := strings.HasPrefix(run, "rollback-")
	switch {
	case e.Deleted, rollback && e.Raw == nil: // the run that is undone had created it
		d.Carries, d.Version, d.Raw = CarriesDelete, "", nil
	case rollback:
		d.Carries, d.Version = CarriesBefore, ""
	}
	return d
}

// sent is the cause of a doubt about a request whose sender sends no more. Requests that carry
// different things are doubts of their own: what each of them carried must stay known.
func (d *Doubt) sent() string {
	return "sent " + d.Run + " " + string(d.Carries) + " " + d.Version
}

// putDoubt keeps doubts about requests of one attempt. Doubts of one record and one
// cause become one.
var putDoubt = newBulk(6, `INSERT INTO doubt (tbl, run, since, at, look, final, key, cause, carries, version, payload) VALUES `,
	`({1},{2},{3},{4},{5},{6},{},{},{},{},{})`,
	` ON CONFLICT (tbl, key, cause) DO UPDATE SET since = CASE WHEN excluded.since < doubt.since THEN excluded.since ELSE doubt.since END,
	look = CASE WHEN excluded.look > doubt.look THEN excluded.look ELSE doubt.look END, final = CASE WHEN excluded.final > doubt.final THEN excluded.final ELSE doubt.final END,
	carries = CASE WHEN `+sameRequest+` THEN doubt.carries ELSE '' END, payload = CASE WHEN `+sameRequest+` THEN doubt.payload ELSE NULL END, version = excluded.version, run = excluded.run`)

const sameRequest = `doubt.run = excluded.run AND doubt.carries = excluded.carries AND doubt.version = excluded.version`

// enterDoubts keeps doubts about requests of a lane's entries. cause is the attempt
// that may still send; "" says that it sends no more.
func (l *Ledger) enterDoubts(ctx context.Context, tx txn, table, run string, since time.Time, cause Token, entries []*Entry) error {
	if len(entries) == 0 {
		return nil
	}
	now := l.now()
	look := now.Add(l.requestsEnd)
	final := look
	if cause != "" {
		final = now.Add(wakesWithin)
	}
	doubts := make([]Doubt, 0, len(entries))
	for _, e := range entries {
		doubts = append(doubts, doubtOf(e, run))
	}
	slices.SortStableFunc(doubts, func(a, b Doubt) int { return strings.Compare(a.Key, b.Key) })
	doubts = mergeDoubts(doubts)
	sealed, causes := make([][]byte, len(doubts)), make([]string, len(doubts))
	for i := range doubts {
		d := &doubts[i]
		if causes[i] = string(cause); cause == "" {
			causes[i] = d.sent()
		}
		var err error
		if sealed[i], err = l.seal.pack(d.Raw, at(doubtPayload, table, d.Key, causes[i])); err != nil {
			return err
		}
	}
	return putDoubt.run(ctx, l, tx, []any{table, run, millis(since), millis(now), millis(look), millis(final)}, len(doubts), func(args []any, i int) []any {
		d := &doubts[i]
		return append(args, d.Key, causes[i], string(d.Carries), d.Version, sealed[i])
	})
}

// mergeDoubts makes one doubt of those of each key, in order of keys.
func mergeDoubts(doubts []Doubt) []Doubt {
	out := doubts[:0]
	for _, d := range doubts {
		if n := len(out); n > 0 && out[n-1].Key == d.Key {
			out[n-1] = Doubt{Key: d.Key, Run: d.Run, Carries: CarriesUnknown}
			continue
		}
		out = append(out, d)
	}
	return out
}

// doubtOpenEntries keeps doubts about the entries of a lane that have no outcome. The
// attempt that holds it may be dead or asleep.
func (l *Ledger) doubtOpenEntries(ctx context.Context, tx txn, lane *lockedLane) error {
	if !slices.Contains(flowsWithDoubt, lane.flow) {
		return nil
	}
	var data []byte
	err := tx.QueryRowContext(ctx, l.q(`SELECT data FROM lane_data WHERE run = ? AND page = ? AND lane = ?`), lane.id.Run, lane.id.Page, lane.id.Lane).Scan(&data)
	if err != nil {
		return err
	}
	entries, err := l.openEntries(lane.id, data, len(lane.outcomes))
	if err != nil {
		return err
	}
	var open []*Entry
	for i := range entries {
		if Outcome(lane.outcomes[i]) == Pending {
			open = append(open, &entries[i])
		}
	}
	cause := lane.token
	if l.gone(lane) {
		cause = ""
	}
	return l.enterDoubts(ctx, tx, lane.table, lane.id.Run, lane.runStarted, cause, open)
}

// ReportUnanswered says that an attempt at a lane sends no more, and of which of its
// entries it has sent requests whose end it does not know, or whose outcome it could
// not commit. An attempt reports also when another one has taken its lane over.
func (l *Ledger) ReportUnanswered(ctx context.Context, lane *Lane, entries []int) error {
	if !slices.Contains(flowsWithDoubt, lane.Flow) {
		return nil
	}
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		// What was entered for fear that it might still send is settled by what it says.
		if err := settleCause.run(ctx, l, tx, []any{lane.Table, string(lane.Token)}, len(lane.Entries), func(args []any, i int) []any {
			return append(args, lane.Entries[i].Key)
		}); err != nil {
			return err
		}
		of := make([]*Entry, len(entries))
		for n, i := range entries {
			of[n] = &lane.Entries[i]
		}
		return l.enterDoubts(ctx, tx, lane.Table, lane.ID.Run, lane.RunStarted, "", of)
	})
	if err != nil {
		return fmt.Errorf("ledger: reporting %d requests without an answer of %s: %w", len(entries), lane.ID, err)
	}
	return nil
}

var settleCause = newBulk(2, `DELETE FROM doubt WHERE tbl = {1} AND cause = {2} AND key IN (`, `{}`, `)`)

// Doubts returns the doubts about records that are due to be looked at; records
// without one are missing in the map.
func (l *Ledger) Doubts(ctx context.Context, table string, keys []string) (map[string][]Doubt, error) {
	due, err := l.anyDoubtDue(ctx, table) // mostly none is; then one look is enough
	if err != nil || !due {
		return nil, err
	}
	out := map[string][]Doubt{}
	for len(keys) > 0 {
		n := min(lookupChunk, len(keys))
		in, args := l.in(keys[:n])
		found, err := l.doubts(ctx, `tbl = ? AND look <= ? AND key `+in+` ORDER BY key, cause`, append([]any{table, millis(l.now())}, args...)...)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			out[d.Key] = append(out[d.Key], d)
		}
		keys = keys[n:]
	}
	return out, nil
}

// DueDoubts lists the doubts of a table that are due to be looked at, the longest due
// first; about limit of them, and all of a record.
func (l *Ledger) DueDoubts(ctx context.Context, table string, limit int) (map[string][]Doubt, error) {
	due, err := l.anyDoubtDue(ctx, table)
	if err != nil || !due {
		return nil, err
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key FROM doubt WHERE tbl = ? AND look <= ? ORDER BY look, key LIMIT ?`), table, millis(l.now()), limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("ledger: listing doubtful records of %s: %w", table, err)
	}
	keys, err := collect(rows, func(key *string, scan scanner) error { return scan(key) })
	if err != nil {
		return nil, err
	}
	slices.Sort(keys)
	return l.Doubts(ctx, table, slices.Compact(keys))
}

// DoubtsAbout returns all doubts about one record, also those that are not due yet.
func (l *Ledger) DoubtsAbout(ctx context.Context, table, key string) ([]Doubt, error) {
	return l.doubts(ctx, `tbl = ? AND key = ? ORDER BY cause`, table, key)
}

func (l *Ledger) anyDoubtDue(ctx context.Context, table string) (bool, error) {
	n, err := l.count(ctx, `SELECT count(*) FROM (SELECT 1 FROM doubt WHERE tbl = ? AND look <= ? LIMIT 1) one`, table, millis(l.now()))
	return n > 0, err
}

func (l *Ledger) doubts(ctx context.Context, where string, args ...any) ([]Doubt, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT tbl, key, cause, run, carries, version, payload, since, final FROM doubt WHERE `+where), args...)
	if err != nil {
		return nil, fmt.Errorf("ledger: looking up doubtful records: %w", err)
	}
	return collect(rows, func(d *Doubt, scan scanner) error {
		var sealed []byte
		var table, cause string
		var since, final int64
		if err := scan(&table, &d.Key, &cause, &d.Run, &d.Carries, &d.Version, &sealed, &since, &final); err != nil {
			return err
		}
		d.Since, d.Final = fromMillis(since), fromMillis(final)
		var err error
		d.Raw, err = l.seal.unpack(sealed, at(doubtPayload, table, d.Key, cause))
		return err
	})
}

// LookedAt says that the target was read of records, or need not be, and is as the
// ledger says. The reads began at a time.
func (l *Ledger) LookedAt(ctx context.Context, table string, keys []string, at time.Time) error {
	if len(keys) == 0 {
		return nil
	}
	keys = slices.Sorted(slices.Values(keys))
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		looks := make([]*Look, len(keys))
		for i := range keys {
			looks[i] = &Look{Key: keys[i], At: at}
		}
		return l.endDoubts(ctx, tx, table, looks)
	})
	if err != nil {
		return fmt.Errorf("ledger: ending doubts of %s: %w", table, err)
	}
	return nil
}

// LookLater puts the look at doubtful records off that cannot be looked at now.
func (l *Ledger) LookLater(ctx context.Context, table string, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	looks := make([]*Look, len(keys))
	for i, key := range slices.Sorted(slices.Values(keys)) {
		looks[i] = &Look{Key: key}
	}
	if err := l.write(ctx, func(ctx context.Context, tx txn) error { return l.endDoubts(ctx, tx, table, looks) }); err != nil {
		return fmt.Errorf("ledger: putting looks at records of %s off: %w", table, err)
	}
	return nil
}

// lookLater is by how much LookLater puts a look off.
const lookLater = 10 * time.Minute

// Look is a read of a record in the target.
type Look struct {
	Key string
	At  time.Time // when it began; zero: it could not be made, and is put off
}

// endDoubts ends the doubts that a look can end. The others are looked at again, at
// growing intervals: the worker that may still send has been asleep for as long.
func (l *Ledger) endDoubts(ctx context.Context, tx txn, table string, looks []*Look) error {
	for _, k := range looks { // few at a time
		if k.At.IsZero() {
			if _, err := tx.ExecContext(ctx, l.q(`UPDATE doubt SET look = ? WHERE tbl = ? AND key = ? AND look <= ?`), millis(l.now().Add(lookLater)), table, k.Key, millis(l.now())); err != nil {
				return err
			}
			continue
		}
		at := millis(k.At)
		if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM doubt WHERE tbl = ? AND key = ? AND final <= ?`), table, k.Key, at); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE doubt SET look = CASE WHEN (? - at) + ? < final THEN (? - at) + ? ELSE final END WHERE tbl = ? AND key = ? AND look <= ?`),
			at, at, at, at, table, k.Key, at); err != nil {
			return err
		}
	}
	return nil
}

// DoubtCount is how many records of a table are in doubt.
func (l *Ledger) DoubtCount(ctx context.Context, table string) (int64, error) {
	return l.count(ctx, `SELECT count(DISTINCT key) FROM doubt WHERE tbl = ?`, table)
}

// DoubtOf returns when a record is looked at next because it is in doubt;
// ErrNotFound when it is not.
func (l *Ledger) DoubtOf(ctx context.Context, table, key string) (carries Carries, since, look time.Time, err error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT carries, at, look FROM doubt WHERE tbl = ? AND key = ? ORDER BY look LIMIT 1`), table, key)
	if err != nil {
		return carries, since, look, fmt.Errorf("ledger: looking up a doubtful record: %w", err)
	}
	found, err := collect(rows, func(d *[2]int64, scan scanner) error { return scan(&carries, &d[0], &d[1]) })
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return carries, since, look, err
	}
	return carries, fromMillis(found[0][0]), fromMillis(found[0][1]), nil
}
