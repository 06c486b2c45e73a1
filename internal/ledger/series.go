package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// How long the times are that the series of charts have a row for: a minute at first, later
// the minutes of an hour are put together.
const (
	aMinute = 60
	anHour  = 3600
)

// settledColumns are the counts of the table settled, in the order of settlement.
var settledColumns = []string{
	"n_created", "n_updated", "n_unchanged", "n_filtered", "n_deleted", "n_parked", "n_quarantined",
	"n_disabled", "n_soft_bounce", "n_seed", "n_no_contact", "n_ignored",
}

// settlement is how many records got which outcome.
func settlement(c Counts) []any {
	return []any{c.Created, c.Updated, c.Unchanged, c.Filtered, c.Deleted, c.Parked, c.Quarantined, c.Disabled, c.SoftBounce, c.SeedOrProof, c.NoContact, c.Ignored}
}

var (
	settledList = strings.Join(settledColumns, ", ")
	addSettled  = `ON CONFLICT (flow, tbl, step, at, slot) DO UPDATE SET ` + eachSettled(func(c string) string { return c + ` = s.` + c + ` + excluded.` + c })
	sumSettled  = eachSettled(func(c string) string { return `CAST(sum(` + c + `) AS BIGINT)` })

	settleHead = `INSERT INTO settled AS s (flow, tbl, step, at, slot, ` + settledList + `) VALUES (?, ?, 60, ?, `
	settleRow  = strings.Repeat(`, ?`, len(settledColumns)) + `) ` + addSettled

	settleSQLite   = settleHead + `0` + settleRow
	settlePostgres = `WITH counted AS (` + settleHead + `pg_backend_pid() % 1000` + settleRow + `) ` + keepOutcomes
)

const keepOutcomes = `UPDATE lane SET outcomes = ? WHERE run = ? AND page = ? AND lane = ?`

func eachSettled(f func(column string) string) string {
	out := make([]string, len(settledColumns))
	for i, c := range settledColumns {
		out[i] = f(c)
	}
	return strings.Join(out, ", ")
}

// settled is what outcomes add to the charts, and what they take off.
type settled struct{ more, less Counts }

// give gives entries of a lane their outcomes. An outcome that is there already does not
// count again, and one that replaces another takes that off.
func (lane *lockedLane) give(group []Result, count *settled) {
	for i := range group {
		was, is := Outcome(lane.outcomes[group[i].Index]), group[i].Outcome
		if was == is {
			continue
		}
		count.more.Count(is)
		if was != Pending {
			count.less.Count(was)
		}
		lane.outcomes[group[i].Index] = byte(is)
	}
}

// args are the parameters of what counts it.
func (s *settled) args(l *Ledger, flow, table string) []any {
	args := []any{flow, table, startOf(l.now(), aMinute)}
	gone := settlement(s.less)
	for i, n := range settlement(s.more) {
		args = append(args, n.(int64)-gone[i].(int64))
	}
	return args
}

// settle gives entries of a lane their outcomes, keeps them, and counts for the charts what
// is new by that, on PostgreSQL. It comes last in its transaction, and is one statement, so
// that lanes do not wait for each other.
func (lane *lockedLane) settle(ctx context.Context, l *Ledger, tx txn, group []Result) error {
	var count settled
	lane.give(group, &count)
	args := []any{lane.outcomes, lane.id.Run, lane.id.Page, lane.id.Lane}
	if count.more.Read == 0 {
		_, err := tx.ExecContext(ctx, l.q(keepOutcomes), args...)
		return err
	}
	_, err := tx.ExecContext(ctx, l.q(settlePostgres), slices.Concat(count.args(l, lane.flow, lane.table), args)...)
	return err
}

// startOf is the beginning of the minute or hour that a time is in.
func startOf(t time.Time, seconds int64) int64 {
	return t.UTC().Truncate(time.Duration(seconds) * time.Second).UnixMilli()
}

// Level is how a flow and table stands at a moment.
type Level struct {
	Flow, Table string
	Backlog     int64         // records that were read and have no outcome
	Lag         time.Duration // negative: not known
}

