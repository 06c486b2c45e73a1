package optout

import (
	"context"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
)

// RefreshGauges sets the gauges of the flow from the ledger.
func (a *Activities) RefreshGauges(ctx context.Context) error {
	at, open, err := run.WatermarkAndQuarantine(ctx, a.o.Ledger, activities.FlowOptOut, activities.FlowOptOut, "")
	if err != nil {
		return err
	}
	a.models.Show(activities.FlowOptOut)
	a.showWatermark(at)
	a.metrics.quarantine.Update(float64(open))
	carried, err := CarriedUpTo(ctx, a.o.Ledger)
	if err != nil {
		return err
	}
	if !carried.IsZero() {
		a.metrics.carried.Update(float64(carried.Unix()))
	}
	a.metrics.deadline.Update(a.o.Deadline.Seconds())
	return run.ShowRestored(ctx, a.o.Ledger, activities.FlowOptOut, activities.FlowOptOut, a.metrics.restored)
}
