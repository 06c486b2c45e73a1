package ingress

import (
	"context"
	"fmt"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/mapping"
)

// ProposeMapping reads both data models and pairs the fields that belong together.
func (a *Activities) ProposeMapping(ctx context.Context, in activities.ProposeInput) (*activities.ProposeResult, error) {
	if in.API == "" {
		in.API = mapping.DefaultAPI
	}
	entity, err := a.o.Source.Entity(ctx, in.Table)
	if err != nil {
		return nil, run.ToTemporal(ctx, fmt.Errorf("reading the definition of %s in Dynamics: %w", in.Table, err))
	}
	resource := campaign.Resource{API: in.API, Name: in.Resource}
	metadata, err := a.o.Target.Metadata(ctx, resource)
	if err != nil {
		return nil, run.ToTemporal(ctx, fmt.Errorf("reading the definition of %s in Campaign: %w", in.Resource, err))
	}
	p := mapping.Propose(in.Name, sourceSchema(entity), targetSchema(resource, metadata))
	return &activities.ProposeResult{Proposal: p, YAML: string(p.YAML())}, nil
}
