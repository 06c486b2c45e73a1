package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// PruneEvery is how often the ledger is asked to forget what is older than it is kept.
const PruneEvery = time.Hour

// requestsKept is how long a request for a second person stays after it has expired, so that
// whoever asked sees that it has. The log of operations says what became of it.
const requestsKept = 24 * time.Hour

// callsKept is how long it is known how many calls Campaign counted in an hour. Status looks
// back a day; a contract is of a year.
const callsKept = 400 * 24 * time.Hour

// Retention is how long the ledger keeps what has been done with, by kind.
type Retention struct {
	BeforeImages, ClosedQuarantine, Returned, Audits, Events, Evidence, Runs, Passes, Operations, Series, SeriesMinutes, ConfigSaves time.Duration
}

// Pruner has the ledger forget what is older than it is kept, a few rows at a time. It is
// no activity: also what no flow touches any more is forgotten. Several workers may prune
// one ledger.
type Pruner struct {
	Ledger    *ledger.Ledger
	Retention Retention
	Metrics   tally.Scope
	Logger    *slog.Logger
	// Rest waits between two steps; nil: as long as the step took, so that a flow has half of
	// the ledger's time at least.
	Rest func(ctx context.Context, step time.Duration)
}

// Run prunes now and every hour, until ctx ends.
func (p *Pruner) Run(ctx context.Context) {
	tick := time.NewTicker(PruneEvery)
	defer tick.Stop()
	for {
		if err := p.Prune(ctx, time.Now()); err != nil && ctx.Err() == nil {
			p.Logger.Warn("forgetting what the ledger has kept long enough", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Prune forgets all that was kept long enough at a time. One kind that fails does not keep
// the others.
func (p *Pruner) Prune(ctx context.Context, now time.Time) error {
	undoing, err := p.Ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowRollback, State: ledger.RunRunning})
	if err != nil {
		return err
	}
	var keep []string // a rollback at work needs their before-images
	for _, r := range undoing {
		keep = append(keep, activities.UndoneRun(r.ID))
	}
	l, r := p.Ledger, p.Retention
	var errs []error
	for _, kind := range []struct {
		name  string
		keep  time.Duration
		prune func(context.Context, time.Time) (int64, error)
	}{
		{"before_images", r.BeforeImages, func(ctx context.Context, cutoff time.Time) (int64, error) {
			return l.PruneBefores(ctx, cutoff, keep...)
		}},
		{"closed_quarantine", r.ClosedQuarantine, l.PruneQuarantine},
		{"returned", r.Returned, l.PruneReturned},
		{"audits", r.Audits, l.PruneAudits},
		{"events", r.Events, l.PruneEvents},
		{"evidence", r.Evidence, l.PruneOptOutDecisions},
		{"runs", r.Runs, l.PruneRuns},    // after before-images: a run that has some stays
		{"passes", r.Passes, l.FoldRuns}, // so that those that go need not be put together
		{"operations", r.Operations, l.PruneOperations},
		{"series_minutes", r.SeriesMinutes, l.FoldSeries}, // before the hours go that they become
		{"series", r.Series, l.PruneSeries},
		{"config_saves", r.ConfigSaves, l.PruneSaves},
		{"engine_calls", callsKept, l.PruneEngineCalls},
		{"requests", requestsKept, l.PruneAccessRequests},
	} {
		count := p.Metrics.Tagged(map[string]string{"kind": kind.name}).Counter("rows_pruned")
		count.Inc(0) // known from the start
		for {
			began := time.Now()
			n, err := kind.prune(ctx, now.Add(-kind.keep))
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", kind.name, err))
			}
			if n == 0 {
				break
			}
			count.Inc(n)
			p.rest(ctx, time.Since(began))
		}
	}
	return errors.Join(errs...)
}

func (p *Pruner) rest(ctx context.Context, step time.Duration) {
	if p.Rest != nil {
		p.Rest(ctx, step)
		return
	}
	pause := time.NewTimer(min(step, time.Second))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
}
