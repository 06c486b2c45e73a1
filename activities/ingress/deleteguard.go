package ingress

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/reconcile"
)

// deleteGuard holds back the deletes of a run until all of them are counted. If there are
// too many, they wait for an operator: a wrong filter, an emptied table or a bad restore
// in Dynamics must not empty Campaign. The rest of the run goes on. What earlier runs
// deleted unasked counts, too, for a while: many small runs together ask like a large one.
// Nothing is held back where the count is known to be small, because the page is the last
// of its run.
type deleteGuard struct {
	*Activities
	in activities.LaneInput

	mu      sync.Mutex
	decided bool
	open    bool // deletes may be carried out at once
}

// allows says whether a delete of the lane may be carried out now.
func (g *deleteGuard) allows(ctx context.Context) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.decided {
		return g.open, nil
	}
	restored, err := run.Restored(ctx, g.o.Ledger, activities.FlowIngress, g.in.Table)
	if err != nil {
		return false, err
	}
	if restored {
		g.decided = true
		return false, nil
	}
	page, err := g.o.Ledger.Page(ctx, g.in.Run, g.in.Page)
	if err != nil {
		return false, err
	}
	if last := page.Next.None() && slices.Contains([]activities.Phase{activities.PhaseDelta, activities.PhaseSweep, activities.PhaseQuarantined}, activities.Phase(page.Phase)); last {
		limit, err := g.deleteLimitOf(ctx, g.in.Run)
		if err != nil {
			return false, err
		}
		if g.open, err = g.o.Ledger.AdmitDeletes(ctx, g.in.Run, g.in.Table, g.in.Page, limit); err != nil {
			return false, err
		}
	}
	g.decided = true
	return g.open, nil
}

// deletesOf counts what a page would delete in Campaign. Deletes that waited, and that the
// guard has decided on, are not counted again.
func (a *Activities) deletesOf(ctx context.Context, m *tableMapper, table string, changes []dataverse.Change) (int, error) {
	rules := m.rules()
	var keys []string
	for i := range changes {
		c := &changes[i]
		withoutPanic(func() {
			if rules.Deletes(c.Deleted, c.Raw) {
				keys = append(keys, c.Key)
			}
		})
	}
	if len(keys) == 0 {
		return 0, nil
	}
	held, err := a.o.Ledger.Holds(ctx, table, keys)
	if err != nil || len(held) == 0 {
		return 0, err
	}
	waited, err := a.o.Ledger.Parked(ctx, table, slices.Collect(maps.Keys(held)))
	if err != nil {
		return 0, err
	}
	n := len(held)
	for _, p := range waited {
		if p.Ready && (p.Waits == ledger.WaitsForDeleteGuard || p.Waits == ledger.WaitsForChildren) {
			n--
		}
	}
	return n, nil
}

// deleteLimit is how many records of a table may be deleted unasked.
func (a *Activities) deleteLimit() ledger.DeleteLimit {
	return ledger.DeleteLimit{Ratio: a.o.DeleteRatio, Min: int64(a.o.DeleteMin), Window: a.o.DeleteWindow}
}

// deleteLimitOf is deleteLimit for a run. A load that was shown far fewer records than
// Dynamics says that there are asks about every delete: what its list left out may be
// hidden, or the list was cut off.
func (a *Activities) deleteLimitOf(ctx context.Context, run string) (ledger.DeleteLimit, error) {
	limit := a.deleteLimit()
	r, err := a.o.Ledger.Run(ctx, run)
	if err != nil {
		return limit, err
	}
	limit.Ask = a.shortLoad(r.Expected, r.Listed)
	return limit, nil
}

// shortLoad says that a load was shown far fewer records than it had to expect.
func (a *Activities) shortLoad(expected, listed int64) bool {
	return listed >= 0 && expected >= int64(a.o.ShortLoadMin) && float64(listed) < a.o.ShortLoadRatio*float64(expected)
}

// releaseDeletes lets the deletes of a completed run go on, unless there are too many. It
// returns the runs whose deletes wait for an operator.
// After the ledger was restored all of them wait, until an audit has looked.
func (a *Activities) releaseDeletes(ctx context.Context, id, table string) ([]activities.Approval, error) {
	restored, err := run.Restored(ctx, a.o.Ledger, activities.FlowIngress, table)
	if err != nil {
		return nil, err
	}
	if restored {
		return a.approvals(ctx, table)
	}
	limit, err := a.deleteLimitOf(ctx, id)
	if err != nil {
		return nil, err
	}
	if _, err := a.o.Ledger.GuardDeletes(ctx, id, table, limit); err != nil {
		return nil, err
	}
	return a.approvals(ctx, table)
}

// approvals are the runs whose deletes wait for an operator.
func (a *Activities) approvals(ctx context.Context, table string) ([]activities.Approval, error) {
	waiting, err := a.o.Ledger.Approvals(ctx, table, a.o.DeleteWindow)
	if err != nil {
		return nil, err
	}
	var out []activities.Approval
	var deletes int64
	for _, w := range waiting {
		approval := activities.Approval{Run: w.Run, Deletes: w.Deletes, Before: w.Before}
		if a.shortLoad(w.Expected, w.Listed) {
			approval.Short = &activities.ShortLoad{Expected: w.Expected, Listed: w.Listed}
		}
		out = append(out, approval)
		deletes += w.Deletes
	}
	a.metrics.of(table).deletesHeld.Update(float64(deletes))
	return out, nil
}

// ApproveDeletes lets the deletes of a run go on. Approving twice does no harm.
func (a *Activities) ApproveDeletes(ctx context.Context, in activities.ApproveInput) (*activities.ApproveResult, error) {
	n, err := a.o.Ledger.ApproveDeletes(ctx, in.Run)
	if err != nil {
		return nil, fmt.Errorf("approving the deletes of %s: %w", in.Run, err)
	}
	waiting, err := a.approvals(ctx, in.Table)
	return &activities.ApproveResult{Approved: n, Waiting: waiting}, err
}

// RejectDeletes drops the deletes of a run: Campaign keeps the records. Rejecting twice
// does no harm.
func (a *Activities) RejectDeletes(ctx context.Context, in activities.ApproveInput) (*activities.RejectResult, error) {
	n, err := a.o.Ledger.RejectDeletes(ctx, in.Run)
	if err != nil {
		return nil, fmt.Errorf("rejecting the deletes of %s: %w", in.Run, err)
	}
	waiting, err := a.approvals(ctx, in.Table)
	return &activities.RejectResult{Rejected: n, Waiting: waiting}, err
}

// holdBackDelete parks a delete. One that waits already keeps its run and since when it
// waits.
func (r *recordWriter) holdBackDelete(known *ledger.Record, e *ledger.Entry, why reconcile.Why) ledger.Result {
	waits := ledger.WaitsForDeleteGuard
	if why == reconcile.ChildrenFirst {
		waits = ledger.WaitsForChildren
	}
	rec := &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: known.TargetKey, State: ledger.Parked, Run: r.run, SeenRun: r.seenBaseline(known),
		Payload: known.Payload, Fingerprint: known.Fingerprint, CreatedRun: known.CreatedRun}
	park := &ledger.ParkedItem{Key: e.Key, Version: e.Version, Waits: waits, Deleted: e.Deleted, Payload: e.Raw}
	if before := r.waiting[e.Key]; before != nil && before.Waits == waits {
		park.Run, park.Since = before.Run, before.Since
	}
	return ledger.Result{Outcome: ledger.ParkedOut, Record: rec, Park: park, Resolve: known.State == ledger.Quarantined}
}
