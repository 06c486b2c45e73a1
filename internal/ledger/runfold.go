package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A run is named for its table and the moment in which its name was made: table-20060102T150405.000Z.
// The row of an hour has the same name up to the hour.
const (
	momentOfRun = "20060102T150405.000Z"
	hourOfRun   = "20060102T15"
)

// single is the condition that a row is a completed pass of changes which left nothing for a
// rollback any more. An index holds such rows by when they ended.
const single = `pruned = 1 AND passes = 0 AND kind = 'delta' AND state = 'COMPLETED'`

// hourOf is the name of the row of the hour that a run belongs to; "" when the name of the
// run does not say its hour.
func hourOf(run string) string {
	head := len(run) - len(momentOfRun)
	if head < 2 || run[head-1] != '-' {
		return ""
	}
	if _, err := time.Parse(momentOfRun, run[head:]); err != nil {
		return ""
	}
	return run[:head+len(hourOfRun)]
}

// FoldRuns puts passes of changes together that ended before the cutoff: those of a flow,
// table and hour become one row, which says how many they were and what they did. It takes a
// bounded number at a time, and returns how many rows went. While changes never stop there is
// a pass for each look at the source; so kept, a year of them is a row an hour. What is still
// needed stays as it is, and so does a run that may be rolled back.
func (l *Ledger) FoldRuns(ctx context.Context, cutoff time.Time) (n int64, err error) {
	const due = single + ` AND ended < ? AND id LIKE '%-________T______.___Z' AND NOT (` + needed + `)`
	some, err := l.count(ctx, `SELECT count(*) FROM (SELECT 1 FROM run WHERE `+due+` LIMIT 1) one`, millis(cutoff))
	if err == nil && some > 0 {
		err = l.write(ctx, func(ctx context.Context, tx txn) error {
			// Whoever takes a row away counts it: several workers may be at this.
			rows, err := tx.QueryContext(ctx, l.q(`DELETE FROM run WHERE id IN (SELECT id FROM run WHERE `+due+` ORDER BY ended, id LIMIT ?) RETURNING `+runColumns), millis(cutoff), foldChunk)
			if err != nil {
				return err
			}
			gone, err := collect(rows, l.scanRun)
			if err != nil {
				return err
			}
			n = int64(len(gone))
			for _, hour := range hoursOf(gone) {
				if err := l.putHour(ctx, tx, hour); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return 0, fmt.Errorf("ledger: putting passes together: %w", err)
	}
	return n, nil
}

// foldChunk bounds how many runs are put together at a time.
const foldChunk = 500

// hoursOf sums runs up by flow, table and hour, in the order of their names.
func hoursOf(runs []Run) []Run {
	byName := map[string]*Run{}
	for _, r := range runs {
		id := cmp.Or(hourOf(r.ID), r.ID)
		hour := byName[r.Flow+" "+id]
		if hour == nil {
			first := r
			first.ID, first.Counts = id, Counts{}
			hour = &first
			byName[r.Flow+" "+id] = hour
		}
		if r.Started.Before(hour.Started) {
			hour.Started = r.Started
		}
		if r.Ended.After(hour.Ended) {
			hour.Ended, hour.Revision, hour.Workflow = r.Ended, r.Revision, r.Workflow
		}
		hour.Passes++
		hour.Counts.Add(r.Counts)
	}
	out := make([]Run, 0, len(byName))
	for _, hour := range byName {
		out = append(out, *hour)
	}
	slices.SortFunc(out, func(a, b Run) int { return strings.Compare(a.Flow+" "+a.ID, b.Flow+" "+b.ID) })
	return out
}

// putHour adds to the row of an hour, or makes it.
func (l *Ledger) putHour(ctx context.Context, tx txn, h Run) error {
	c := h.Counts
	_, err := tx.ExecContext(ctx, l.q(`INSERT INTO run AS r (id, flow, tbl, kind, revision, state, workflow, started, ended, pruned, passes,
		n_read, n_created, n_updated, n_unchanged, n_filtered, n_deleted, n_parked, n_quarantined, n_disabled, n_soft_bounce, n_seed, n_no_contact, n_ignored)
		VALUES (?,?,?,'delta',?,'COMPLETED',?,?,?,1,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET passes = r.passes + excluded.passes,
		revision = CASE WHEN excluded.ended > r.ended THEN excluded.revision ELSE r.revision END,
		workflow = CASE WHEN excluded.ended > r.ended THEN excluded.workflow ELSE r.workflow END,
		started = CASE WHEN excluded.started < r.started THEN excluded.started ELSE r.started END,
		ended = CASE WHEN excluded.ended > r.ended THEN excluded.ended ELSE r.ended END,
		n_read = r.n_read + excluded.n_read, n_created = r.n_created + excluded.n_created, n_updated = r.n_updated + excluded.n_updated,
		n_unchanged = r.n_unchanged + excluded.n_unchanged, n_filtered = r.n_filtered + excluded.n_filtered, n_deleted = r.n_deleted + excluded.n_deleted,
		n_parked = r.n_parked + excluded.n_parked, n_quarantined = r.n_quarantined + excluded.n_quarantined, n_disabled = r.n_disabled + excluded.n_disabled,
		n_soft_bounce = r.n_soft_bounce + excluded.n_soft_bounce, n_seed = r.n_seed + excluded.n_seed, n_no_contact = r.n_no_contact + excluded.n_no_contact,
		n_ignored = r.n_ignored + excluded.n_ignored`),
		h.ID, h.Flow, h.Table, h.Revision, h.Workflow, millis(h.Started), millis(h.Ended), h.Passes,
		c.Read, c.Created, c.Updated, c.Unchanged, c.Filtered, c.Deleted, c.Parked, c.Quarantined, c.Disabled, c.SoftBounce, c.SeedOrProof, c.NoContact, c.Ignored)
	return err
}

// RunOrHour returns a run, or the row that it was put into with others of its hour; else
// ErrNotFound.
func (l *Ledger) RunOrHour(ctx context.Context, id string) (*Run, error) {
	r, err := l.Run(ctx, id)
	if hour := hourOf(id); err == ErrNotFound && hour != "" {
		return l.Run(ctx, hour)
	}
	return r, err
}