// Backlog is how many records a run has read that have no outcome yet.
func (l *Ledger) Backlog(ctx context.Context, run string) (n int64, err error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT outcomes FROM lane WHERE run = ? AND done = 0`), run)
	if err != nil {
		return 0, fmt.Errorf("ledger: counting the backlog of run %s: %w", run, err)
	}
	lanes, err := collect(rows, func(outcomes *[]byte, scan scanner) error { return scan(outcomes) })
	for _, outcomes := range lanes {
		c := countOf(outcomes)
		n += c.Read - c.WithOutcome()
	}
	return n, err
}

const keepLevel = `INSERT INTO level AS v (flow, tbl, step, at, backlog, lag) VALUES (?, ?, 60, ?, ?, ?) ON CONFLICT (flow, tbl, step, at) DO UPDATE SET ` + higher

const higher = `backlog = CASE WHEN excluded.backlog > v.backlog THEN excluded.backlog ELSE v.backlog END, lag = CASE WHEN excluded.lag > v.lag THEN excluded.lag ELSE v.lag END`

// KeepLevels keeps how flows stand at a time, for charts. Of several looks in a minute, by
// whichever worker, the highest counts.
func (l *Ledger) KeepLevels(ctx context.Context, at time.Time, levels []Level) error {
	levels = slices.Clone(levels)
	slices.SortFunc(levels, func(a, b Level) int { // workers lock rows in one order
		return strings.Compare(a.Flow+" "+a.Table, b.Flow+" "+b.Table)
	})
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		for _, v := range levels {
			lag := int64(-1)
			if v.Lag >= 0 {
				lag = int64(v.Lag / time.Second)
			}
			if _, err := tx.ExecContext(ctx, l.q(keepLevel), v.Flow, v.Table, startOf(at, aMinute), v.Backlog, lag); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping how flows stand: %w", err)
	}
	return nil
}

// SeriesFilter selects a part of the series.
type SeriesFilter struct {
	Flow, Table string // "" of Flow: all that carry records
	From, To    time.Time
	Step        time.Duration // of a point; whole minutes
}

// SeriesPoint is what happened from a time on, for one step.
type SeriesPoint struct {
	At      time.Time
	Counts  Counts        // Read is what got an outcome
	Looked  bool          // somebody looked at Backlog and Lag
	Backlog int64         // at most
	Lag     time.Duration // at most; negative: not known
}

// Series are the points at which anything is known, oldest first. What is older than the
// minutes are kept comes as whole hours.
func (l *Ledger) Series(ctx context.Context, f SeriesFilter) ([]SeriesPoint, error) {
	step := f.Step.Milliseconds()
	if step < aMinute*1000 {
		return nil, fmt.Errorf("ledger: a series in steps of %s: want a minute or more", f.Step)
	}
	of, args := `flow IN ('ingress', 'egress', 'optout')`, []any{}
	if f.Flow != "" {
		of, args = `flow = ? AND tbl = ?`, []any{f.Flow, f.Table}
	}
	const bucket, within = `at - at % CAST(? AS BIGINT)`, ` AND step IN (60, 3600) AND at >= ? AND at < ?`
	args = slices.Concat([]any{step}, args, []any{millis(f.From), millis(f.To)})
	points := map[int64]*SeriesPoint{}
	point := func(at int64) *SeriesPoint {
		if points[at] == nil {
			points[at] = &SeriesPoint{At: fromMillis(at), Lag: -1}
		}
		return points[at]
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT `+bucket+` AS since, `+sumSettled+` FROM settled WHERE `+of+within+` GROUP BY since`), args...)
	if err == nil {
		_, err = collect(rows, func(_ *struct{}, scan scanner) error { return scanSettled(scan, point) })
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading what became of records: %w", err)
	}
	// Backlogs of several flows add up, each at its highest.
	rows, err = l.db.QueryContext(ctx, l.q(`SELECT since, CAST(sum(high) AS BIGINT), max(lag) FROM (
		SELECT `+bucket+` AS since, max(backlog) AS high, max(lag) AS lag FROM level WHERE `+of+within+` GROUP BY flow, tbl, since) one GROUP BY since`), args...)
	if err == nil {
		_, err = collect(rows, func(_ *struct{}, scan scanner) error { return scanLevel(scan, point) })
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading how flows stood: %w", err)
	}
	out := make([]SeriesPoint, 0, len(points))
	for _, p := range points {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b SeriesPoint) int { return a.At.Compare(b.At) })
	return out, nil
}

func scanSettled(scan scanner, point func(int64) *SeriesPoint) error {
	var at int64
	var c Counts
	err := scan(&at, &c.Created, &c.Updated, &c.Unchanged, &c.Filtered, &c.Deleted, &c.Parked, &c.Quarantined, &c.Disabled, &c.SoftBounce, &c.SeedOrProof, &c.NoContact, &c.Ignored)
	if err == nil {
		c.Read = c.WithOutcome()
		point(at).Counts = c
	}
	return err
}

func scanLevel(scan scanner, point func(int64) *SeriesPoint) error {
	var at, backlog, lag int64
	err := scan(&at, &backlog, &lag)
	if err == nil {
		p := point(at)
		p.Looked, p.Backlog = true, backlog
		if lag >= 0 {
			p.Lag = time.Duration(lag) * time.Second
		}
	}
	return err
}
