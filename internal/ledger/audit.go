package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Finding is what an audit found out about a record.
type Finding string

const (
	AsWritten Finding = ""        // the target holds what was last written
	Changed   Finding = "changed" // the target holds something else in mapped fields
	Missing   Finding = "missing" // the target does not hold it any more
	Stray     Finding = "stray"   // the target holds it, and not from us
	// Duplicate is a record whose key is that of one of ours in another spelling.
	Duplicate Finding = "duplicate"
)

// Observation is what an audit saw of one record in the target.
type Observation struct {
	Key         string
	Finding     Finding
	Fields      []string // Changed: the fields that differ
	Payload     []byte   // Changed: what the target holds
	Fingerprint []byte   // of Payload
	Expected    []byte   // fingerprint of what was last written, when it was looked at; AuditFindings returns it as it is kept
}

var putObservations = newBulk(2, `INSERT INTO audit (run, tbl, key, finding, fields, payload, fingerprint, expected) VALUES `, `({1},{2},{},{},{},{},{},{})`,
	` ON CONFLICT (tbl, key) DO UPDATE SET run = excluded.run, finding = excluded.finding, fields = excluded.fields,
	payload = excluded.payload, fingerprint = excluded.fingerprint, expected = excluded.expected`)

// SaveObservations keeps what an audit saw; a later one of a key replaces an earlier one.
func (l *Ledger) SaveObservations(ctx context.Context, table, run string, seen []Observation) error {
	seen = lastOf(slices.Clone(seen), func(n Observation) string { return n.Key })
	sealed := make([][]byte, len(seen))
	var err error
	for i := range seen {
		if sealed[i], err = l.seal.closeWith(seen[i].Payload, seen[i].Fingerprint, at(auditPayload, table, seen[i].Key)); err != nil {
			return fmt.Errorf("ledger: keeping what audit %s saw: %w", run, err)
		}
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		return putObservations.run(ctx, l, tx, []any{run, table}, len(seen), func(args []any, i int) []any {
			n := &seen[i]
			return append(args, n.Key, string(n.Finding), strings.Join(n.Fields, " "), sealed[i], l.seal.print(n.Fingerprint), l.seal.print(n.Expected))
		})
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping what audit %[2]s saw of %[1]d records: %[3]w", len(seen), run, err)
	}
	return nil
}

// Unaudited lists keys that the target should hold and run has not looked at, in key
// order behind after; at most limit, 1,000 when 0.
func (l *Ledger) Unaudited(ctx context.Context, table, run, after string, limit int) ([]string, error) {
	out, err := l.recordKeys(ctx, `payload IS NOT NULL AND NOT EXISTS (SELECT 1 FROM audit WHERE audit.tbl = record.tbl AND audit.key = record.key AND audit.run = ?)`,
		table, run, after, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("ledger: listing what audit %s has not seen: %w", run, err)
	}
	return out, nil
}

// AuditFindings lists the findings of an audit by key, behind after; at most
// limit, 1,000 when 0.
func (l *Ledger) AuditFindings(ctx context.Context, table, run, after string, limit int) ([]Observation, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, finding, fields, payload, fingerprint, expected FROM audit
		WHERE tbl = ? AND run = ? AND finding <> '' AND key > ? ORDER BY key LIMIT ?`), table, run, after, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("ledger: listing the findings of audit %s: %w", run, err)
	}
	return collect(rows, func(n *Observation, scan scanner) error {
		var fields string
		if err := scan(&n.Key, &n.Finding, &fields, &n.Payload, &n.Fingerprint, &n.Expected); err != nil {
			return err
		}
		n.Fields = strings.Fields(fields)
		var err error
		n.Payload, n.Fingerprint, err = l.seal.openWith(n.Payload, n.Fingerprint, at(auditPayload, table, n.Key))
		return err
	})
}

// EndAudit forgets observations that are no findings, strays that the ledger knows
// by now, and what earlier audits found. Findings stay until the next audit of the
// table has ended, because a repair may still have to act on them.
func (l *Ledger) EndAudit(ctx context.Context, table, run string) error {
	err := l.walk(ctx, stretchOfAudit, []any{table}, "", func(from, to string) error {
		return l.write(ctx, func(ctx context.Context, tx txn) error {
			_, err := tx.ExecContext(ctx, l.q(`DELETE FROM audit WHERE tbl = ? AND key > ? AND key <= ? AND (run <> ? OR finding = '' OR finding = ?
				AND EXISTS (SELECT 1 FROM record WHERE record.tbl = audit.tbl AND record.key = audit.key AND record.payload IS NOT NULL))`), table, from, to, run, string(Stray))
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("ledger: ending audit %s: %w", run, err)
	}
	return nil
}

// Correct makes the ledger agree with what an audit saw in the target, for every
// record that was not written since, and returns how many that were. It takes the
// newest observation of a record, also of an audit that is still at work, and acts
// on each once; one that fails half-way goes on where it was. Nobody else may write the
// table meanwhile.
func (l *Ledger) Correct(ctx context.Context, table string) (n int64, err error) {
	err = l.walk(ctx, stretchOfFindings, []any{table}, "", func(from, to string) error {
		corrected, err := l.correct(ctx, table, from, to)
		n += corrected
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: correcting %s by what an audit saw: %w", table, err)
	}
	return n, nil
}
