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
	Seq      int64     // its number in the log, from 1; the ledger gives it
	ID       string    // given by the caller; an entry is kept once
	At       time.Time // when it was accepted
	By       string    // who; "" when not known
	Verified bool      // By has signed in; else it is what the client said
	Subject  string    // of By at the issuer, if verified
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
	Flow, Table, Run, By, What string    // By: a name with its subject, or either of them alone
	Since                      time.Time // at or after it
	Before                     OperationPlace
	Limit                      int // the newest so many; 0: 1,000
}

// OperationPlace is a place in the log: what comes before it in time, and of one time what
// has a lower number. The zero place is its end.
type OperationPlace struct {
	At  time.Time
	Seq int64
}

// LogEnd is an entry of the log by which somebody outside the ledger remembers how far
// the log went.
type LogEnd struct {
	Seq  int64
	At   time.Time
	Hash []byte
}

// Log keeps operations, and returns the last one that there is now. One whose id is known
// already is left as it is, so that a caller may repeat itself. Rows are chained: each has
// a hash over itself and the row before.
func (l *Ledger) Log(ctx context.Context, operations ...Operation) (end LogEnd, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		last, err := l.chainEnd(ctx, tx, chainLast, true)
		if err != nil {
			return err
		}
		before := last.seq
		for _, o := range operations {
			if err := l.logOne(ctx, tx, last, o); err != nil {
				return err
			}
		}
		end = LogEnd{last.seq, fromMillis(last.at), last.hash}
		if last.seq == before {
			return nil
		}
		return l.moveChainEnd(ctx, tx, last)
	})
	if err != nil {
		return LogEnd{}, fmt.Errorf("ledger: logging %d operations: %w", len(operations), err)
	}
	return end, nil
}

// logOne adds a row behind last, and moves last to it.
func (l *Ledger) logOne(ctx context.Context, tx txn, last *chainEnd, o Operation) error {
	o.Seq, o.At, o.By, o.Subject, o.Reason, o.Detail = last.seq+1, fromMillis(millis(o.At)), text(o.By), text(o.Subject), text(o.Reason), text(o.Detail)
	sum := l.chain.Load().make(o.fields(last.hash)...)
	res, err := tx.ExecContext(ctx, l.q(`INSERT INTO operation (seq, `+operationColumns+`, hash) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING`),
		o.Seq, o.ID, millis(o.At), o.By, flag(o.Verified), o.Subject, o.What, o.Flow, o.Table, o.Run, o.Revision, o.Was, o.Reason, o.Detail, sum)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	last.seq, last.at, last.hash = o.Seq, millis(o.At), sum
	return nil
}

const operationColumns = `id, at, who, verified, subject, what, flow, tbl, run, revision, was, reason, detail`

func scanOperation(o *Operation, scan scanner, more ...any) error {
	var at int64
	var verified int
	err := scan(append([]any{&o.Seq, &o.ID, &at, &o.By, &verified, &o.Subject, &o.What, &o.Flow, &o.Table, &o.Run, &o.Revision, &o.Was, &o.Reason, &o.Detail}, more...)...)
	o.At, o.Verified = fromMillis(at), verified == 1
	return err
}

// Names of the ends of the chain.
const (
	chainFirst = "first" // the last row that was pruned
	chainLast  = "last"
)

// chainEnd reads an end of the chain. With lock nobody else moves it until the
// transaction ends.
func (l *Ledger) chainEnd(ctx context.Context, db queryer, name string, lock bool) (*chainEnd, error) {
	query := `SELECT seq, at, hash, proof FROM operation_chain WHERE name = ?`
	if lock && l.postgres {
		query += ` FOR UPDATE`
	}
	e := &chainEnd{name: name}
	if err := db.QueryRowContext(ctx, l.q(query), name).Scan(&e.seq, &e.at, &e.hash, &e.proof); err != nil {
		return nil, fmt.Errorf("the %s entry of the log: %w", name, err)
	}
	return e, nil
}

