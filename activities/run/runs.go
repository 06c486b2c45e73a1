package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// SavePositionEvery is how often the position is saved while a flow waits and nothing
// changes. A restart goes back no further.
const SavePositionEvery = time.Minute

// CheckInstance refuses work of another instance, because its records would be mixed
// with ours.
func CheckInstance(instance, workflowID string) error {
	if instance == "" || strings.HasPrefix(workflowID, instance+"/") {
		return nil
	}
	return Blocked(apierr.ReasonConfig, fmt.Sprintf(
		"workflow %s reached a worker of instance %s; give each instance a Temporal namespace of its own", workflowID, instance))
}

// Open finds a run in the ledger and says where it goes on, or begins it. It may be
// called any number of times.
func Open(ctx context.Context, l *ledger.Ledger, id string, begin func(context.Context) (*ledger.Run, error)) (*ledger.Run, *activities.OpenRunResult, error) {
	current, err := l.Run(ctx, id)
	if errors.Is(err, ledger.ErrNotFound) {
		current, err = begin(ctx)
	}
	if err != nil {
		return nil, nil, ToTemporal(ctx, Overtaken(err))
	}
	if current.State == ledger.RunStopped {
		if err := l.SetRunState(ctx, id, ledger.RunRunning, ""); err != nil {
			return nil, nil, Overtaken(err)
		}
		current.State = ledger.RunRunning
	}
	at, err := l.Resume(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	out := &activities.OpenRunResult{
		Started: current.Started, Expected: current.Expected, Counts: CountsOf(current.Counts), Ended: string(current.State), Unfinished: laneRefs(at.Unfinished),
	}
	if at.LastPage != nil {
		out.LastPage, out.LastPhase, out.More = at.LastPage.Number, activities.Phase(at.LastPage.Phase), !at.LastPage.Next.None()
	}
	return current, out, nil
}

// Save ends a run whose lanes are all written: in one transaction the position becomes
// the watermark and the staged pages are dropped. While lanes are still to be written,
// the result names them and the returned run is nil. A ledger that lacks the last page of
// a run that it has as running is older than the run.
func Save(ctx context.Context, l *ledger.Ledger, in activities.SaveWatermarkInput, position func(last *ledger.Page) ledger.Watermark) (*ledger.Run, *activities.SaveWatermarkResult, error) {
	id := in.Run
	at, err := l.Resume(ctx, id)
	if err != nil {
		return nil, nil, Lost(err)
	}
	if err := holds(ctx, l, id, at.LastPage, in.Pages, in.Settled); err != nil {
		return nil, nil, err
	}
	ended, err := l.Advance(ctx, id, position(at.LastPage))
	if errors.Is(err, ledger.ErrEnded) {
		// A stop from before the run was opened again may come late. Whoever saves the
		// position is the one that has opened it.
		if current, readErr := l.Run(ctx, id); readErr == nil && current.State == ledger.RunStopped {
			if err = l.SetRunState(ctx, id, ledger.RunRunning, ""); err == nil {
				ended, err = l.Advance(ctx, id, position(at.LastPage))
			}
		}
	}
	if open, ok := errors.AsType[*ledger.UnfinishedError](err); ok {
		return nil, &activities.SaveWatermarkResult{State: string(ledger.RunRunning), Unfinished: laneRefs(open.Lanes)}, nil
	}
	if err != nil {
		return nil, nil, Lost(err)
	}
	return ended, &activities.SaveWatermarkResult{State: string(ended.State), Counts: CountsOf(ended.Counts)}, nil
}

// holds fails when the ledger lacks the last page of a run that it has as running, or a lane
// that the flow has had written: it is older than the run.
func holds(ctx context.Context, l *ledger.Ledger, id string, last *ledger.Page, pages int, settled int64) error {
	current, err := l.Run(ctx, id)
	if err != nil {
		return Lost(err)
	}
	if current.State != ledger.RunRunning && current.State != ledger.RunStopped {
		return nil // it has ended, and needs them no more
	}
	switch {
	case pages > 0 && (last == nil || last.Number < pages):
		return Blocked(activities.FailureLedgerLost, fmt.Sprintf("run %s: page %d is not in the ledger: it was restored from a backup", id, pages))
	case current.Counts.WithOutcome() < settled:
		return Blocked(activities.FailureLedgerLost, fmt.Sprintf("run %s: %d records were settled, and the ledger knows of %d: it was restored from a backup", id, settled, current.Counts.WithOutcome()))
	}
	return nil
}

func laneRefs(lanes []ledger.OpenLaneRef) (out []activities.LaneRef) {
	for _, l := range lanes {
		out = append(out, activities.LaneRef{Page: l.Page, Lane: l.Lane, Size: l.Size})
	}
	return out
}

// End closes a run that did not finish. ended counts it. drop removes its staged pages,
// and is called if the input asks for that. What is not a failure does not end well where
// the ledger is older than the run.
func End(ctx context.Context, l *ledger.Ledger, in activities.EndRunInput, ended func(activities.Kind, ledger.RunState), drop func(context.Context, string) error) error {
	current, err := l.Run(ctx, in.Run)
	if errors.Is(err, ledger.ErrNotFound) && (in.Pages == 0 || in.State == string(ledger.RunFailed)) {
		return nil // it never began, or why it fails says more
	}
	if err != nil {
		return Lost(err)
	}
	if current.State == ledger.RunCompleted || current.State == ledger.RunIncomplete {
		return nil
	}
	if in.State != string(ledger.RunFailed) && (in.Pages > 0 || in.Settled > 0) {
		at, err := l.Resume(ctx, in.Run)
		if err == nil {
			err = holds(ctx, l, in.Run, at.LastPage, in.Pages, in.Settled)
		}
		if err != nil {
			return err
		}
	}
	if err := l.SetRunState(ctx, in.Run, ledger.RunState(in.State), in.Reason); err != nil {
		return Overtaken(err)
	}
	ended(in.Kind, ledger.RunState(in.State))
	if in.Drop {
		return drop(ctx, in.Run)
	}
	return nil
}

// CountsOf is an account of the ledger as payloads have it.
func CountsOf(c ledger.Counts) activities.Counts {
	return activities.Counts{Read: c.Read, Created: c.Created, Updated: c.Updated, Unchanged: c.Unchanged,
		Filtered: c.Filtered, Deleted: c.Deleted, Parked: c.Parked, Quarantined: c.Quarantined,
		Disabled: c.Disabled, SoftBounce: c.SoftBounce, SeedOrProof: c.SeedOrProof, NoContact: c.NoContact, Ignored: c.Ignored}
}

// CloseLost closes the runs that the ledger has as running, but for the one that goes
// on. It is called when a flow starts: nothing of the flow is at work then, so the
// workflow of such a run was ended from outside.
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

// WatermarkAndQuarantine is what gauges show of a flow: the time of its watermark, zero
// while it has none, and how many of its records are in quarantine.
func WatermarkAndQuarantine(ctx context.Context, l *ledger.Ledger, flow, watermark, table string) (at time.Time, open int64, err error) {
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

// CountEnded counts a run that ended.
func CountEnded(scope tally.Scope, kind activities.Kind, state ledger.RunState) {
	endedCounter(scope, kind, state).Inc(1)
}

func endedCounter(scope tally.Scope, kind activities.Kind, state ledger.RunState) tally.Counter {
	return scope.Tagged(map[string]string{"kind": string(kind), "state": string(state)}).Counter("runs_ended")
}

// ShowNoneEnded makes the counters of runs that end badly visible at 0. Prometheus sees
// no increase in a counter that first appears with 1.
func ShowNoneEnded(scope tally.Scope) {
	for _, kind := range []activities.Kind{activities.KindInitial, activities.KindBackfill, activities.KindDelta, activities.KindAudit, activities.KindRelease, activities.KindRollback} {
		for _, state := range []ledger.RunState{ledger.RunFailed, ledger.RunIncomplete} {
			endedCounter(scope, kind, state)
		}
	}
}
