package ingress

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// WriteLane writes one lane of a staged page to Campaign. Records that an
// earlier attempt settled are skipped; one record's transient failure does not
// keep the others from being written, it only makes this attempt fail at the end.
func (a *Activities) WriteLane(ctx context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
	if in.Kind == activities.KindDelta {
		ctx = budget.ForChanges(ctx)
	}
	defer a.tell(ctx)
	m, err := a.mapper(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	id := ledger.LaneID{Run: in.Run, Page: in.Page, Lane: in.Lane}
	lane, err := a.o.Ledger.OpenLane(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("opening lane %d of page %d of %s: %w", in.Lane, in.Page, in.Run, err)
	}
	if lane.Done {
		return &activities.LaneResult{Counts: run.FromLedger(lane.Counts)}, nil
	}
	w, known, err := a.laneWriter(ctx, m, in, lane)
	if err != nil {
		a.putDown(ctx, lane, false)
		return nil, err
	}
	if err := w.write(ctx, w.units(known)); err != nil {
		a.putDown(ctx, lane, w.unsure)
		return nil, err
	}
	counts, err := a.o.Ledger.CloseLane(ctx, id, lane.Token)
	if err != nil {
		a.putDown(ctx, lane, false)
		return nil, fmt.Errorf("closing lane %d of page %d of %s: %w", in.Lane, in.Page, in.Run, err)
	}
	return &activities.LaneResult{Counts: run.FromLedger(counts)}, nil
}

// laneWriter gathers what the records of a lane need to be decided.
func (a *Activities) laneWriter(ctx context.Context, m *tableMapper, in activities.LaneInput, lane *ledger.Lane) (*laneWriter, map[string]*ledger.Record, error) {
	run, err := a.o.Ledger.Run(ctx, in.Run)
	if err != nil {
		return nil, nil, err
	}
	known, err := a.known(ctx, in.Table, lane)
	if err != nil {
		return nil, nil, err
	}
	parents, children, err := a.relatives(ctx, m, in.Table, lane)
	if err != nil {
		return nil, nil, err
	}
	waiting, err := a.waiting(ctx, in.Table, known)
	if err != nil {
		return nil, nil, err
	}
	doubtful, err := a.o.Ledger.Doubtful(ctx, in.Table, slices.Collect(maps.Keys(known)))
	if err != nil {
		return nil, nil, err
	}
	claimed, err := a.claimed(ctx, in, lane)
	if err != nil {
		return nil, nil, err
	}
	w := &laneWriter{
		Activities: a, m: m, in: in, lane: lane, counts: a.metrics.of(in.Table),
		record: &recordWriter{
			target: a.o.Target, ledger: a.o.Ledger, m: m, run: in.Run, table: in.Table,
			parents: parents, children: children, waiting: waiting, doubtful: doubtful, claimed: claimed, guard: &guard{Activities: a, in: in}, runStarted: run.Started, retried: lane.Attempt > 1,
			hides:    func(link mapping.Link) { a.hiding(in.Table, link) },
			baseline: in.Kind == activities.KindInitial, replay: in.Kind == activities.KindBackfill,
		},
	}
	if in.Undoes != "" {
		undone, err := a.o.Ledger.Run(ctx, in.Undoes)
		if err != nil {
			return nil, nil, err
		}
		w.record = &undoer{recordWriter: w.record.(*recordWriter), undoes: in.Undoes, ended: undone.Ended}
	}
	return w, known, nil
}

// known loads what the ledger holds of the lane's records that are still open.
func (a *Activities) known(ctx context.Context, table string, lane *ledger.Lane) (map[string]*ledger.Record, error) {
	keys := make([]string, 0, len(lane.Entries))
	for i, e := range lane.Entries {
		if lane.Outcomes[i] == ledger.Pending {
			keys = append(keys, e.Key)
		}
	}
	known, err := a.o.Ledger.Records(ctx, table, keys)
	if err != nil {
		return nil, fmt.Errorf("looking up %d records of %s: %w", len(keys), table, err)
	}
	return known, nil
}

// waiting loads what the parked records among known wait for.
func (a *Activities) waiting(ctx context.Context, table string, known map[string]*ledger.Record) (map[string]*ledger.ParkedItem, error) {
	var keys []string
	for key, r := range known {
		if r.State == ledger.Parked {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return a.o.Ledger.Parked(ctx, table, keys)
}

// applier brings one entry of a lane to an outcome.
type applier interface {
	apply(ctx context.Context, u *unit, e *ledger.Entry, p permits) (settlement, error)
	// refuse sets an entry aside; what the target holds stays.
	refuse(known *ledger.Record, e *ledger.Entry, class, code, message, field string) settlement
}

// laneWriter is one attempt at a lane.
type laneWriter struct {
	*Activities
	m      *tableMapper
	in     activities.LaneInput
	lane   *ledger.Lane
	counts *tableMetrics
	record applier

	stopping <-chan struct{} // closed when the worker drains for a deployment

	mu      sync.Mutex
	failed  []*unit // to be tried again
	lastErr error   // of a failed unit
	fatal   error   // ends the attempt: Blocked, schema, storage, cancellation
	streak  int     // transient failures in a row, over all workers
	unsure  bool    // Campaign may hold what the ledger was not told of
}

// unit is every open entry of one key, in source order, and what is known of it.
type unit struct {
	indices   []int
	known     *ledger.Record
	ambiguous bool // an earlier try may have reached Campaign
	looked    bool // Campaign was asked whether it still holds it as written
	renew     bool // it does not
	permit    bool // held for the write in hand
}

func (w *laneWriter) units(known map[string]*ledger.Record) []*unit {
	byKey := make(map[string]*unit, len(w.lane.Entries))
	units := make([]*unit, 0, len(w.lane.Entries))
	for i := range w.lane.Entries {
		if w.lane.Outcomes[i] != ledger.Pending {
			continue
		}
		key := w.lane.Entries[i].Key
		u, ok := byKey[key]
		if !ok {
			u = &unit{known: known[key]}
			byKey[key] = u
			units = append(units, u)
		}
		u.indices = append(u.indices, i)
	}
	return units
}

// write settles units with bounded concurrency; what failed for a passing
// reason gets a few more rounds before Temporal's slower retry takes over.
func (w *laneWriter) write(ctx context.Context, units []*unit) error {
	w.stopping = activity.GetWorkerStopChannel(ctx)
	settled := newSettler(ctx, w)
	for round := 1; len(units) > 0; round++ {
		w.failed, w.streak = nil, 0
		w.round(settled.ctx, units, settled)
		if w.fatal != nil || settled.ctx.Err() != nil {
			break
		}
		units = w.failed
		if len(units) == 0 || round == run.MaxRounds || !run.Pause(settled.ctx, time.Duration(round)*run.RoundPause) {
			break
		}
	}
	err := settled.close()
	w.unsure = err != nil || slices.ContainsFunc(w.failed, func(u *unit) bool { return u.ambiguous })
	if err != nil {
		return err // the ledger comes first: what it refused did not happen
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case w.fatal != nil:
		return run.ToTemporal(ctx, w.fatal)
	case len(w.failed) > 0:
		if w.lastErr == nil {
			w.lastErr = errors.New("the worker is shutting down")
		}
		return run.ToTemporal(ctx, fmt.Errorf("%d of %d records of the lane are still to be written: %w", len(w.failed), len(w.lane.Entries), w.lastErr))
	}
	return nil
}

func (w *laneWriter) round(ctx context.Context, units []*unit, settled *settler) {
	width, one := min(w.width(), len(units)), w.settle
	if w.lane.Crashes >= run.CarefulAfter {
		width, one, units = 1, w.settleCarefully, w.suspectFirst(units)
	}
	next := make(chan *unit)
	var workers sync.WaitGroup
	for range width {
		workers.Go(func() {
			for u := range next {
				one(ctx, u, settled)
			}
		})
	}
	for i, u := range units {
		if !w.goOn(ctx, width) {
			w.mu.Lock()
			w.failed = append(w.failed, units[i:]...)
			w.mu.Unlock()
			break
		}
		next <- u
	}
	close(next)
	workers.Wait()
}

// width is twice the lane's share of the requests in flight: while one lane is
// between two activities, the others use its share.
func (w *laneWriter) width() int {
	return max(2, 2*w.o.Concurrency/w.o.Lanes)
}

// goOn is false when starting more records would be in vain.
func (w *laneWriter) goOn(ctx context.Context, width int) bool {
	select {
	case <-w.stopping:
		return false
	case <-ctx.Done():
		return false
	default:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fatal == nil && w.streak < 2*width
}

// settle brings the entries of one key to an outcome each, in order.
func (w *laneWriter) settle(ctx context.Context, u *unit, settled *settler) {
	defer w.rescue(u, settled)
	for len(u.indices) > 0 {
		i := u.indices[0]
		s, err := w.apply(ctx, u, &w.lane.Entries[i], settled)
		if err != nil {
			w.note(ctx, u, err)
			return
		}
		s.Index = i
		if s.Record != nil {
			u.known, u.ambiguous = s.Record, false
		}
		u.indices = u.indices[1:]
		settled.add(s)
	}
	w.mu.Lock()
	w.streak = 0
	w.mu.Unlock()
}

// apply decides and carries out what one entry calls for. A closed gate is
// waited for here, so that nothing is sent and no attempt is wasted.
func (w *laneWriter) apply(ctx context.Context, u *unit, e *ledger.Entry, settled *settler) (settlement, error) {
	for {
		s, err := w.record.apply(ctx, u, e, permitOf{u, settled})
		u.permit = false // the settlement has it, or it was given back
		if apierr.ReasonOf(err) == apierr.ReasonQuota || apierr.ClassOf(err) != apierr.Throttled || ctx.Err() != nil || w.o.TargetGate == nil {
			return s, err
		}
		if time.Until(w.o.TargetGate.Until()) > run.MaxGateTry {
			return s, err
		}
		w.counts.throttled.Inc(1)
		if err := w.o.TargetGate.Wait(ctx); err != nil {
			return s, err
		}
	}
}

// note files a failure: for another round, or as the end of this attempt.
func (w *laneWriter) note(ctx context.Context, u *unit, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = append(w.failed, u)
	if ctx.Err() != nil {
		u.ambiguous = true // it may have been sent
		return
	}
	fail, ok := errors.AsType[*apierr.Error](err)
	// An hour's quota that is used up will not come back within this attempt.
	if ok && fail.Reason != apierr.ReasonQuota && (fail.Class == apierr.Retryable || fail.Class == apierr.Throttled) {
		u.ambiguous = u.ambiguous || fail.Ambiguous
		w.lastErr = err
		w.streak++
		w.counts.transient.Inc(1)
		return
	}
	if w.fatal == nil {
		w.fatal = err
	}
}
