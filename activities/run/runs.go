package run

import (
	"context"
	"errors"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// StillOpen is the answer to an attempt to end a run with lanes to be written: the
// workflow writes them. nil when err is anything else.
func StillOpen(err error) *activities.SaveWatermarkResult {
	unfinished, ok := errors.AsType[*ledger.UnfinishedError](err)
	if !ok {
		return nil
	}
	out := &activities.SaveWatermarkResult{State: string(ledger.RunRunning)}
	for _, l := range unfinished.Lanes {
		out.Unfinished = append(out.Unfinished, activities.LaneRef{Page: l.Page, Lane: l.Lane, Size: l.Size})
	}
	return out
}

func EndRun(ctx context.Context, l *ledger.Ledger, in activities.EndRunInput, ended func(activities.Kind, ledger.RunState), drop func(context.Context, string) error) error {
	run, err := l.Run(ctx, in.Run)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil // it never began
	}
	if err != nil {
		return err
	}
	if run.State == ledger.RunCompleted || run.State == ledger.RunIncomplete {
		return nil
	}
	if err := l.SetRunState(ctx, in.Run, ledger.RunState(in.State), in.Reason); err != nil {
		return err
	}
	ended(in.Kind, ledger.RunState(in.State))
	if in.Drop {
		return drop(ctx, in.Run)
	}
	return nil
}

func FromLedger(c ledger.Counts) activities.Counts {
	return activities.Counts{Read: c.Read, Created: c.Created, Updated: c.Updated, Unchanged: c.Unchanged,
		Filtered: c.Filtered, Deleted: c.Deleted, Parked: c.Parked, Quarantined: c.Quarantined,
		Disabled: c.Disabled, SoftBounce: c.SoftBounce, SeedOrProof: c.SeedOrProof, NoContact: c.NoContact, Ignored: c.Ignored}
}

// CloseLost ends the runs that are open although nothing is at work, but for the one
// that goes on.
func CloseLost(ctx context.Context, l *ledger.Ledger, of ledger.RunFilter, goesOn string, drop func(context.Context, string) error) error {
	of.State = ledger.RunRunning
	lost, err := l.Runs(ctx, of)
	if err != nil {
		return err
	}
	for _, run := range lost {
		if run.ID == goesOn {
			continue
		}
		if err := l.SetRunState(ctx, run.ID, ledger.RunFailed, "its workflow was ended from outside, and did not close it"); err != nil {
			return err
		}
		if err := drop(ctx, run.ID); err != nil {
			return err
		}
	}
	return nil
}

// StandingOf is the time of a flow's watermark, zero while there is none, and how
// many records of it are in quarantine.
func StandingOf(ctx context.Context, l *ledger.Ledger, flow, watermark, table string) (at time.Time, open int64, err error) {
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

func RunsEnded(scope tally.Scope, kind activities.Kind, state ledger.RunState) tally.Counter {
	return scope.Tagged(map[string]string{"kind": string(kind), "state": string(state)}).Counter("runs_ended")
}

// ExpectRuns shows runs that end badly at 0 before the first does: Prometheus
// sees no increase in a counter that begins with 1.
func ExpectRuns(scope tally.Scope) {
	for _, kind := range []activities.Kind{activities.KindInitial, activities.KindBackfill, activities.KindDelta, activities.KindAudit, activities.KindRelease, activities.KindRollback} {
		for _, state := range []ledger.RunState{ledger.RunFailed, ledger.RunIncomplete} {
			RunsEnded(scope, kind, state)
		}
	}
}

// PruneEvery is how often before-images are looked through for old ones.
const PruneEvery = time.Hour
