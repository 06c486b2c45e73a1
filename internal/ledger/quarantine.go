package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// QuarantineState is what became of a refused record.
type QuarantineState string

const (
	QuarantineOpen      QuarantineState = "open"
	QuarantineReleased  QuarantineState = "released"  // it was applied after all
	QuarantineDiscarded QuarantineState = "discarded" // an operator decided to leave it alone
)

// QuarantineItem is a refused record, set aside with its reason.
type QuarantineItem struct {
	Flow, Table, Key, Run       string
	Class, Code, Field, Message string
	Version                     string // of the source, that was refused
	Payload                     []byte // the staged source object; compressed at rest, sealed with a key
	Parent                      Parent // that may be the cause: the target did not hold it, or has lost it
	ParentRun                   string // that had created the parent, NoRun for none; "" = the target did not hold it
	State                       QuarantineState
	FirstSeen, LastSeen         time.Time
	Attempts                    int
	NextTry                     time.Time // when open: tried again by itself; zero: not
	NoRetry                     bool      // it is not to be tried again by itself
	Discarded                   Discard   // the last one, if any
}

// NoRun is a QuarantineItem.ParentRun for a parent that no run has created.
const NoRun = "-"

// Discard is an operator's decision to leave a refused record alone.
type Discard struct {
	By, Reason string
	At         time.Time
}

// QuarantineFilter selects quarantined records; empty fields match all.
type QuarantineFilter struct {
	Flow, Table, Key, Run, Code, Field string
	State                              QuarantineState

	Keys          []string      // one of these
	SeenBefore    time.Time     // first refused before
	DueBy         time.Time     // tried again by itself by then
	OtherRevision string        // refused in a run of another revision than this, and not to stay
	After         QuarantineKey // goes on behind this one
	Limit         int           // 0: 1,000
}

// QuarantineGroup is how many records were refused for one reason.
type QuarantineGroup struct {
	Table, Code, Field, Message  string
	Records                      int64
	FirstSeen, LastSeen, NextTry time.Time // earliest, latest, earliest
}

// QuarantineKey names a quarantined record; listings are in its order.
type QuarantineKey struct{ Flow, Table, Key string }

// tryAgain is how long a refused record rests before it is tried again by itself:
// after its first refusal, its second, and so on; the last is for all that follow.
var tryAgain = [...]time.Duration{time.Hour, 4 * time.Hour, 24 * time.Hour, 48 * time.Hour, 96 * time.Hour, 7 * 24 * time.Hour}

// never is the next try of a record that is not tried again by itself.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

var neverText = strconv.FormatInt(never, 10)

// nextTry reads a stored next try; 0 is due at once.
func nextTry(ms int64) (at time.Time, stays bool) {
	if ms == never {
		return time.Time{}, true
	}
	return fromMillis(max(ms, 1)), false
}

// refuse sets records aside. A version that an operator discarded stays discarded.
func (e *effects) refuse(ctx context.Context, l *Ledger, tx txn, run string, lane *lockedLane) error {
	now := l.now()
	shared := []any{lane.flow, lane.table, run, now.UnixMilli()}
	return putRefused.run(ctx, l, tx, shared, len(e.refused), func(args []any, i int) []any {
		q := e.refused[i]
		next := now.Add(tryAgain[0]).UnixMilli()
		if q.NoRetry {
			next = never
		}
		return append(args, next, q.Key, text(q.Class), text(q.Code), text(q.Field), text(q.Message), q.Version, e.sealed.refused[i], e.attemptsFor[q.Key], q.Parent.Table, q.Parent.Key, q.ParentRun)
	})
}

var putRefused = newBulk(4,
	`INSERT INTO quarantine (flow, tbl, run, state, first_seen, last_seen, next_try, key, class, code, field, message, version, payload, attempts, parent_tbl, parent_key, parent_run) VALUES `,
	`({1},{2},{3},'open',{4},{4},{},{},{},{},{},{},{},{},{},{},{},{})`,
	` ON CONFLICT (flow, tbl, key) DO UPDATE SET run = excluded.run, class = excluded.class, code = excluded.code, field = excluded.field,
	message = excluded.message, version = excluded.version, payload = excluded.payload, parent_tbl = excluded.parent_tbl, parent_key = excluded.parent_key, parent_run = excluded.parent_run,
	last_seen = excluded.last_seen, attempts = quarantine.attempts + excluded.attempts, claim = '',
	state = CASE WHEN quarantine.state = 'discarded' AND excluded.version <> '' AND quarantine.version = excluded.version THEN 'discarded' ELSE 'open' END,
	tries = CASE WHEN quarantine.state <> 'open' THEN 1 WHEN `+early+` THEN quarantine.tries ELSE quarantine.tries + 1 END,
	next_try = CASE WHEN excluded.next_try < `+neverText+` AND `+early+` THEN quarantine.next_try
	ELSE excluded.next_try + CASE WHEN quarantine.state <> 'open' OR excluded.next_try = `+neverText+` THEN 0`+longer()+` END END`)

