package ingress

import (
	"context"
	"fmt"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
)

// CheckNamed says which of some records Dynamics lists, before a backfill reads them. It
// reads nothing of them but their ids, some hundred in a request. One that is left out is
// gone or hidden; which of the two, the backfill finds out.
func (a *Activities) CheckNamed(ctx context.Context, in activities.CheckNamedInput) (*activities.CheckNamedResult, error) {
	if n := len(in.IDs); n == 0 || n > activities.MostNamed {
		return nil, run.Blocked("BadInput", fmt.Sprintf("ids: got %d, want 1 to %d", n, activities.MostNamed))
	}
	m, err := a.resolveOnce(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	q := m.query
	q.Select, q.Labels = []string{q.KeyColumn}, false
	page, err := a.o.Source.ByIDs(ctx, q, in.IDs)
	if err != nil {
		return nil, fmt.Errorf("asking Dynamics for records by their ids: %w", err)
	}
	listed := make(map[string]bool, len(page.Changes))
	for i := range page.Changes {
		listed[page.Changes[i].Key] = true
	}
	out := &activities.CheckNamedResult{}
	for _, id := range in.IDs {
		if listed[id] {
			out.Found++
		} else {
			out.NotFound = append(out.NotFound, id)
		}
	}
	return out, nil
}
