package ingress

import (
	"context"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
)

// The activities set gauges while they work. A worker that was just started would show
// nothing, and one whose fellow did the last work would show old values. Therefore
// worker/host refreshes the gauges of every flow from the ledger: within half a minute all
// workers show the same, whichever did the work.

// RefreshGauges sets the gauges of a table from the ledger. The watermark there is up to
// a minute older than the last poll.
func (a *Activities) RefreshGauges(ctx context.Context, table string) error {
	at, open, err := run.WatermarkAndQuarantine(ctx, a.o.Ledger, activities.FlowIngress, table, table)
	if err != nil {
		return err
	}
	if err := a.models.Show(ctx, table); err != nil {
		return err
	}
	metrics := a.metrics.of(table)
	if !at.IsZero() {
		metrics.showWatermark(at)
	}
	metrics.quarantined.Update(float64(open))
	if err := run.ShowRestored(ctx, a.o.Ledger, activities.FlowIngress, table, metrics.restored); err != nil {
		return err
	}
	lost, err := a.o.Ledger.LostCount(ctx, table)
	if err != nil {
		return err
	}
	metrics.erased.Update(float64(lost))
	if _, err = a.approvals(ctx, table); err != nil {
		return err
	}
	_, err = a.returned(ctx, table)
	return err
}
