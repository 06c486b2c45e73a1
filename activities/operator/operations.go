package operator

import (
	"context"
	"fmt"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// LogOperation adds to the audit trail. An entry that is in it already stays as it is.
func (a *Activities) LogOperation(ctx context.Context, in activities.LogInput) error {
	operations := make([]ledger.Operation, 0, len(in.Operations))
	for _, o := range in.Operations {
		if o.ID == "" || o.What == "" {
			return run.Blocked("BadInput", "an operation needs an id and what was asked for")
		}
		operations = append(operations, ledger.Operation(o))
	}
	return a.ledger.Log(ctx, operations...)
}

// Acknowledge enters into the audit trail that somebody has acknowledged a text. Whoever may
// look may do that, so it is an activity of its own. The first time counts.
func (a *Activities) Acknowledge(ctx context.Context, in activities.AcknowledgeInput) error {
	if in.Text == "" || in.By == "" {
		return run.Blocked("BadInput", "an acknowledgement needs a text, and who acknowledges it")
	}
	return a.LogOperation(ctx, activities.LogInput{Operations: []activities.Operation{{
		ID: activities.OpAcknowledge + "/" + in.Text + "/" + in.By, At: in.At, By: in.By, What: activities.OpAcknowledge, Flow: "console", Detail: in.Text,
	}}})
}

// ListOperations reads the audit trail.
func (a *Activities) ListOperations(ctx context.Context, in activities.OperationsInput) (*activities.OperationsResult, error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return nil, run.Blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 1000", in.Limit))
	}
	kept, err := a.ledger.Operations(ctx, ledger.OperationFilter{
		Flow: in.Flow, Table: in.Table, Run: in.Run, By: in.By, What: in.What, Since: in.Since, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &activities.OperationsResult{Operations: make([]activities.Operation, 0, len(kept))}
	for _, o := range kept {
		out.Operations = append(out.Operations, activities.Operation(o))
	}
	return out, nil
}
