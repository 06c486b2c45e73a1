package ingress

import (
	"context"
	"errors"
	"fmt"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// CompareMapping says in words what a mapping says differently than the revision that
// runs, which the ledger keeps since its first start.
func (a *Activities) CompareMapping(ctx context.Context, in activities.CompareMappingInput) (*activities.CompareMappingResult, error) {
	out := &activities.CompareMappingResult{Revision: in.Table.Revision(), Runs: in.Revision, Differences: []activities.MappingDifference{}}
	doc, err := a.o.Ledger.Revision(ctx, in.Revision)
	if errors.Is(err, ledger.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := newTableMapper(doc)
	if err != nil {
		return nil, fmt.Errorf("mapping revision %s: %w", in.Revision, err)
	}
	out.Known = true
	out.Differences = append(out.Differences, mapping.Differences(m.plan.Table, in.Table)...)
	return out, nil
}
