package ledger

import "context"

// The table tally counts the rows of big tables that are in a state. Triggers keep it in
// the transaction of whatever changes such a row, so it is exact for every reader, and
// asking costs the same however big a table is. New records on SQLite are the exception:
// a trigger for each row would cost a tenth of a load, so countNew counts them by the group.
//
// On PostgreSQL each connection adds to rows of its own, because a row that all commits
// change would make the lanes wait for each other. A reader takes the sum.

const (
	talliedHeld        = "held"        // records that the target holds, by table
	talliedParked      = "parked"      // by table
	talliedQuarantined = "quarantined" // and open, by flow and table
	talliedOptOuts     = "optout"      // that wait, by what for
	talliedReturned    = "returned"    // records that came back, by table
)

const tallied = `SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM tally WHERE what = ?`

// countNew adds the records that a group is about to add to those that the target holds.
func (e *effects) countNew(ctx context.Context, l *Ledger, tx txn, table string) error {
	if l.postgres {
		return nil
	}
	var keys []string
	for _, r := range e.records {
		if r.Payload != nil {
			keys = append(keys, r.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	// All of them are added, then those taken off that are no new rows.
	if _, err := tx.ExecContext(ctx, addHeld, table, len(keys)); err != nil {
		return err
	}
	return takeKnown.run(ctx, l, tx, []any{table}, len(keys), func(args []any, i int) []any { return append(args, keys[i]) })
}

const addHeld = `INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('held', '', ?, 0, ?) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + excluded.n`

var takeKnown = newBulk(1, `UPDATE tally SET n = n - (SELECT count(*) FROM record WHERE tbl = {1} AND key IN (`, `{}`, `)) WHERE what = 'held' AND flow = '' AND tbl = {1} AND slot = 0`)

// KnownCount is how many records of a table the target holds.
func (l *Ledger) KnownCount(ctx context.Context, table string) (int64, error) {
	return l.count(ctx, tallied+` AND flow = '' AND tbl = ?`, talliedHeld, table)
}

// LostCount is how many records of a table somebody deleted in the target, and that are not
// there again. An index holds those alone.
func (l *Ledger) LostCount(ctx context.Context, table string) (int64, error) {
	return l.count(ctx, `SELECT count(*) FROM record WHERE tbl = ? AND state = 'lost'`, table)
}

// ParkedCount is how many records of a table wait.
func (l *Ledger) ParkedCount(ctx context.Context, table string) (int64, error) {
	return l.count(ctx, tallied+` AND flow = '' AND tbl = ?`, talliedParked, table)
}

// QuarantineCount is how many records of a flow and table ("" = all) are set
// aside and open.
func (l *Ledger) QuarantineCount(ctx context.Context, flow, table string) (int64, error) {
	query, args := tallied, []any{talliedQuarantined}
	if flow != "" {
		query, args = query+` AND flow = ?`, append(args, flow)
	}
	if table != "" {
		query, args = query+` AND tbl = ?`, append(args, table)
	}
	return l.count(ctx, query, args...)
}

// OptOutsWaiting counts the contacts that wait for something.
func (l *Ledger) OptOutsWaiting(ctx context.Context, waits OptOutWaits) (int64, error) {
	return l.count(ctx, tallied+` AND flow = '' AND tbl = ?`, talliedOptOuts, string(waits))
}
