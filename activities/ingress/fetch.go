package ingress

import (
	"context"
	"fmt"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
)

// FetchPage reads one page and stages it, so that what is written is what was read,
// however often either activity runs. It returns counts only; records and links stay in
// the ledger. A page that is staged already is returned without reading it again.
func (a *Activities) FetchPage(ctx context.Context, in activities.FetchInput) (_ *activities.FetchResult, err error) {
	defer func() { err = run.Lost(err) }()
	ctx = run.InTurn(ctx)
	if in.Phase == activities.PhaseDelta && in.Page == 1 {
		return a.fetchChanges(ctx, in)
	}
	staged, last, err := run.StagedPage(ctx, a.o.Ledger, in, "Start the table again")
	if err != nil || staged != nil {
		return staged, err
	}
	m, err := a.mappingOf(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	page, next, err := a.readPhase(ctx, m, in, last)
	if err != nil {
		return nil, run.ToTemporal(ctx, fmt.Errorf("reading page %d of %s: %w", in.Page, in.Table, err))
	}
	end := ledger.LinkCursor(page.DeltaLink)
	if end.None() && last != nil {
		end = last.End // the last page of a run carries the baseline's link
	}
	return a.stage(ctx, in, page, next, end)
}

// readPhase reads the page that in.Phase calls for, and says where the next one begins.
func (a *Activities) readPhase(ctx context.Context, m *tableMapper, in activities.FetchInput, last *ledger.Page) (*dataverse.Page, ledger.Cursor, error) {
	var from ledger.Cursor // where the page before ended, if it was of this phase
	if last != nil && last.Phase == string(in.Phase) {
		from = last.Next
	}
	switch in.Phase {
	case activities.PhaseSweep:
		return a.fetchUnseen(ctx, m, in, from.At)
	case activities.PhaseUndo:
		return a.fetchUndone(ctx, in, from.At)
	case activities.PhaseQuarantined:
		return a.fetchQuarantined(ctx, m, in, from.At)
	}
	page, err := a.readLinked(ctx, m, in, from.At)
	if err != nil {
		return nil, ledger.Cursor{}, err
	}
	if in.Phase == activities.PhaseScan && page.NextLink == "" {
		if err := a.checkScan(ctx, m, in, len(page.Changes)); err != nil {
			return nil, ledger.Cursor{}, err
		}
	}
	return page, ledger.LinkCursor(page.NextLink), nil
}

// readLinked reads a page of a phase whose pages Dynamics links; "" is the first.
func (a *Activities) readLinked(ctx context.Context, m *tableMapper, in activities.FetchInput, link string) (*dataverse.Page, error) {
	q := m.query
	switch in.Phase {
	case activities.PhaseBaseline:
		q.Track = true
	case activities.PhaseCatchUp:
		current, err := a.o.Ledger.Run(ctx, in.Run)
		if err != nil {
			return nil, err
		}
		q.Filter = run.WindowFilter(activities.Window{Since: current.ServerStart.Add(-a.o.CatchUpSlack)})
		q.OrderBy = "modifiedon asc," + q.KeyColumn + " asc"
	case activities.PhaseScan:
		q.Filter = run.WindowFilter(in.Window)
		q.OrderBy = q.KeyColumn + " asc"
	case activities.PhaseIDs:
		defer run.KeepBeating(ctx, nil)()
		return a.readNamed(ctx, q, in)
	case activities.PhaseDelta:
	default:
		return nil, fmt.Errorf("phase %q is unknown to this build", in.Phase)
	}
	var page *dataverse.Page
	var err error
	switch {
	case in.Phase == activities.PhaseScan:
		return a.fetchScan(ctx, m, q, in.Window.Where, link)
	case in.Phase == activities.PhaseBaseline && link == "":
		page, err = a.firstPage(ctx, in, q)
	default:
		page, err = a.readPage(ctx, q, link)
	}
	if err != nil || in.Phase != activities.PhaseCatchUp || page.NextLink != "" {
		return page, err
	}
	deleted, err := a.deletedSince(ctx, in.Run, q)
	page.Changes = append(page.Changes, deleted...)
	return page, err
}

// stage keeps a page in the ledger, in lanes by record key.
func (a *Activities) stage(ctx context.Context, in activities.FetchInput, page *dataverse.Page, next, end ledger.Cursor) (*activities.FetchResult, error) {
	m, err := a.mappingOf(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	deletes, err := a.deletesOf(ctx, m, in.Table, page.Changes)
	if err != nil {
		return nil, fmt.Errorf("counting the deletes of page %d of %s: %w", in.Page, in.Table, err)
	}
	entries := make([]ledger.Entry, len(page.Changes))
	for i, c := range page.Changes {
		entries[i] = ledger.Entry{Key: c.Key, Version: c.Version, Deleted: c.Deleted, Raw: c.Raw}
	}
	staged, err := run.Stage(ctx, a.o.Ledger, in, ledger.Run{Flow: activities.FlowIngress, Table: in.Table, Started: time.Now().UTC(), ServerStart: page.ServerTime},
		ledger.PageInput{Phase: string(in.Phase), Lanes: run.SplitIntoLanes(entries, in.Lanes), Next: next, End: end, ServerTime: page.ServerTime, Deletes: deletes})
	if err != nil {
		return nil, err
	}
	a.metrics.of(in.Table).read.Inc(int64(staged.Read))
	return run.FetchResult(staged), nil
}
