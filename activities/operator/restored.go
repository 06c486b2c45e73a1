package operator

import (
	"context"
	"crypto/rand"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// MarkRestored keeps that somebody says that the ledger was restored, or Temporal. Every
// flow learns of it when it next looks into the ledger, one that is stopped or does not
// exist yet at its start. Deletes wait from now on.
func (a *Activities) MarkRestored(ctx context.Context, in activities.MarkRestoredInput) (*activities.MarkRestoredResult, error) {
	by := in.By
	if by == "" {
		by = "an operator"
	}
	type named struct{ flow, table string }
	var flows []named
	for _, table := range in.Tables {
		flows = append(flows, named{activities.FlowIngress, table})
	}
	if in.Egress {
		flows = append(flows, named{activities.FlowEgress, activities.FlowEgress})
	}
	if in.OptOut {
		flows = append(flows, named{activities.FlowOptOut, activities.FlowOptOut})
	}
	if err := a.ledger.SearchErased(ctx); err != nil {
		return nil, err
	}
	out := &activities.MarkRestoredResult{Flows: []string{}}
	for _, f := range flows {
		if err := run.MarkRestored(ctx, a.ledger, f.flow, f.table, by+" says that the ledger was restored"); err != nil {
			return nil, err
		}
		out.Flows = append(out.Flows, f.table)
	}
	_, err := run.Log(ctx, a.ledger, ledger.Operation{ID: "restored/" + rand.Text(), At: time.Now().UTC(), By: in.By, What: activities.OpRestored, Flow: activities.FlowIngress})
	return out, err
}
