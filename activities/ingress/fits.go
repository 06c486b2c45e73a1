package ingress

import (
	"context"

	"causeway.dev/activities"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/mapping"
)

// Fit compares a mapping with the definitions of its table and its resource. What does not
// fit is mapping.Problems.
func Fit(t activities.Table, e *dataverse.Entity, m *campaign.Metadata) (*mapping.Plan, error) {
	return mapping.Resolve(t, sourceSchema(e), targetSchema(resourceOf(t), m))
}

// ResourceOf is the resource of Campaign that a mapping writes.
func ResourceOf(t activities.Table) campaign.Resource { return resourceOf(t) }

// Drifted is what changed in the data models since a mapping ran last, as far as it
// matters to it; nothing when it never ran.
func (a *Activities) Drifted(ctx context.Context, plan *mapping.Plan) ([]string, error) {
	before, err := a.lastPlan(ctx, plan.Table.Name)
	if err != nil || before == nil {
		return nil, err
	}
	return mapping.Drift(before.plan, plan), nil
}

// ProbeKey looks whether the key of a mapping addresses records and is in no two of them.
// It compares a page of the records with a key, which costs two engine calls.
func (a *Activities) ProbeKey(ctx context.Context, plan *mapping.Plan, sortable bool) error {
	m := &tableMapper{plan: plan, resource: resourceOf(plan.Table), keySortable: sortable}
	return a.probeKeyOf(ctx, m, probeLines)
}
