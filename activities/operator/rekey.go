package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// RekeyLedger has the workers seal the ledger anew. Without a key nothing is begun, and the
// answer names none.
func (a *Activities) RekeyLedger(ctx context.Context, in activities.RekeyLedgerInput) (*activities.LedgerSealing, error) {
	s, err := a.ledger.AskRekey(ctx)
	if errors.Is(err, ledger.ErrNoKey) {
		return &activities.LedgerSealing{}, nil
	}
	if err != nil {
		return nil, err
	}
	_, err = run.Log(ctx, a.ledger, ledger.Operation{ID: "rekey/" + rand.Text(), At: time.Now().UTC(), By: in.By, What: activities.OpRekey, Flow: activities.FlowIngress, Detail: "with key " + s.Key})
	return sealingOf(s), err
}

func sealingOf(s *ledger.Sealing) *activities.LedgerSealing {
	out := &activities.LedgerSealing{Key: s.Key, OlderKeys: s.OlderKey, Whole: s.Whole, Remains: s.Remains}
	if r := s.Rekey; r != nil {
		out.Rekey = &activities.LedgerRekey{Asked: r.Asked, Ended: r.Ended, Column: r.Column, Columns: r.Columns(), Looked: r.Looked, Sealed: r.Sealed, Problem: r.Problem}
	}
	return out
}
