package activities

import (
	"context"
	"errors"
	"time"

	"causeway.dev/internal/ledger"
)

// Each set of activities shows what the ledger has the values of. Its flow sets these
// gauges as it goes; but a worker that was just started, or whose fellow did the last
// piece of work, would show nothing or what was.

// RefreshGauges shows what the ledger knows of a table. The time of a watermark in
// the ledger is up to a minute older than what was looked at.
func (a *Ingress) RefreshGauges(ctx context.Context, table string) error {
	at, open, err := standingOf(ctx, a.o.Ledger, FlowIngress, table, table)
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

// RefreshGauges shows what the ledger knows of the flow; lagAlarm is how old its
// position may be.
func (a *Egress) RefreshGauges(ctx context.Context, lagAlarm time.Duration) error {
	at, open, err := standingOf(ctx, a.o.Ledger, FlowEgress, FlowEgress, "")
	if err != nil {
		return err
	}
	a.settledUpTo(at)
	a.metrics.lag(!at.IsZero() && time.Since(at) >= lagAlarm)
	a.metrics.quarantine.Update(float64(open))
	return nil
}

// RefreshGauges shows what the ledger knows of the flow.
func (a *OptOut) RefreshGauges(ctx context.Context) error {
	at, open, err := standingOf(ctx, a.o.Ledger, FlowOptOut, FlowOptOut, "")
	if err != nil {
		return err
	}
	a.settledUpTo(at)
	a.metrics.quarantine.Update(float64(open))
	return nil
}

// standingOf is the time of a flow's watermark, zero while there is none, and how
// many records of it are in quarantine.
func standingOf(ctx context.Context, l *ledger.Ledger, flow, watermark, table string) (at time.Time, open int64, err error) {
	mark, err := l.Watermark(ctx, flow, watermark)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return at, 0, err
	}
	if err == nil {
		at = mark.ObtainedAt
	}
	open, err = l.QuarantineCount(ctx, flow, table)
	return at, open, err
}
