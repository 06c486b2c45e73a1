package operator

import (
	"context"
	"fmt"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
)

// ListDeletes lists the deletes that wait for an operator, by record.
func (a *Activities) ListDeletes(ctx context.Context, in activities.DeleteListInput) (*activities.DeleteListResult, error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > 10_000 {
		return nil, run.Blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 10000", in.Limit))
	}
	held, total, err := a.ledger.HeldDeletes(ctx, in.Table, in.Run, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &activities.DeleteListResult{Total: total, Deletes: make([]activities.WaitingDelete, 0, len(held))}
	for _, d := range held {
		why := activities.DeleteFiltered
		if d.Gone {
			why = activities.DeleteGone
		}
		out.Deletes = append(out.Deletes, activities.WaitingDelete{Table: d.Table, ID: d.Key, Run: d.Run, Why: why, Since: d.Since})
	}
	return out, nil
}
