package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Operation is what somebody asked for: an entry of the audit trail. It holds
// names of operators, ids and revisions; no values of records.
type Operation struct {
	ID       string    // given by the caller; an entry is kept once
	At       time.Time // when it was accepted
	By       string    // who; "" when not known
	What     string    // the command: start, stop, rollback …
	Flow     string
	Table    string
	Run      string // that it is about, if any
	Revision string // of the mapping that it is about
	Was      string // the revision before, where it changed
	Reason   string // in the operator's words
	Detail   string // what else was asked, in words
}

// OperationFilter selects operations; empty fields match all.
type OperationFilter struct {
	Flow, Table, Run, By, What string
	Since                      time.Time // at or after it
	Limit                      int       // the newest so many; 0: 1,000
}

// Log keeps operations. One whose id is known already is left as it is, so that a
// caller may repeat itself.
func (l *Ledger) Log(ctx context.Context, operations ...Operation) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		for _, o := range operations {
			if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO operation (id, at, who, what, flow, tbl, run, revision, was, reason, detail)
				VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING`),
				o.ID, millis(o.At), text(o.By), o.What, o.Flow, o.Table, o.Run, o.Revision, o.Was, text(o.Reason), text(o.Detail)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ledger: logging %d operations: %w", len(operations), err)
	}
	return nil
}

// Operations lists the newest operations that fit, the newest last.
func (l *Ledger) Operations(ctx context.Context, f OperationFilter) ([]Operation, error) {
	where, args := []string{"at >= ?"}, []any{millis(f.Since)}
	for _, c := range []struct{ column, value string }{{"flow", f.Flow}, {"tbl", f.Table}, {"run", f.Run}, {"who", f.By}, {"what", f.What}} {
		if c.value != "" {
			where, args = append(where, c.column+" = ?"), append(args, c.value)
		}
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT id, at, who, what, flow, tbl, run, revision, was, reason, detail FROM operation
		WHERE `+strings.Join(where, " AND ")+` ORDER BY at DESC, seq DESC LIMIT ?`), append(args, limitOf(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing operations: %w", err)
	}
	out, err := collect(rows, func(o *Operation, scan scanner) error {
		var at int64
		err := scan(&o.ID, &at, &o.By, &o.What, &o.Flow, &o.Table, &o.Run, &o.Revision, &o.Was, &o.Reason, &o.Detail)
		o.At = fromMillis(at)
		return err
	})
	slices.Reverse(out)
	return out, err
}
