package ingress

import (
	"context"
	"fmt"
	"maps"
	"slices"

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
	return run.WriteLane(ctx, a.lanes, in, func(ctx context.Context, lane *ledger.Lane) (run.Writer[*unit], error) {
		return a.laneWriter(ctx, m, in, lane)
	})
}

// laneWriter gathers what the records of a lane need to be decided.
func (a *Activities) laneWriter(ctx context.Context, m *tableMapper, in activities.LaneInput, lane *ledger.Lane) (*laneWriter, error) {
	current, err := a.o.Ledger.Run(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	known, err := a.known(ctx, in.Table, lane)
	if err != nil {
		return nil, err
	}
	parents, children, err := a.relatives(ctx, m, in.Table, lane)
	if err != nil {
		return nil, err
	}
	waiting, err := a.waiting(ctx, in.Table, known)
	if err != nil {
		return nil, err
	}
	doubtful, err := a.o.Ledger.Doubtful(ctx, in.Table, slices.Collect(maps.Keys(known)))
	if err != nil {
		return nil, err
	}
	claimed, err := a.claimed(ctx, in, lane)
	if err != nil {
		return nil, err
	}
	w := &laneWriter{
		lane: lane, known: known, counts: a.metrics.of(in.Table),
		record: &recordWriter{
			target: a.o.Target, ledger: a.o.Ledger, m: m, run: in.Run, table: in.Table,
			parents: parents, children: children, waiting: waiting, doubtful: doubtful, claimed: claimed, guard: &guard{Activities: a, in: in}, runStarted: current.Started, retried: lane.Attempt > 1,
			hides:    func(link mapping.Link) { a.hiding(in.Table, link) },
			baseline: in.Kind == activities.KindInitial, replay: in.Kind == activities.KindBackfill,
		},
	}
	if in.Undoes != "" {
		undone, err := a.o.Ledger.Run(ctx, in.Undoes)
		if err != nil {
			return nil, err
		}
		w.record = &undoer{recordWriter: w.record.(*recordWriter), undoes: in.Undoes, ended: undone.Ended}
	}
	return w, nil
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

// laneWriter writes the records of a lane, for one attempt.
type laneWriter struct {
	lane   *ledger.Lane
	known  map[string]*ledger.Record
	counts *tableMetrics
	record applier
}

// unit is what is known of a record whose entries are written.
type unit struct {
	known     *ledger.Record
	ambiguous bool // an earlier try may have reached Campaign
	looked    bool // Campaign was asked whether it still holds it as written
	renew     bool // it does not
}

// Units makes a unit of every record.
func (w *laneWriter) Units(context.Context, *run.Attempt[*unit]) ([]*run.Unit[*unit], error) {
	return run.Units(w.lane, func(key string) *unit { return &unit{known: w.known[key]} }), nil
}

// GroupSize is one: Campaign takes one record a request.
func (w *laneWriter) GroupSize() int { return 1 }

// Write brings the entries of one record to an outcome each, in order.
func (w *laneWriter) Write(ctx context.Context, a *run.Attempt[*unit], group []*run.Unit[*unit]) error {
	u := group[0]
	for len(u.Entries) > 0 {
		i := u.Entries[0]
		u.Of.ambiguous = u.Ambiguous
		s, err := w.record.apply(ctx, u.Of, &w.lane.Entries[i], permitOf{a, u})
		if err != nil {
			return err
		}
		s.Index = i
		if s.Record != nil {
			u.Of.known, u.Ambiguous = s.Record, false
		}
		a.Done(u, s.Result)
	}
	return nil
}

// Refuse sets an entry aside; what Campaign holds of it stays.
func (w *laneWriter) Refuse(u *run.Unit[*unit], entry int, why *apierr.Error) ledger.Result {
	return w.record.refuse(u.Of.known, &w.lane.Entries[entry], string(why.Class), why.Reason, why.Message, why.Field).Result
}

// Count meters what happened.
func (w *laneWriter) Count(what run.Happened, results ...ledger.Result) {
	switch what {
	case run.Committed:
		for i := range results {
			w.counts.outcome(results[i].Outcome)
		}
	case run.Throttled:
		w.counts.throttled.Inc(1)
	case run.Transient:
		w.counts.transient.Inc(1)
	}
}

// settlement is a ledger result; permit says that a write reached Campaign for it.
type settlement struct {
	ledger.Result
	permit bool
}

// permitOf is the leave that a unit's write needs.
type permitOf struct {
	a *run.Attempt[*unit]
	u *run.Unit[*unit]
}

func (p permitOf) acquire(ctx context.Context) error { return p.a.Acquire(ctx, p.u) }

// Release gives back the leave for a write that did not happen.
func (p permitOf) Release() { p.a.Release(p.u) }

// guarded runs a look at one record ahead of its turn; one that panics is left
// to its turn.
func guarded(look func()) {
	defer func() { _ = recover() }()
	look()
}
