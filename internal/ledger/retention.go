package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// pruneOldest deletes the oldest rows of a table that fit a condition, a bounded number at
// a time, and returns how many went. An index holds the rows by their age, so that it looks
// at no other.
func (l *Ledger) pruneOldest(ctx context.Context, table, key, condition, age string, args ...any) (n int64, err error) {
	// Mostly there are none; then this writes nothing.
	due, err := l.count(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+table+` WHERE `+condition+` LIMIT 1) one`, args...)
	if err != nil || due == 0 {
		return 0, err
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		res, err := tx.ExecContext(ctx, l.q(`DELETE FROM `+table+` WHERE (`+key+`) IN (SELECT `+key+` FROM `+table+` WHERE `+condition+` ORDER BY `+age+` LIMIT ?)`),
			slices.Concat(args, []any{pruneChunk})...)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}

// closedAt is when a quarantined record was released or discarded, as the index
// quarantine_closed has it.
const closedAt = `(CASE WHEN discarded_at > last_seen THEN discarded_at ELSE last_seen END)`

// PruneQuarantine forgets records that were released or discarded before the cutoff, a
// bounded number at a time, and returns how many went. Open ones stay.
func (l *Ledger) PruneQuarantine(ctx context.Context, cutoff time.Time) (int64, error) {
	n, err := l.pruneOldest(ctx, `quarantine`, `flow, tbl, key`, `state <> 'open' AND `+closedAt+` < ?`, closedAt, millis(cutoff))
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting closed quarantine: %w", err)
	}
	return n, nil
}

// needed is the condition that a run is still needed, although it left nothing for a
// rollback: it goes on, its records are in quarantine or wait for an approval, a position
// names it, or it is the last one or the last load of its table. The owner of a table
// knows its last completed run, and would take a ledger without it for a restored one.
const needed = goesOn + `
	OR EXISTS (SELECT 1 FROM quarantine q WHERE q.run = run.id AND q.state = 'open')
	OR EXISTS (SELECT 1 FROM parked p WHERE p.run = run.id AND p.waits = 'guard' AND p.ready = 0)
	OR EXISTS (SELECT 1 FROM watermark WHERE watermark.run = run.id)
	OR NOT EXISTS (SELECT 1 FROM run later WHERE later.flow = run.flow AND later.state = 'COMPLETED' AND later.tbl = run.tbl AND later.started > run.started)
	OR (kind = 'initial' AND NOT EXISTS (SELECT 1 FROM run later WHERE later.flow = run.flow AND later.tbl = run.tbl AND later.kind = 'initial' AND later.started > run.started))`

// PruneRuns forgets runs that ended before the cutoff, a bounded number at a time, and
// returns how many went. Their part in the totals stays. One that left something for a
// rollback stays until PruneBefores has dropped that.
func (l *Ledger) PruneRuns(ctx context.Context, cutoff time.Time) (int64, error) {
	n, err := l.pruneOldest(ctx, `run`, `id`, `pruned = 1 AND ended < ? AND NOT (`+needed+`)`, `ended, id`, millis(cutoff))
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting runs: %w", err)
	}
	return n, nil
}

// PruneAudits forgets what the last audit of a table saw, where that ended before the
// cutoff, a bounded number of rows at a time, and returns how many went.
func (l *Ledger) PruneAudits(ctx context.Context, cutoff time.Time) (n int64, err error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT tbl FROM run_total WHERE flow = 'audit'`))
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting audits: %w", err)
	}
	audited, err := collect(rows, func(table *string, scan scanner) error { return scan(table) })
	for _, table := range audited {
		if err != nil || n > 0 {
			break
		}
		n, err = l.pruneAudit(ctx, table, cutoff)
	}
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting audits: %w", err)
	}
	return n, nil
}

func (l *Ledger) pruneAudit(ctx context.Context, table string, cutoff time.Time) (n int64, err error) {
	ofTable, err := l.Runs(ctx, RunFilter{Flow: "audit", Table: table, Limit: 1})
	if err != nil || len(ofTable) == 0 || ofTable[0].Ended.IsZero() || !ofTable[0].Ended.Before(cutoff) {
		return 0, err
	}
	return l.pruneOldest(ctx, `audit`, `tbl, key`, `tbl = ?`, `key`, table)
}

// forgetDeleted drops what is known of records that the source has deleted, but for what
// brings them back in a rollback of this run: runs before it cannot be undone for them any
// more, because this one has touched them since.
func (e *effects) forgetDeleted(ctx context.Context, l *Ledger, tx txn, run string, lane *lockedLane) error {
	if lane.flow != "ingress" {
		return nil
	}
	var gone []string
	for _, r := range e.records {
		if r.State == Deleted {
			gone = append(gone, r.Key)
		}
	}
	key := func(args []any, i int) []any { return append(args, gone[i]) }
	if err := dropBefores.run(ctx, l, tx, []any{lane.table, run}, len(gone), key); err != nil {
		return err
	}
	return dropClosed.run(ctx, l, tx, []any{lane.flow, lane.table}, len(gone), key)
}

var (
	dropBefores = newBulk(2, `DELETE FROM before_image WHERE tbl = {1} AND run <> {2} AND key IN (`, `{}`, `)`)
	dropClosed  = newBulk(2, `DELETE FROM quarantine WHERE flow = {1} AND tbl = {2} AND state <> 'open' AND key IN (`, `{}`, `)`)
)
