package optout

import (
	"context"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
)

// RefreshGauges shows what the ledger knows of the flow.
func (a *Activities) RefreshGauges(ctx context.Context) error {
	at, open, err := run.StandingOf(ctx, a.o.Ledger, activities.FlowOptOut, activities.FlowOptOut, "")
	if err != nil {
		return err
	}
	a.settledUpTo(at)
	a.metrics.quarantine.Update(float64(open))
	return nil
}
