package ingress

import (
	"cmp"
	"context"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// How many quarantined records a page of a release holds. A release by the schedule has
// a single, small page: most of its records are refused again, and each costs a call.
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

// releaseFilter selects the records that a release is to try.
func releaseFilter(r *activities.Release, ref activities.RunRef) ledger.QuarantineFilter {
	f := run.QuarantineFilter(r.Selection, activities.FlowIngress, ref.Table)
	f.State = ledger.QuarantineOpen
	if r.Due {
		f.DueBy = time.Now()
	}
	if r.Remodelled {
		f.DueBy = time.Now().AddDate(100, 0, 0) // all but those that are not to be tried by themselves
	}
	if r.RefusedBefore {
		f.OtherRevision = ref.Revision
	}
	return f
}

// fetchQuarantined reads the next quarantined records of a release as Dynamics has them
// now. It claims them before it reads them. Whatever another run or an operator does with
// one afterwards is newer and takes the claim away, and this run leaves it alone.
func (a *Activities) fetchQuarantined(ctx context.Context, m *tableMapper, in activities.FetchInput, after string) (*dataverse.Page, ledger.Cursor, error) {
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
	page, next, err := a.readCurrent(ctx, m, in, keys, len(keys) == f.Limit)
	if in.Release.Due {
		next = ledger.Cursor{} // the rest is still due
	}
	return page, next, err
}

// countToTry estimates how many records a release reads.
func (a *Activities) countToTry(ctx context.Context, in activities.OpenRunInput) int64 {
	n, err := a.o.Ledger.CountQuarantined(ctx, releaseFilter(in.Release, in.RunRef))
	if err != nil {
		a.o.Logger.Warn("no estimate of the records to try again", "table", in.Table, "error", err)
	}
	if in.Release.Due {
		n = min(n, duePage)
	}
	return n
}

// claimed says which records of a lane a release may still try; nil for other runs.
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

// closeDeleted ends the quarantine or the parking of a record that Dynamics has deleted,
// where deletes are not applied. There is nothing more to try or to wait for, and
// Campaign keeps what it has.
func (r *recordWriter) closeDeleted(known *ledger.Record, e *ledger.Entry) ledger.Result {
	left := *known
	left.State, left.Version, left.Run, left.SeenRun = ledger.Filtered, e.Version, r.run, r.seenBaseline(known)
	return ledger.Result{Outcome: ledger.FilteredOut, Record: &left, Resolve: true}
}

// missesParent keeps with a refusal for want of which parent it may be: the first one that
// Campaign does not hold. If it holds all by the ledger, somebody has deleted one there. Then
// it is the first one that Campaign requires, and the record is tried again when that is
// created anew.
func (r *recordWriter) missesParent(ctx context.Context, want *mapping.Payload, q *ledger.QuarantineItem) error {
	required := false
	for _, link := range r.m.mapper.Links(want) {
		found, err := r.ledger.Records(ctx, link.Table, []string{link.Key})
		if err != nil {
			return err
		}
		parent := found[link.Key]
		switch {
		case parent == nil || parent.Payload == nil:
			q.Parent, q.ParentRun = ledger.Parent{Table: link.Table, Key: link.Key}, ""
			return nil
		case q.Parent.Key == "" || link.Required && !required:
			q.Parent, q.ParentRun = ledger.Parent{Table: link.Table, Key: link.Key}, cmp.Or(parent.CreatedRun, ledger.NoRun)
			required = link.Required
		}
	}
	return nil
}

// releaseDue says whether quarantined records are to be tried again by now. They come
// before changes, because on a busy table changes never end.
func (w *changeWait) releaseDue(ctx context.Context) (bool, error) {
	now := time.Now()
	if w.in.DueFrom.IsZero() || now.Before(w.in.DueFrom) || now.Sub(w.dueAsked) < unblockEvery {
		return false, nil
	}
	w.dueAsked = now
	if _, err := w.o.Ledger.RetryUnblocked(ctx, activities.FlowIngress, w.in.Table); err != nil {
		return false, err
	}
	return w.o.Ledger.QuarantineDue(ctx, activities.FlowIngress, w.in.Table, now)
}

// endForRelease ends the wait, so that the workflow begins a release.
func (w *changeWait) endForRelease(ctx context.Context, err error) (*activities.FetchResult, error) {
	if err != nil {
		return nil, err
	}
	out, err := w.endWithNothing(ctx)
	if err == nil {
		out.Due = true
	}
	return out, err
}
