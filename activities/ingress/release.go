package ingress

import (
	"context"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// How many quarantined records a page of a release holds. One that the schedule
// asks for has a single page, and a small one: most of it is refused again, at the
// price of a call each.
const (
	releasePage = 500
	duePage     = 100
)

// releaseSize is how many records a page of a release holds.
func releaseSize(r *activities.Release) int {
	if r.Due {
		return duePage
	}
	return releasePage
}

// releaseFilter selects what a release is to try by now.
func releaseFilter(r *activities.Release, ref activities.RunRef) ledger.QuarantineFilter {
	f := run.FilterOf(r.Selection, activities.FlowIngress, ref.Table)
	f.State = ledger.QuarantineOpen
	if r.Due {
		f.DueBy = time.Now()
	}
	if r.Remodelled {
		f.DueBy = time.Now().AddDate(100, 0, 0) // but what is not to be tried by itself
	}
	if r.RefusedBefore {
		f.OtherRevision = ref.Revision
	}
	return f
}

// quarantined reads the next quarantined records of a release as Dynamics has
// them now. They are claimed before they are read: what another run or an operator
// does with one afterwards is newer, and this run then leaves it alone.
func (a *Activities) quarantined(ctx context.Context, m *tableMapper, in activities.FetchInput, after string) (*dataverse.Page, ledger.Cursor, error) {
	if in.Release == nil {
		return nil, ledger.Cursor{}, run.Blocked("BadInput", "a release needs to know what it tries")
	}
	f := releaseFilter(in.Release, in.RunRef)
	f.Limit = releaseSize(in.Release)
	if after != "" {
		f.After = ledger.QuarantineKey{Flow: activities.FlowIngress, Table: in.Table, Key: after}
	}
	keys, err := a.o.Ledger.Claim(ctx, in.Run, f)
	if err != nil {
		return nil, ledger.Cursor{}, err
	}
	page, next, err := a.asTheyAre(ctx, m, in, keys, len(keys) == f.Limit)
	if in.Release.Due {
		next = ledger.Cursor{} // the rest is still due
	}
	return page, next, err
}

// toTry estimates what a release reads.
func (a *Activities) toTry(ctx context.Context, in activities.OpenRunInput) int64 {
	n, err := a.o.Ledger.CountQuarantined(ctx, releaseFilter(in.Release, in.RunRef))
	if err != nil {
		a.o.Logger.Warn("no estimate of the records to try again", "table", in.Table, "error", err)
	}
	if in.Release.Due {
		n = min(n, duePage)
	}
	return n
}

// claimed is which records of a lane a release may still try; nil for other runs.
func (a *Activities) claimed(ctx context.Context, in activities.LaneInput, lane *ledger.Lane) (map[string]bool, error) {
	if in.Kind != activities.KindRelease {
		return nil, nil
	}
	var keys []string
	for i, e := range lane.Entries {
		if lane.Outcomes[i] == ledger.Pending {
			keys = append(keys, e.Key)
		}
	}
	return a.o.Ledger.Claimed(ctx, activities.FlowIngress, in.Table, in.Run, keys)
}

// closed leaves a record out that was refused or waits, and that Dynamics has
// deleted where deletes are not applied: there is nothing to try again or to wait
// for, and Campaign keeps what it has.
func (r *recordWriter) closed(known *ledger.Record, e *ledger.Entry) settlement {
	left := *known
	left.State, left.Version, left.Run, left.SeenRun = ledger.Filtered, e.Version, r.run, r.seen(known)
	return settlement{Result: ledger.Result{Outcome: ledger.FilteredOut, Record: &left, Resolve: true}}
}

// lacking is a parent that Campaign does not hold, of a record that may have been
// refused for want of it; empty when it holds all.
func (r *recordWriter) lacking(ctx context.Context, want *mapping.Payload) (ledger.Parent, error) {
	for _, link := range r.m.mapper.Links(want) {
		held, err := r.ledger.Holds(ctx, link.Table, []string{link.Key})
		if err != nil {
			return ledger.Parent{}, err
		}
		if !held[link.Key] {
			return ledger.Parent{Table: link.Table, Key: link.Key}, nil
		}
	}
	return ledger.Parent{}, nil
}

// due says whether quarantined records are to be tried again, which comes before
// the changes: those never end on a busy table.
func (w *waiter) due(ctx context.Context) (bool, error) {
	now := time.Now()
	if w.in.DueFrom.IsZero() || now.Before(w.in.DueFrom) || now.Sub(w.looked) < rouseEvery {
		return false, nil
	}
	w.looked = now
	if _, err := w.o.Ledger.RetryUnblocked(ctx, activities.FlowIngress, w.in.Table); err != nil {
		return false, err
	}
	return w.o.Ledger.QuarantineDue(ctx, activities.FlowIngress, w.in.Table, now)
}

// Release ends the wait for a release.
func (w *waiter) Release(ctx context.Context, err error) (*activities.FetchResult, error) {
	if err != nil {
		return nil, err
	}
	out, err := w.leave(ctx)
	if err == nil {
		out.Due = true
	}
	return out, err
}
