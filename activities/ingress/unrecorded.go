package ingress

import (
	"context"
	"fmt"
	"sync"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/reconcile"
)

// FindUnrecordedWrites finds what a run wrote without the ledger knowing: its worker died,
// and the run was given up before another attempt. The records of such lanes are read in
// Campaign. Those that are as the run would have left them are recorded as written by it,
// so that they are undone with the rest.
func (a *Activities) FindUnrecordedWrites(ctx context.Context, in activities.UnrecordedWritesInput) (*activities.UnrecordedWritesResult, error) {
	lanes, err := a.o.Ledger.UnknownOutcomes(ctx, in.Undoes)
	if err != nil || len(lanes) == 0 {
		return &activities.UnrecordedWritesResult{}, err
	}
	current, err := a.o.Ledger.Run(ctx, in.Undoes)
	if err != nil {
		return nil, err
	}
	ref := activities.RunRef{Run: current.ID, Table: in.Table, Revision: current.Revision, Kind: activities.Kind(current.Kind)}
	m, err := a.mappingOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	var out activities.UnrecordedWritesResult
	for _, lane := range lanes {
		looked, found, err := a.findInLane(ctx, m, ref, lane)
		if err != nil {
			return nil, run.ToTemporal(ctx, fmt.Errorf("looking for unrecorded writes in lane %d of page %d of %s: %w", lane.Lane, lane.Page, current.ID, err))
		}
		out.Looked, out.Found = out.Looked+looked, out.Found+found
	}
	return &out, nil
}

// findInLane records the unrecorded writes of one lane, and drops the lane.
func (a *Activities) findInLane(ctx context.Context, m *tableMapper, ref activities.RunRef, at ledger.OpenLaneRef) (looked, found int, err error) {
	lane, err := a.o.Ledger.OpenLane(ctx, at.LaneID)
	if err != nil || lane.Done {
		return 0, 0, err
	}
	w, err := a.laneWriter(ctx, m, activities.LaneInput{RunRef: ref, Page: at.Page, Lane: at.Lane}, lane)
	if err != nil {
		return 0, 0, err
	}
	l := &unrecordedFinder{recordWriter: w.record.(*recordWriter)}
	var mu sync.Mutex
	var results []ledger.Result
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, a.o.Concurrency))
	for _, u := range run.Units(lane, func(key string) *recordState { return &recordState{known: w.known[key]} }) {
		looked++
		group.Go(func() error {
			s, err := l.lastCarriedOut(gctx, u, lane.Entries)
			activity.RecordHeartbeat(ctx)
			if err != nil || s == nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			results = append(results, *s)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	if err := a.o.Ledger.Commit(ctx, lane.ID, lane.Token, results); err != nil {
		return 0, 0, err
	}
	return looked, len(results), a.o.Ledger.DropLane(ctx, lane.ID)
}

// unrecordedFinder compares what Campaign holds with what a run would have written.
type unrecordedFinder struct{ *recordWriter }

// lastCarriedOut is the outcome of the last entry of a unit that was carried out, by what
// Campaign shows; nil when none was.
func (l *unrecordedFinder) lastCarriedOut(ctx context.Context, u *run.Unit[*recordState], entries []ledger.Entry) (*ledger.Result, error) {
	known := u.State.known
	if known != nil && known.Run != l.run && known.Run != "" && l.touchedSince(ctx, known) {
		return nil, nil // a later run has dealt with what it found
	}
	there, err := l.readTarget(ctx, entries[u.Entries[0]].Key)
	if err != nil {
		return nil, err
	}
	var last *ledger.Result
	for _, i := range u.Entries {
		s, err := l.carriedOut(ctx, known, &entries[i], &there)
		if err != nil {
			return nil, err
		}
		if s != nil {
			s.Index, last = i, s
		}
	}
	return last, nil
}

// touchedSince says that a run which began later has touched the record.
func (l *unrecordedFinder) touchedSince(ctx context.Context, known *ledger.Record) bool {
	run, err := l.ledger.Run(ctx, known.Run)
	return err == nil && run.Started.After(l.runStarted)
}

// carriedOut is the outcome of an entry, if Campaign is as that entry would have left it;
// else nil. Whether the action would be held up today does not matter.
func (l *unrecordedFinder) carriedOut(ctx context.Context, known *ledger.Record, e *ledger.Entry, there *reconcile.Target) (*ledger.Result, error) {
	d, err := l.beginDecision(ctx, known, e)
	if err != nil {
		return nil, err
	}
	a := d.rules.Calls(&d.known, &d.entry, false)
	if !d.rules.CarriedOut(&a, &d.entry, there) {
		return nil, nil
	}
	var s ledger.Result
	switch {
	case a.Kind == reconcile.Delete:
		s = ledger.Result{Outcome: ledger.Removed, Record: l.deleted(known, e), Links: []ledger.Parent{}}
	case a.Kind == reconcile.Update:
		s = l.done(ledger.Updated, known, e, a.Payload, known.CreatedRun)
		s.Links = l.linksOf(a.Payload)
	case there.Ours:
		s = l.done(ledger.Created, known, e, a.Payload, l.run)
	default: // adopted; if that changed anything, the before-image was kept first
		s = l.done(ledger.Unchanged, known, e, a.Payload, createdRun(known))
	}
	if d.known.Held() && !d.known.Own {
		s.Before = &ledger.BeforeImage{Key: e.Key, Existed: true, Payload: known.Payload}
	}
	return &s, nil
}
