package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// factStrays names how many strays the last audit of a table found that look like ours.
func factStrays(table string) string { return "strays/" + table }

// SaveStrays keeps how many strays an audit of a table found.
func (l *Ledger) SaveStrays(ctx context.Context, table string, n int64) error {
	value := ""
	if n > 0 {
		value = strconv.FormatInt(n, 10)
	}
	return l.SaveFact(ctx, factStrays(table), value)
}

// Strays is how many strays of a table the last audit found, less those that were adopted
// since.
func (l *Ledger) Strays(ctx context.Context, table string) (int64, error) {
	value, err := l.Fact(ctx, factStrays(table))
	if err != nil || value == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("ledger: reading how many strays %s has: %w", table, err)
	}
	return n, nil
}

// StrayRecord is a record that the target holds and that nobody here remembers, with what the
// source says that calls for its delete.
type StrayRecord struct {
	Record  Record
	Deleted bool   // in the source; else it is left out by rule
	Raw     []byte // the source object, where it is left out
}

// AdoptStrays makes records known that the target holds and that nobody here remembers,
// and parks a delete of each for run, where the delete guard counts it. The records are
// as Commit has them. They must not be held by now: nobody else may write the table
// meanwhile.
func (l *Ledger) AdoptStrays(ctx context.Context, run, table string, strays []StrayRecord) error {
	if len(strays) == 0 {
		return nil
	}
	e := &effects{}
	for _, s := range lastOf(slices.Clone(strays), func(s StrayRecord) string { return s.Record.Key }) {
		p := &ParkedItem{Key: s.Record.Key, Version: s.Record.Version, Waits: WaitsForDeleteGuard, Deleted: s.Deleted}
		if !s.Deleted {
			p.Payload = s.Raw
		}
		e.records, e.unparked, e.parked = append(e.records, &s.Record), append(e.unparked, p.Key), append(e.parked, p)
	}
	err := e.seal(l.seal, run, "", table)
	if err != nil {
		return fmt.Errorf("ledger: adopting %d strays of %s: %w", len(strays), table, err)
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		lane := &lockedLane{subject: subject{table: table}}
		if err := e.putRecords(ctx, l, tx, table); err != nil {
			return err
		}
		if err := e.park(ctx, l, tx, run, lane); err != nil {
			return err
		}
		return forgetFindings.run(ctx, l, tx, []any{table}, len(e.records), func(args []any, i int) []any { return append(args, e.records[i].Key) })
	})
	if err != nil {
		return fmt.Errorf("ledger: adopting %d strays of %s: %w", len(strays), table, err)
	}
	return nil
}

var forgetFindings = newBulk(1, `DELETE FROM audit WHERE tbl = {1} AND key IN (`, `{}`, `)`)
