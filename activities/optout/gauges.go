package optout

import (
	"context"
	"errors"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// RefreshGauges sets the gauges of the flow from the ledger.
func (a *Activities) RefreshGauges(ctx context.Context) error {
	at, open, err := run.WatermarkAndQuarantine(ctx, a.o.Ledger, activities.FlowOptOut, activities.FlowOptOut, "")
	if err != nil {
		return err
	}
	told := errors.Join(a.models.Show(ctx, activities.FlowOptOut), a.metrics.badFiles.Show(ctx), a.metrics.newestFile.Show(ctx), a.metrics.exportDown.Show(ctx))
	if told != nil {
		return told
	}
	waiting, err := a.o.Ledger.OptOutsWaiting(ctx, ledger.WaitsForProfile)
	if err != nil {
		return err
	}
	a.metrics.waiting.Update(float64(waiting))
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