// early is SQL for a refusal before the time at which the record was to be tried again:
// a person had it released, or it changed. That leaves the schedule as it is.
var early = `(quarantine.state = 'open' AND quarantine.next_try > excluded.last_seen AND quarantine.next_try < ` + neverText + `)`

// longer is SQL for what is added to tryAgain[0], by how many refusals came before
// this one.
func longer() string {
	var b strings.Builder
	for i, d := range tryAgain[1:] {
		if i == len(tryAgain)-2 {
			fmt.Fprintf(&b, " ELSE %d", (d - tryAgain[0]).Milliseconds())
			break
		}
		fmt.Fprintf(&b, " WHEN quarantine.tries <= %d THEN %d", i+1, (d - tryAgain[0]).Milliseconds())
	}
	return b.String()
}

var resolve = newBulk(3, `UPDATE quarantine SET state = 'released', last_seen = {1} WHERE flow = {2} AND tbl = {3} AND state = 'open' AND key IN (`, `{}`, `)`)

func jsonOf(keys []string) string {
	out, _ := json.Marshal(keys) // text always can be
	return string(out)
}

// where is the condition of a filter and its parameters.
func (f *QuarantineFilter) where(l *Ledger) (string, []any) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	switch { // a comparison of what is fixed already would keep SQLite from going on in the index
	case f.After == (QuarantineKey{}):
	case f.Flow != "" && f.After.Flow == f.Flow && f.Table != "" && f.After.Table == f.Table:
		add("key > ?", f.After.Key)
	case f.Flow != "" && f.After.Flow == f.Flow:
		add("(tbl, key) > (?, ?)", f.After.Table, f.After.Key)
	default:
		add("(flow, tbl, key) > (?, ?, ?)", f.After.Flow, f.After.Table, f.After.Key)
	}
	for _, c := range []struct{ column, value string }{
		{"flow", f.Flow}, {"tbl", f.Table}, {"key", f.Key}, {"run", f.Run}, {"code", f.Code}, {"field", f.Field}, {"state", string(f.State)},
	} {
		if c.column == "state" && c.value == string(QuarantineOpen) {
			add("state = 'open'") // in the text, so that the indexes of open records serve
		} else if c.value != "" {
			add(c.column+" = ?", c.value)
		}
	}
	if len(f.Keys) > 0 && l.postgres {
		add("key = ANY(?)", f.Keys)
	} else if len(f.Keys) > 0 { // one text for any number, since the writer keeps its statements
		add("key IN (SELECT value FROM json_each(?))", jsonOf(f.Keys))
	}
	if !f.SeenBefore.IsZero() {
		add("first_seen < ?", millis(f.SeenBefore))
	}
	if !f.DueBy.IsZero() {
		add("next_try <= ?", millis(f.DueBy))
	}
	if f.OtherRevision != "" {
		add("next_try < ?", never)
		add("NOT EXISTS (SELECT 1 FROM run r WHERE r.id = quarantine.run AND r.revision = ?)", f.OtherRevision)
	}
	return " WHERE " + strings.Join(where, " AND "), args
}

// tallied says that a filter selects all open records of flows or tables, which are counted
// as they come and go.
func (f *QuarantineFilter) tallied() bool {
	return f.State == QuarantineOpen && f.Key == "" && len(f.Keys) == 0 && f.Run == "" && f.Code == "" && f.Field == "" &&
		f.SeenBefore.IsZero() && f.DueBy.IsZero() && f.OtherRevision == "" && f.After == (QuarantineKey{})
}

// CountQuarantined counts what a filter selects, whatever its Limit.
func (l *Ledger) CountQuarantined(ctx context.Context, f QuarantineFilter) (int64, error) {
	if f.tallied() {
		return l.QuarantineCount(ctx, f.Flow, f.Table)
	}
	where, args := f.where(l)
	if f.State == QuarantineOpen {
		where += " AND next_try >= 0" // always so; it leads SQLite to the index of open records, past all that were closed
	}
	return l.count(ctx, `SELECT count(*) FROM quarantine`+where, args...)
}

