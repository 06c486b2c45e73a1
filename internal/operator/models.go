package operator

import (
	"context"

	"causeway.dev/activities"
)

// ListModels lists what there is to map in both systems.
func (i *Instance) ListModels(ctx context.Context, in activities.ListModelsInput) (r activities.ListModelsResult, err error) {
	err = i.ask(ctx, i.Timeout, activities.ListModels, in, &r)
	return r, err
}

// DescribeMapping describes both sides of a mapping, on file or a draft, and says whether it
// fits them.
func (i *Instance) DescribeMapping(ctx context.Context, in activities.DescribeMappingInput) (r activities.DescribeMappingResult, err error) {
	err = i.ask(ctx, i.Timeout, activities.DescribeMapping, in, &r)
	return r, err
}

// Tried is what a mapping would send of one record, with its values if they were asked for.
type Tried struct {
	activities.TryMappingResult
	Sealed []byte                   `json:"sealed,omitempty"` // hides the other: it is opened here
	Values []activities.TriedValues `json:"values,omitempty"`
}

// TryMapping says what would be sent of one record by a mapping, on file or a draft. With
// reveal the worker seals the values to a key made for this one answer; reason says why.
func (i *Instance) TryMapping(ctx context.Context, draft activities.Table, id string, reveal bool, reason string) (*Tried, error) {
	in, out := activities.TryMappingInput{Table: draft, By: i.By}, &Tried{}
	var err error
	if in.ID, err = recordID("id", "record", id); err != nil {
		return nil, err
	}
	if !reveal {
		return out, i.ask(ctx, i.Timeout, activities.TryMapping, in, &out.TryMappingResult)
	}
	if in.Reason = reason; reason == "" {
		return nil, badInput("reason: say why you look at the values, such as the number of a request")
	}
	err = sealed(func(public, private *[32]byte) error {
		in.RevealTo = public[:]
		if err := i.ask(ctx, i.Timeout, activities.TryMapping, in, &out.TryMappingResult); err != nil {
			return err
		}
		out.Values, err = activities.RevealTried(out.TryMappingResult.Sealed, public, private)
		return unsealed(err)
	})
	return out, err
}

// PlanDraft is Plan of a mapping that need not be on file. It ends with the patience of who
// asks, not with the table: a plan of a large one is for the command line.
func (i *Instance) PlanDraft(ctx context.Context, draft activities.Table, in activities.PlanInput) (r activities.PlanResult, err error) {
	in.Table = draft
	err = i.ask(ctx, i.Timeout, activities.Plan, in, &r)
	return r, err
}
