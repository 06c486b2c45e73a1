package operator

import (
	"context"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
)

// Meter reads the engine calls of the last day from the ledger, and when credentials end.
func (a *Activities) Meter(ctx context.Context, _ activities.MeterInput) (*activities.MeterResult, error) {
	out := &activities.MeterResult{Hours: []activities.MeterCalls{}}
	if a.budget != nil {
		out.Budget = a.budget.PerHour()
	}
	if a.credentials != nil {
		out.Credentials = a.credentials()
	}
	sealing, err := a.ledger.Sealing(ctx)
	if err != nil {
		return nil, err
	}
	out.Ledger = sealingOf(sealing)
	erasures, err := a.ledger.Erasures(ctx)
	if err != nil {
		return nil, err
	}
	out.Erasures = erasuresOf(erasures)
	calls, err := a.ledger.EngineCalls(ctx, time.Now().Add(-24*time.Hour))
	for _, c := range calls {
		if n := len(out.Hours); n == 0 || !out.Hours[n-1].Hour.Equal(c.Hour) {
			out.Hours = append(out.Hours, activities.MeterCalls{Hour: c.Hour})
		}
		last := &out.Hours[len(out.Hours)-1]
		switch c.Kind {
		case budget.CallsOfChanges:
			last.Changes += c.Calls
		case budget.CallsOfLoads:
			last.Loads += c.Calls
		}
	}
	return out, err
}
