package egress

import (
	"context"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
)

// RefreshGauges shows what the ledger knows of the flow; lagAlarm is how old its
// position may be.
func (a *Activities) RefreshGauges(ctx context.Context, lagAlarm time.Duration) error {
	at, open, err := run.StandingOf(ctx, a.o.Ledger, activities.FlowEgress, activities.FlowEgress, "")
	if err != nil {
		return err
	}
	a.settledUpTo(at)
	a.metrics.lag(!at.IsZero() && time.Since(at) >= lagAlarm)
	a.metrics.quarantine.Update(float64(open))
	return nil
}