func (l *Ledger) moveChainEnd(ctx context.Context, tx txn, e *chainEnd) error {
	_, err := tx.ExecContext(ctx, l.q(`UPDATE operation_chain SET seq = ?, at = ?, hash = ?, proof = ? WHERE name = ?`), e.seq, e.at, e.hash, l.chain.Load().make(e.fields()...), e.name)
	return err
}

// pruneOperations bounds the operations that go at a time.
const pruneOperations = 500

// PruneOperations forgets the oldest operations, up to the first that is not from before
// the cutoff, a bounded number at a time, and returns how many went. What stays is
// chained to the last that went.
func (l *Ledger) PruneOperations(ctx context.Context, cutoff time.Time) (n int64, err error) {
	due, err := l.count(ctx, `SELECT count(*) FROM (SELECT 1 FROM operation WHERE at < ? LIMIT 1) one`, millis(cutoff))
	if err != nil || due == 0 {
		return 0, err
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		n = 0
		first, err := l.chainEnd(ctx, tx, chainFirst, true)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, l.q(`SELECT seq, at, hash FROM operation WHERE seq > ? ORDER BY seq LIMIT ?`), first.seq, pruneOperations)
		if err != nil {
			return err
		}
		oldest, err := collect(rows, func(e *chainEnd, scan scanner) error { return scan(&e.seq, &e.at, &e.hash) })
		if err != nil {
			return err
		}
		for _, e := range oldest {
			if e.at >= millis(cutoff) {
				break
			}
			first.seq, first.at, first.hash = e.seq, e.at, e.hash
			n++
		}
		if n == 0 {
			return nil
		}
		if err := l.moveChainEnd(ctx, tx, first); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, l.q(`DELETE FROM operation WHERE seq <= ?`), first.seq)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: forgetting operations: %w", err)
	}
	return n, nil
}

// Operation finds an operation by its id.
func (l *Ledger) Operation(ctx context.Context, id string) (o Operation, found bool, err error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT seq, `+operationColumns+` FROM operation WHERE id = ?`), id)
	if err != nil {
		return o, false, fmt.Errorf("ledger: finding an operation: %w", err)
	}
	all, err := collect(rows, func(o *Operation, scan scanner) error { return scanOperation(o, scan) })
	if err != nil || len(all) == 0 {
		return o, false, err
	}
	return all[0], true, nil
}

// Operations lists the newest operations that fit, the newest last.
func (l *Ledger) Operations(ctx context.Context, f OperationFilter) ([]Operation, error) {
	where, args := []string{"at >= ?"}, []any{millis(f.Since)}
	if f.Before != (OperationPlace{}) {
		where, args = append(where, "(at, seq) < (?, ?)"), append(args, millis(f.Before.At), f.Before.Seq)
	}
	for _, c := range []struct{ column, value string }{{"flow", f.Flow}, {"tbl", f.Table}, {"run", f.Run}, {"what", f.What}} {
		if c.value != "" {
			where, args = append(where, c.column+" = ?"), append(args, c.value)
		}
	}
	if f.Run != "" {
		where = append(where, "run <> ''") // so that the index by run serves: the log may be long, and a run is in few of its rows
	}
	if f.By != "" { // a verified name comes with its subject: "Ada <6f0c>"
		where = append(where, `(who = ? OR verified = 1 AND (subject = ? OR who = ? || ' <' || subject || '>'))`)
		args = append(args, f.By, f.By, f.By)
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT seq, `+operationColumns+` FROM operation
		WHERE `+strings.Join(where, " AND ")+` ORDER BY at DESC, seq DESC LIMIT ?`), append(args, limitOf(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing operations: %w", err)
	}
	out, err := collect(rows, func(o *Operation, scan scanner) error { return scanOperation(o, scan) })
	slices.Reverse(out)
	return out, err
}
