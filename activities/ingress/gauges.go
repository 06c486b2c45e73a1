package ingress

import (
	"context"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
)

// Each set of activities shows what the ledger has the values of. Its flow sets these
// gauges as it goes; but a worker that was just started, or whose fellow did the last
// piece of work, would show nothing or what was.

// RefreshGauges shows what the ledger knows of a table. The time of a watermark in
// the ledger is up to a minute older than what was looked at.
func (a *Activities) RefreshGauges(ctx context.Context, table string) error {
	at, open, err := run.StandingOf(ctx, a.o.Ledger, activities.FlowIngress, table, table)
	if err != nil {
		return err
	}
	metrics := a.metrics.of(table)
	if !at.IsZero() {
		metrics.settledUpTo(at)
	}
	metrics.quarantined.Update(float64(open))
	_, err = a.approvals(ctx, table)
	return err
}
