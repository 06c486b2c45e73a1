package operator

import (
	"context"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// Totals reads what each flow did so far from the ledger.
func (a *Activities) Totals(ctx context.Context, _ activities.TotalsInput) (*activities.TotalsResult, error) {
	totals, err := a.ledger.Totals(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	out := &activities.TotalsResult{Flows: []activities.FlowTotals{}}
	for _, t := range totals {
		if t.Flow == activities.FlowRollback || t.Flow == activities.FlowAudit {
			continue // the run that a rollback undoes has counted, and an audit changes nothing
		}
		one := activities.FlowTotals{Flow: t.Flow, Table: t.Table, Runs: t.Runs, Counts: run.CountsOf(t.Counts)}
		if one.Quarantined, err = a.ledger.QuarantineCount(ctx, t.Flow, t.Table); err != nil {
			return nil, err
		}
		lately, err := a.ledger.Series(ctx, ledger.SeriesFilter{Flow: t.Flow, Table: t.Table, From: now.Add(-time.Hour), To: now, Step: time.Hour})
		if err != nil {
			return nil, err
		}
		for _, p := range lately {
			one.RefusedLately += p.Counts.Quarantined
		}
		if t.Flow == activities.FlowIngress {
			if one.Parked, err = a.ledger.ParkedCount(ctx, t.Table); err != nil {
				return nil, err
			}
		}
		if t.Flow == activities.FlowOptOut && a.carriedUpTo != nil {
			if one.CarriedUpTo, err = a.carriedUpTo(ctx); err != nil {
				return nil, err
			}
		}
		out.Flows = append(out.Flows, one)
	}
	looked, found, err := a.ledger.Operation(ctx, activities.AcknowledgedOnce(activities.TextTypology))
	if found {
		out.Typology = (*activities.Operation)(&looked)
	}
	return out, err
}
