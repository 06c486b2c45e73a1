package ledger

import (
	"context"
	"fmt"
	"slices"
)

var putOwed = newBulk(1, `INSERT INTO optout_owed (at, contact, attribute, loser) VALUES `, `({1},{},{},{})`, ` ON CONFLICT DO NOTHING`)

func owedKey(o *OwedOptOut) string { return o.Contact + " " + o.Attribute }

func (l *Ledger) putOwed(ctx context.Context, tx txn, now int64, owed []*OwedOptOut) error {
	return putOwed.run(ctx, l, tx, []any{now}, len(owed), func(args []any, i int) []any {
		return append(args, owed[i].Contact, owed[i].Attribute, owed[i].Loser)
	})
}

// OweOptOuts keeps that contacts have opt-outs from those that were merged into them.
// What is owed already stays as it is.
func (l *Ledger) OweOptOuts(ctx context.Context, owed []OwedOptOut) error {
	rows := make([]*OwedOptOut, len(owed))
	for i := range owed {
		rows[i] = &owed[i]
	}
	rows = firstOf(rows, owedKey)
	err := l.write(ctx, func(ctx context.Context, tx txn) error { return l.putOwed(ctx, tx, l.now().UnixMilli(), rows) })
	if err != nil {
		return fmt.Errorf("ledger: keeping %d opt-outs of merged contacts: %w", len(owed), err)
	}
	return nil
}

// OwedOptOuts returns the attributes that are owed to contacts, by contact.
func (l *Ledger) OwedOptOuts(ctx context.Context, contacts []string) (map[string][]string, error) {
	out := map[string][]string{}
	for chunk := range slices.Chunk(contacts, lookupChunk) {
		in, args := l.in(chunk)
		rows, err := l.db.QueryContext(ctx, l.q(`SELECT contact, attribute, loser FROM optout_owed WHERE contact `+in+` ORDER BY contact, attribute`), args...)
		if err != nil {
			return nil, fmt.Errorf("ledger: looking up opt-outs of merged contacts: %w", err)
		}
		found, err := collect(rows, func(o *OwedOptOut, scan scanner) error { return scan(&o.Contact, &o.Attribute, &o.Loser) })
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			out[o.Contact] = append(out[o.Contact], o.Attribute)
		}
	}
	return out, nil
}

// owedContacts lists the contacts to whom one of attributes is owed.
func (l *Ledger) owedContacts(ctx context.Context, attributes []string, limit int) ([]string, error) {
	var out []string
	for _, attribute := range attributes {
		rows, err := l.db.QueryContext(ctx, l.q(`SELECT contact FROM optout_owed WHERE attribute = ? ORDER BY contact LIMIT ?`), attribute, limitOf(limit))
		if err != nil {
			return nil, fmt.Errorf("ledger: listing contacts that have opt-outs of merged ones: %w", err)
		}
		found, err := collect(rows, func(s *string, scan scanner) error { return scan(s) })
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), limitOf(limit))], nil
}

// ForgetOwedOptOuts drops attributes that were owed to a contact and that both systems
// hold now, as far as anybody keeps them in step.
func (l *Ledger) ForgetOwedOptOuts(ctx context.Context, contact string, attributes []string) error {
	if len(attributes) == 0 {
		return nil
	}
	in, args := l.in(attributes)
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		_, err := tx.ExecContext(ctx, l.q(`DELETE FROM optout_owed WHERE attribute `+in+` AND contact = ?`), append(args, contact)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: dropping opt-outs of merged contacts: %w", err)
	}
	return nil
}
