package ledger

import "context"

// The table tally counts the rows of big tables that are in a state. Triggers keep it in
// the transaction of whatever changes such a row, so it is exact for every reader, and
// asking costs the same however big a table is. New records on SQLite are the exception:
// a trigger for each row would cost a tenth of a load, so putRecords counts them by the group.
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

// putRecords writes the records of a group, and adds what is new to those that the target
// holds.
func (e *effects) putRecords(ctx context.Context, l *Ledger, tx txn, table string) error {
	put := func(rows []int) error {
		return putRecords.run(ctx, l, tx, []any{table}, len(rows), func(args []any, i int) []any {
			r := e.records[rows[i]]
			return append(args, r.Key, r.Version, r.TargetKey, string(r.State), e.sealed.records[rows[i]], l.seal.print(r.Fingerprint), r.Run, r.CreatedRun, r.SeenRun)
		})
	}
	held, others := make([]int, 0, len(e.records)), []int(nil)
	for i, r := range e.records {
		if l.postgres || r.Payload != nil { // there in order of their keys, so that workers lock rows in one order
			held = append(held, i)
		} else {
			others = append(others, i)
		}
	}
	if err := put(others); err != nil || len(held) == 0 {
		return err
	}
	if l.postgres {
		return put(held)
	}
	var before, after int64
	if err := tx.QueryRowContext(ctx, lastRecord).Scan(&before); err != nil {
		return err
	}
	if err := put(held); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, lastRecord).Scan(&after); err != nil || after == before {
		return err
	}
	_, err := tx.ExecContext(ctx, addHeld, table, after-before)
	return err
}

const (
	// lastRecord is the number of SQLite's last row. A new row has the next one, and an
	// update takes none.
	lastRecord = `SELECT coalesce(max(rowid), 0) FROM record`

	addHeld = `INSERT INTO tally (what, flow, tbl, slot, n) VALUES ('held', '', ?, 0, ?) ON CONFLICT (what, flow, tbl, slot) DO UPDATE SET n = n + excluded.n`
)

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
