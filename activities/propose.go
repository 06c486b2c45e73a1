package activities

import (
	"context"
	"fmt"

	"causeway.dev/internal/campaign"
	"causeway.dev/internal/mapping"
)

// ProposeInput names the two tables to pair.
type ProposeInput struct {
	Name     string `json:"name"`          // of the mapping
	Table    string `json:"table"`         // in Dynamics
	API      string `json:"api,omitempty"` // of Campaign
	Resource string `json:"resource"`
}

// ProposeResult is a mapping to look at.
type ProposeResult struct {
	Proposal *mapping.Proposal `json:"proposal"`
	YAML     string            `json:"yaml"` // to stand under ingress.tables
}

// ProposeMapping reads both data models and pairs what belongs together.
func (a *Ingress) ProposeMapping(ctx context.Context, in ProposeInput) (*ProposeResult, error) {
	if in.API == "" {
		in.API = mapping.DefaultAPI
	}
	entity, err := a.o.Source.Entity(ctx, in.Table)
	if err != nil {
		return nil, toTemporal(ctx, fmt.Errorf("reading the definition of %s in Dynamics: %w", in.Table, err))
	}
	resource := campaign.Resource{API: in.API, Name: in.Resource}
	metadata, err := a.o.Target.Metadata(ctx, resource)
	if err != nil {
		return nil, toTemporal(ctx, fmt.Errorf("reading the definition of %s in Campaign: %w", in.Resource, err))
	}
	p := mapping.Propose(in.Name, sourceSchema(entity), targetSchema(resource, metadata))
	return &ProposeResult{Proposal: p, YAML: string(p.YAML())}, nil
}
