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
// and the run was given up before another attempt could settle what the first had
// in hand. Such records are looked at in Campaign, and those that are as the run
// would have left them become its own, so that they are undone with the rest.
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
	m, err := a.mapper(ctx, ref)
	if err != nil {
		return nil, err
	}
	var out activities.UnrecordedWritesResult
	for _, lane := range lanes {
		looked, found, err := a.lookOver(ctx, m, ref, lane)
		if err != nil {
			return nil, run.ToTemporal(ctx, fmt.Errorf("looking over lane %d of page %d of %s: %w", lane.Lane, lane.Page, current.ID, err))
		}
		out.Looked, out.Found = out.Looked+looked, out.Found+found
	}
	return &out, nil
}

func (a *Activities) lookOver(ctx context.Context, m *tableMapper, ref activities.RunRef, at ledger.OpenLaneRef) (looked, found int, err error) {
	lane, err := a.o.Ledger.OpenLane(ctx, at.LaneID)
	if err != nil || lane.Done {
		return 0, 0, err
	}
	w, err := a.laneWriter(ctx, m, activities.LaneInput{RunRef: ref, Page: at.Page, Lane: at.Lane}, lane)
	if err != nil {
		return 0, 0, err
	}
	l := &looker{recordWriter: w.record.(*recordWriter)}
	var mu sync.Mutex
	var settled []ledger.Result
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, a.o.Concurrency))
	for _, u := range run.Units(lane, func(key string) *unit { return &unit{known: w.known[key]} }) {
		looked++
		group.Go(func() error {
			s, err := l.look(gctx, u, lane.Entries)
			activity.RecordHeartbeat(ctx)
			if err != nil || s == nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			settled = append(settled, *s)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	if err := a.o.Ledger.Commit(ctx, lane.ID, lane.Token, settled); err != nil {
		return 0, 0, err
	}
	return looked, len(settled), a.o.Ledger.DropLane(ctx, lane.ID)
}

// looker compares what Campaign holds with what a run would have written.
type looker struct{ *recordWriter }

// look is the outcome of the last entry of a unit that Campaign shows to be
// carried out; nil when none was.
func (l *looker) look(ctx context.Context, u *run.Unit[*unit], entries []ledger.Entry) (*ledger.Result, error) {
	known := u.Of.known
	if known != nil && known.Run != l.run && known.Run != "" && l.touchedSince(ctx, known) {
		return nil, nil // by a later run, which knew what it found
	}
	there, err := l.shown(ctx, entries[u.Entries[0]].Key)
	if err != nil {
		return nil, err
	}
	var last *ledger.Result
	for _, i := range u.Entries {
		s, err := l.carriedOut(known, &entries[i], &there)
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
func (l *looker) touchedSince(ctx context.Context, known *ledger.Record) bool {
	run, err := l.ledger.Run(ctx, known.Run)
	return err == nil && run.Started.After(l.runStarted)
}

// carriedOut is the outcome of an entry if Campaign is as it would have left it. What
// would stand in the way now did not then.
func (l *looker) carriedOut(known *ledger.Record, e *ledger.Entry, there *reconcile.Target) (*ledger.Result, error) {
	d, err := l.consider(known, e)
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
		s = l.done(ledger.Updated, known, e, a.Payload, known.CreatedRun).Result
		s.Links = l.linksOf(a.Payload)
	case there.Ours:
		s = l.done(ledger.Created, known, e, a.Payload, l.run).Result
	default: // taken over; if it was changed for that, what it held was kept first
		s = l.done(ledger.Unchanged, known, e, a.Payload, createdRun(known)).Result
	}
	if d.known.Held() && !d.known.Own {
		s.Before = &ledger.BeforeImage{Key: e.Key, Existed: true, Payload: known.Payload}
	}
	return &s, nil
}
