package operator

import (
	"context"

	"causeway.dev/activities"
)

// Series asks a worker for what a chart of a flow shows; of all flows with name "".
func (i *Instance) Series(ctx context.Context, name string, in activities.SeriesInput) (activities.SeriesResult, error) {
	switch name {
	case "":
	case activities.FlowEgress, activities.FlowOptOut:
		in.Flow, in.Table = name, name
	default:
		in.Flow, in.Table = activities.FlowIngress, name
	}
	var out activities.SeriesResult
	err := i.ask(ctx, min(i.Timeout, ledgerWithin), activities.Series, in, &out)
	return out, err
}
