package operator

import (
	"context"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
)

// Meter reads the engine calls of the last day from the ledger, and when credentials end.
func (a *Activities) Meter(ctx context.Context, _ activities.MeterInput) (*activities.MeterResult, error) {
	out := &activities.MeterResult{Config: a.digests}
	if a.budget != nil {
		out.Budget = a.budget.PerHour()
	}
	if a.credentials != nil {
		out.Credentials = a.credentials()
	}
	if a.odd != nil {
		out.OddAnswers = a.odd()
	}
	if a.notified != nil {
		state, err := a.notified(ctx)
		if err != nil {
			return nil, err
		}
		out.Notify = state
	}
	if a.logExport != nil {
		state, err := a.logExport(ctx)
		if err != nil {
			return nil, err
		}
		out.LogExport = state
	}
	if a.pushes != nil {
		states, err := a.pushes(ctx)
		if err != nil {
			return nil, err
		}
		out.Pushes = states
	}
	if a.doctor != nil {
		found, err := a.doctor(ctx)
		if err != nil {
			return nil, err
		}
		out.Doctor = found.NotWell()
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
	if out.Backup, err = BackupState(ctx, a.ledger, a.backups); err != nil {
		return nil, err
	}
	workers, err := a.ledger.WorkerShares(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range workers {
		out.Workers = append(out.Workers, activities.WorkerState{Name: w.Name, Since: w.Since, Lanes: w.Lanes, Shares: w.Held})
	}
	out.Hours, err = a.calls(ctx, time.Now().Add(-24*time.Hour))
	return out, err
}

// calls are the engine calls from an hour on, by the hour.
func (a *Activities) calls(ctx context.Context, since time.Time) ([]activities.MeterCalls, error) {
	hours := []activities.MeterCalls{}
	calls, err := a.ledger.EngineCalls(ctx, since)
	for _, c := range calls {
		if n := len(hours); n == 0 || !hours[n-1].Hour.Equal(c.Hour) {
			hours = append(hours, activities.MeterCalls{Hour: c.Hour})
		}
		last := &hours[len(hours)-1]
		switch c.Kind {
		case budget.CallsOfChanges:
			last.Changes += c.Calls
		case budget.CallsOfLoads:
			last.Loads += c.Calls
		}
	}
	return hours, err
}
