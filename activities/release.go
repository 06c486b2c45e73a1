package activities

import (
	"context"
	"time"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

const (
	// KindRelease tries quarantined records again, each as Dynamics has it now.
	KindRelease Kind = "release"
	// PhaseQuarantined is the quarantined records that a release tries.
	PhaseQuarantined Phase = "quarantined"
)

// How many quarantined records a page of a release holds. One that the schedule
// asks for has a single page, and a small one: most of it is refused again, at the
// price of a call each.
const (
	releasePage = 500
	duePage     = 100
)

// Selection says which quarantined records of a table are meant; empty fields
// match all.
type Selection struct {
	IDs    []string  `json:"ids,omitempty"` // record ids, at most 1,000
	Run    string    `json:"run,omitempty"` // that refused it last
	Code   string    `json:"code,omitempty"`
	Field  string    `json:"field,omitempty"`
	Before time.Time `json:"before,omitzero"` // first refused before
}

// All says that nothing is left out.
func (s Selection) All() bool {
	return len(s.IDs) == 0 && s.Run == "" && s.Code == "" && s.Field == "" && s.Before.IsZero()
}

// filterOf is a selection in the ledger's terms.
func filterOf(s Selection, flow, table string) ledger.QuarantineFilter {
	return ledger.QuarantineFilter{Flow: flow, Table: table, Keys: s.IDs, Run: s.Run, Code: s.Code, Field: s.Field, SeenBefore: s.Before}
}

// Release is what a release tries again.
type Release struct {
	Selection
	Due           bool `json:"due,omitempty"`            // what is to be tried by itself by now; one page of it
	RefusedBefore bool `json:"refused_before,omitempty"` // what was refused under another revision of the mapping
	Remodelled    bool `json:"remodelled,omitempty"`     // everything, because a data model has changed
}

// releaseSize is how many records a page of a release holds.
func releaseSize(r *Release) int {
	if r.Due {
		return duePage
	}
	return releasePage
}

// releaseFilter selects what a release is to try by now.
func releaseFilter(r *Release, ref RunRef) ledger.QuarantineFilter {
	f := filterOf(r.Selection, FlowIngress, ref.Table)
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
func (a *Ingress) quarantined(ctx context.Context, m *tableMapper, in FetchInput, after string) (*dataverse.Page, ledger.Cursor, error) {
	if in.Release == nil {
		return nil, ledger.Cursor{}, blocked("BadInput", "a release needs to know what it tries")
	}
	f := releaseFilter(in.Release, in.RunRef)
	f.Limit = releaseSize(in.Release)
	if after != "" {
		f.After = ledger.QuarantineKey{Flow: FlowIngress, Table: in.Table, Key: after}
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
func (a *Ingress) toTry(ctx context.Context, in OpenRunInput) int64 {
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
func (a *Ingress) claimed(ctx context.Context, in LaneInput, lane *ledger.Lane) (map[string]bool, error) {
	if in.Kind != KindRelease {
		return nil, nil
	}
	var keys []string
	for i, e := range lane.Entries {
		if lane.Outcomes[i] == ledger.Pending {
			keys = append(keys, e.Key)
		}
	}
	return a.o.Ledger.Claimed(ctx, FlowIngress, in.Table, in.Run, keys)
}

// closed leaves a record out that was refused or waits, and that Dynamics has
// deleted where deletes are not applied: there is nothing to try again or to wait
// for, and Campaign keeps what it has.
func (r *recordWriter) closed(known *ledger.Record, e *ledger.Entry) settlement {
	left := *known
	left.State, left.Version, left.Run, left.SeenRun = ledger.Filtered, e.Version, r.run, r.seen(known)
	return settlement{Result: ledger.Result{Outcome: ledger.FilteredOut, Record: &left, Resolve: true}}
}

// refuseOrphan refuses a record, and notes a parent that Campaign does not hold
// if the refusal may be for want of it.
func (r *recordWriter) refuseOrphan(ctx context.Context, known *ledger.Record, e *ledger.Entry, fail *apierr.Error, want *mapping.Payload) (settlement, error) {
	s := r.refuse(known, e, string(fail.Class), fail.Reason, fail.Message, fail.Field)
	if fail.Reason != apierr.ReasonNotFound && fail.Reason != apierr.ReasonConflict {
		return s, nil
	}
	for _, link := range r.m.mapper.Links(want) {
		held, err := r.ledger.Holds(ctx, link.Table, []string{link.Key})
		if err != nil {
			return settlement{}, err
		}
		if !held[link.Key] {
			s.Quarantine.Parent = ledger.Parent{Table: link.Table, Key: link.Key}
			break
		}
	}
	return s, nil
}

// due says whether quarantined records are to be tried again, which comes before
// the changes: those never end on a busy table.
func (w *waiter) due(ctx context.Context) (bool, error) {
	now := time.Now()
	if w.in.DueFrom.IsZero() || now.Before(w.in.DueFrom) || now.Sub(w.looked) < rouseEvery {
		return false, nil
	}
	w.looked = now
	if _, err := w.o.Ledger.RetryUnblocked(ctx, FlowIngress, w.in.Table); err != nil {
		return false, err
	}
	return w.o.Ledger.QuarantineDue(ctx, FlowIngress, w.in.Table, now)
}

// release ends the wait for a release.
func (w *waiter) release(ctx context.Context, err error) (*FetchResult, error) {
	if err != nil {
		return nil, err
	}
	out, err := w.leave(ctx)
	if err == nil {
		out.Due = true
	}
	return out, err
}
