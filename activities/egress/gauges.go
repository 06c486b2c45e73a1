package egress

import (
	"context"
	"errors"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
)

// RefreshGauges sets the gauges of the flow from the ledger. lagAlarm is the age of the
// position from which on the alarm is raised.
func (a *Activities) RefreshGauges(ctx context.Context, lagAlarm time.Duration) error {
	at, open, err := run.WatermarkAndQuarantine(ctx, a.o.Ledger, activities.FlowEgress, activities.FlowEgress, "")
	if err != nil {
		return err
	}
	if err := errors.Join(a.models.Show(ctx, activities.FlowEgress), a.metrics.badFiles.Show(ctx), a.metrics.newest.Show(ctx)); err != nil {
		return err
	}
	a.showWatermark(at)
	a.metrics.showLag(!at.IsZero() && time.Since(at) >= lagAlarm)
	a.metrics.quarantine.Update(float64(open))
	return run.ShowRestored(ctx, a.o.Ledger, activities.FlowEgress, activities.FlowEgress, a.metrics.restored)
}
