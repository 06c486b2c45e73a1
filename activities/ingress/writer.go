package ingress

import (
	"context"
	"fmt"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// WriteLane writes one lane of a staged page to Campaign, or undoes what a run did to
// the records of the lane. See run.WriteLane.
func (a *Activities) WriteLane(ctx context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
	if in.Kind == activities.KindDelta {
		ctx = budget.ForChanges(ctx)
	}
	defer a.reportEngineCalls(ctx)
	m, err := a.mappingOf(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	// A file that a run has left which was ended from outside holds up the table.
	stop := run.KeepBeating(ctx, nil)
	err = a.giveUpFile(ctx, in.Table, func(of string) bool { return of != in.Run })
	stop()
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	out, err := run.WriteLane(ctx, a.lanes, in, func(ctx context.Context, lane *ledger.Lane) (run.Writer[*recordState], error) {
		w, err := a.laneWriter(ctx, m, in, lane)
		if err != nil || !in.ByFile || in.Page == 1 { // a wrong mapping is found with the first page
			return w, err
		}
		return a.fileWriter(w, m, in)
	})
	if err == nil && in.ByFile {
		err = a.clearResults(ctx, in.Table)
	}
	return out, err
}

// laneWriter gathers what the decisions about the records of a lane need to know.
func (a *Activities) laneWriter(ctx context.Context, m *tableMapper, in activities.LaneInput, lane *ledger.Lane) (*laneWriter, error) {
	current, err := a.o.Ledger.Run(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	known, err := a.known(ctx, in.Table, lane)
	if err != nil {
		return nil, err
	}
	parents, children, err := a.parentsAndChildren(ctx, m, in.Table, lane)
	if err != nil {
		return nil, err
	}
	waiting, err := a.waiting(ctx, in.Table, known)
	if err != nil {
		return nil, err
	}
	inDoubt, err := a.o.Ledger.Doubts(ctx, in.Table, openKeys(lane))
	if err != nil {
		return nil, err
	}
	claimed, err := a.claimed(ctx, in, lane)
	if err != nil {
		return nil, err
	}
	optOuts, err := a.optOutsOf(ctx, m, mayBeCreated(lane, known))
	if err != nil {
		return nil, err
	}
	w := &laneWriter{
		lane: lane, known: known, counts: a.metrics.of(in.Table), setAsideAfter: a.o.SetAsideAfter,
		askTarget: func(ctx context.Context) error {
			_, err := a.o.Target.List(ctx, m.resource, campaign.ListOptions{Lines: 1})
			return err
		},
		record: &recordWriter{
			activities: a, optOuts: optOuts, target: a.o.Target, ledger: a.o.Ledger, m: m, listed: a.listed, run: in.Run, table: in.Table,
			parents: parents, children: children, waiting: waiting, inDoubt: inDoubt, claimed: claimed, guard: &deleteGuard{Activities: a, in: in}, runStarted: current.Started, retried: lane.Attempt > 1,
			onLate:   func(key string) { a.warnLate(in.Table, key) },
			onHidden: func(link mapping.Link) { a.warnHiding(in.Table, link) },
			baseline: in.Kind == activities.KindInitial, replay: in.Kind == activities.KindBackfill,
		},
	}
	if in.Undoes != "" {
		undone, err := a.o.Ledger.Run(ctx, in.Undoes)
		if err != nil {
			return nil, err
		}
		w.record = &rollbackWriter{recordWriter: w.record.(*recordWriter), undoes: in.Undoes, ended: undone.Ended}
	}
	return w, nil
}

// openKeys lists the records of a lane that have no outcome yet.
func openKeys(lane *ledger.Lane) []string {
	keys := make([]string, 0, len(lane.Entries))
	for i, e := range lane.Entries {
		if lane.Outcomes[i] == ledger.Pending {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// known loads what the ledger holds of the lane's records that are still open.
func (a *Activities) known(ctx context.Context, table string, lane *ledger.Lane) (map[string]*ledger.Record, error) {
	keys := openKeys(lane)
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

// applier brings one entry of a lane to an outcome: a recordWriter what Dynamics says,
// a rollbackWriter what a rollback calls for.
type applier interface {
	apply(ctx context.Context, u *recordState, e *ledger.Entry, p permit) (ledger.Result, error)
	// refuse makes the result of an entry that is set aside. It changes nothing in the
	// target.
	refuse(known *ledger.Record, e *ledger.Entry, class, code, message, field string) ledger.Result
}

// laneWriter writes the records of a lane in one attempt. It is the run.Writer of this
// flow.
type laneWriter struct {
	lane   *ledger.Lane
	known  map[string]*ledger.Record
	counts *tableMetrics
	record applier

	setAsideAfter time.Duration
	askTarget     func(context.Context) error // for something else than a record of the lane
}

// recordState is what is known of a record while its entries are written.
type recordState struct {
	known     *ledger.Record
	ambiguous bool // an earlier try may have reached Campaign
	looked    bool // it was in doubt, and was read in Campaign
	lost      bool // Campaign did not hold it, or not with its links
}

// Units makes a unit of every record.
func (w *laneWriter) Units(context.Context, *run.Attempt[*recordState]) ([]*run.Unit[*recordState], error) {
	return run.Units(w.lane, func(key string) *recordState { return &recordState{known: w.known[key]} }), nil
}

// GroupSize is one, because Campaign takes one record a request.
func (w *laneWriter) GroupSize() int { return 1 }

// Write brings each entry of one record to an outcome, in order.
func (w *laneWriter) Write(ctx context.Context, a *run.Attempt[*recordState], group []*run.Unit[*recordState]) error {
	u := group[0]
	if known := u.State.known; known != nil {
		ctx = run.About(ctx, known.Payload)
	}
	for len(u.Entries) > 0 {
		i := u.Entries[0]
		u.State.ambiguous = u.Ambiguous
		result, err := w.record.apply(ctx, u.State, &w.lane.Entries[i], permit{a, u})
		if err != nil {
			return err
		}
		result.Index = i
		known := result.Record
		a.Done(u, result)
		if known != nil {
			u.State.known, u.Ambiguous = known, false
		}
	}
	return nil
}

// LastResort sets records aside that fail while Campaign takes others.
func (w *laneWriter) LastResort(ctx context.Context, a *run.Attempt[*recordState], failed []*run.Unit[*recordState]) []*run.Unit[*recordState] {
	return a.SetAside(ctx, failed, w.setAsideAfter, func(ctx context.Context, _ *apierr.Error) error { return w.askTarget(ctx) })
}

// Refuse sets an entry aside. What Campaign holds of the record stays.
func (w *laneWriter) Refuse(u *run.Unit[*recordState], entry int, why *apierr.Error) ledger.Result {
	e := &w.lane.Entries[entry]
	result := w.record.refuse(u.State.known, e, string(why.Class), why.Reason, why.Message, why.Field)
	if !u.State.looked {
		result.Look = &ledger.Look{Key: e.Key} // if it is in doubt, it is looked at later
	}
	return result
}

// Count counts in the metrics of the table.
func (w *laneWriter) Count(what run.Happened, results ...ledger.Result) {
	switch what {
	case run.Committed:
		for i := range results {
			w.counts.countOutcome(results[i].Outcome)
		}
	case run.Throttled:
		w.counts.throttled.Inc(1)
	case run.Transient:
		w.counts.transient.Inc(1)
	}
}

// permit asks the engine before a record's write is sent, see run.Attempt.
type permit struct {
	attempt *run.Attempt[*recordState]
	unit    *run.Unit[*recordState]
}

func (p permit) acquire(ctx context.Context) error { return p.attempt.AcquirePermit(ctx, p.unit) }

// release gives the permit back for a write that did not happen.
func (p permit) release() { p.attempt.ReleasePermit(p.unit) }

// withoutPanic runs a function that looks at a record before it is written, and ignores
// a panic. When the record is written it panics again, and is set aside then.
func withoutPanic(look func()) {
	defer func() { _ = recover() }()
	look()
}