// Quarantined lists refused records by flow, table and key, without their
// payload: see QuarantinePayload.
func (l *Ledger) Quarantined(ctx context.Context, f QuarantineFilter) ([]QuarantineItem, error) {
	where, args := f.where(l)
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT flow, tbl, key, run, class, code, field, message, version, parent_tbl, parent_key, state, first_seen, last_seen, attempts,
		next_try, discarded_by, discard_reason, discarded_at FROM quarantine`+where+` ORDER BY flow, tbl, key LIMIT ?`), append(args, limitOf(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing quarantine: %w", err)
	}
	return collect(rows, func(q *QuarantineItem, scan scanner) error {
		var first, last, next, discarded int64
		err := scan(&q.Flow, &q.Table, &q.Key, &q.Run, &q.Class, &q.Code, &q.Field, &q.Message, &q.Version, &q.Parent.Table, &q.Parent.Key, &q.State, &first, &last, &q.Attempts,
			&next, &q.Discarded.By, &q.Discarded.Reason, &discarded)
		q.FirstSeen, q.LastSeen, q.Discarded.At = fromMillis(first), fromMillis(last), fromMillis(discarded)
		if q.State == QuarantineOpen {
			q.NextTry, q.NoRetry = nextTry(next)
		}
		return err
	})
}

// QuarantineGroups counts what a filter selects by table and reason, most first.
func (l *Ledger) QuarantineGroups(ctx context.Context, f QuarantineFilter) ([]QuarantineGroup, error) {
	where, args := f.where(l)
	next := `min(CASE WHEN state = 'open' THEN next_try END)`
	if f.State == QuarantineOpen {
		next = `min(next_try)` // the same, and in the index by reason
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT tbl, code, field, message, count(*), min(first_seen), max(last_seen), `+next+`
		FROM quarantine`+where+` GROUP BY tbl, code, field, message ORDER BY count(*) DESC, tbl, code, field, message LIMIT ?`), append(args, limitOf(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: counting quarantine: %w", err)
	}
	return collect(rows, func(g *QuarantineGroup, scan scanner) error {
		var first, last int64
		var next sql.NullInt64
		err := scan(&g.Table, &g.Code, &g.Field, &g.Message, &g.Records, &first, &last, &next)
		g.FirstSeen, g.LastSeen = fromMillis(first), fromMillis(last)
		if next.Valid {
			g.NextTry, _ = nextTry(next.Int64)
		}
		return err
	})
}

// QuarantineTotal is how many refused records a table of a flow has.
type QuarantineTotal struct {
	Flow, Table string
	Records     int64
}

// QuarantineTotals counts what a filter selects by flow and table, in their order.
func (l *Ledger) QuarantineTotals(ctx context.Context, f QuarantineFilter) ([]QuarantineTotal, error) {
	where, args := f.where(l)
	query := `SELECT flow, tbl, count(*) FROM quarantine` + where + ` GROUP BY flow, tbl`
	if f.tallied() {
		query, args = `SELECT flow, tbl, CAST(sum(n) AS BIGINT) FROM tally WHERE what = ? AND (? = '' OR flow = ?) AND (? = '' OR tbl = ?) GROUP BY flow, tbl HAVING sum(n) > 0`,
			[]any{talliedQuarantined, f.Flow, f.Flow, f.Table, f.Table}
	}
	rows, err := l.db.QueryContext(ctx, l.q(query+` ORDER BY flow, tbl LIMIT ?`), append(args, limitOf(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: counting quarantine: %w", err)
	}
	return collect(rows, func(t *QuarantineTotal, scan scanner) error { return scan(&t.Flow, &t.Table, &t.Records) })
}

// QuarantinePayload returns the staged source object of a quarantined record, or
// ErrNotFound. It holds personal data.
func (l *Ledger) QuarantinePayload(ctx context.Context, key QuarantineKey) ([]byte, error) {
	var sealed []byte
	err := l.db.QueryRowContext(ctx, l.q(`SELECT payload FROM quarantine WHERE flow = ? AND tbl = ? AND key = ?`), key.Flow, key.Table, key.Key).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading quarantine: %w", err)
	}
	return l.seal.unpack(sealed, at(quarantinePayload, key.Flow, key.Table, key.Key))
}

// Discard closes the open records that a filter selects, and returns how many this
// discard has closed. A discard is known by its person, reason and time, so that
// asking again closes nothing and answers the same.
func (l *Ledger) Discard(ctx context.Context, f QuarantineFilter, d Discard) (n int64, err error) {
	f.State = ""
	where, selected := f.where(l)
	stamp := []any{text(d.By), text(d.Reason), millis(d.At)}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE quarantine SET state = 'discarded', claim = '', discarded_by = ?, discard_reason = ?, discarded_at = ?`+where+` AND state = 'open'`),
			append(stamp[:3:3], selected...)...); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, l.q(`SELECT count(*) FROM quarantine`+where+` AND state = 'discarded' AND discarded_by = ? AND discard_reason = ? AND discarded_at = ?`),
			append(selected[:len(selected):len(selected)], stamp...)...).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: discarding quarantined records: %w", err)
	}
	return n, nil
}
