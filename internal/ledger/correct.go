package ledger

import (
	"bytes"
	"context"
)

// correct is Correct for the keys above from, up to to.
func (l *Ledger) correct(ctx context.Context, table, from, to string) (n int64, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		n = 0
		found, err := l.unapplied(ctx, tx, table, from, to)
		if err != nil {
			return err
		}
		if err := correctChanged.run(ctx, l, tx, nil, len(found.changed), func(args []any, i int) []any {
			c := &found.changed[i]
			return append(args, table, c.Key, c.Payload, c.Fingerprint)
		}); err != nil {
			return err
		}
		if err := correctMissing.run(ctx, l, tx, []any{table}, len(found.missing), func(args []any, i int) []any {
			return append(args, found.missing[i])
		}); err != nil {
			return err
		}
		if err := unlink.run(ctx, l, tx, []any{table}, len(found.missing), func(args []any, i int) []any {
			return append(args, found.missing[i])
		}); err != nil {
			return err
		}
		n = int64(len(found.changed) + len(found.missing))
		_, err = tx.ExecContext(ctx, l.q(`UPDATE audit SET expected = NULL WHERE tbl = ? AND key > ? AND key <= ? AND finding <> '' AND expected IS NOT NULL`), table, from, to)
		return err
	})
	return n, err
}

// A record that is in the table gets what the audit saw: the other columns stay.
var correctChanged = newBulk(0, `INSERT INTO record (tbl, key, payload, fingerprint, version, target_key, state, run, created_run, seen_run) VALUES `,
	`({},{},{},{},'','','','','','')`, ` ON CONFLICT (tbl, key) DO UPDATE SET payload = excluded.payload, fingerprint = excluded.fingerprint`)

var correctMissing = newBulk(1, `UPDATE record SET payload = NULL, fingerprint = NULL, state = CASE state WHEN 'written' THEN 'lost' ELSE state END
	WHERE tbl = {1} AND key IN (`, `{}`, `)`)

// unapplied is what an audit found of records that were not written since.
type unapplied struct {
	changed []Observation // sealed for the table of records
	missing []string
}

func (l *Ledger) unapplied(ctx context.Context, tx txn, table, from, to string) (*unapplied, error) {
	lock := ""
	if l.postgres {
		lock = ` FOR UPDATE OF r`
	}
	rows, err := tx.QueryContext(ctx, l.q(`SELECT a.key, a.finding, a.payload, a.fingerprint, a.expected, r.fingerprint FROM audit a JOIN record r ON r.tbl = a.tbl AND r.key = a.key
		WHERE a.tbl = ? AND a.key > ? AND a.key <= ? AND a.finding IN ('changed', 'missing') AND a.finding <> '' AND a.expected IS NOT NULL ORDER BY a.key`+lock), table, from, to)
	if err != nil {
		return nil, err
	}
	type finding struct {
		Observation
		now []byte
	}
	found, err := collect(rows, func(f *finding, scan scanner) error {
		return scan(&f.Key, &f.Finding, &f.Payload, &f.Fingerprint, &f.Expected, &f.now)
	})
	if err != nil {
		return nil, err
	}
	out := &unapplied{}
	for i := range found {
		o := &found[i].Observation
		// One of the two may be from before there was a key.
		if found[i].now == nil || !bytes.Equal(l.seal.print(o.Expected), l.seal.print(found[i].now)) {
			continue
		}
		if o.Finding == Missing {
			out.missing = append(out.missing, o.Key)
			continue
		}
		payload, print, err := l.seal.openWith(o.Payload, o.Fingerprint, at(auditPayload, table, o.Key))
		if err != nil {
			return nil, err
		}
		if o.Payload, err = l.seal.closeWith(payload, print, at(recordPayload, table, o.Key)); err != nil {
			return nil, err
		}
		o.Fingerprint = l.seal.print(print)
		out.changed = append(out.changed, *o)
	}
	return out, nil
}
