package optout

import (
	"context"
	"fmt"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
)

const (
	profilesPerPage    = 1000
	dueContactsPerPage = 500 // contacts that wait
)

// FetchOptOuts reads one page of choices from either system and stages it, so that what is
// written is what was read, however often either activity runs. It returns counts only;
// choices, links and ids stay in the ledger. A page that is staged already is returned
// without reading it again.
//
// A baseline reads Campaign's profiles, then all contacts. The first page of
// changes is waited for, up to in.Wait: contacts changed in Dynamics, profiles or
// files from Campaign, opt-outs whose profile has come.
func (a *Activities) FetchOptOuts(ctx context.Context, in activities.FetchInput) (_ *activities.FetchResult, err error) {
	defer func() { err = run.Lost(err) }()
	ctx = run.InTurn(ctx)
	var checked run.Checked
	defer run.KeepBeating(ctx, checked.Beat)()
	staged, last, err := run.StagedPage(ctx, a.o.Ledger, in, "Start optout again")
	if err != nil || staged != nil {
		return staged, err
	}
	identity := ""
	if in.Phase == activities.PhaseDelta && in.Page == 1 {
		if identity, err = run.SameLedger(ctx, a.o.Ledger, in.Known, activities.FlowOptOut, activities.FlowOptOut, ""); err != nil {
			return nil, err
		}
	}
	plan, err := a.plan(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	f := &pageFetch{Activities: a, in: in, plan: plan, checked: &checked}
	if in.Phase == activities.PhaseDelta && in.Page == 1 {
		out, err := f.wait(ctx)
		if out != nil {
			out.Ledger, out.Models = identity, f.found
		}
		return out, err
	}
	page, err := f.next(ctx, last)
	if err != nil {
		return nil, run.ToTemporal(ctx, fmt.Errorf("reading page %d of %s: %w", in.Page, in.Run, err))
	}
	if page.end.None() && last != nil {
		page.end = last.End
	}
	return f.stage(ctx, page)
}

// pageFetch is one attempt to read a page.
type pageFetch struct {
	*Activities
	in        activities.FetchInput
	plan      *settingsPlan
	watermark ledger.Watermark
	checked   *run.Checked
	saved     time.Time
	unsaved   bool
	found     *activities.ModelChanges // by a look at the data models; nil: there was none
	hearing   *run.Hearing             // says when Dynamics is asked
}

// sourcePage is a page as it was read from a source.
type sourcePage struct {
	entries []ledger.Entry
	// next is where reading goes on: in Campaign's profiles, in the modified ones, in
	// Dynamics' contacts or in a file (see inbox.Position).
	next ledger.Cursor
	// end is the position behind the run: a delta link of the contacts, the time of
	// the look at Campaign, or nowhere, when rows of a file were read.
	end  ledger.Cursor
	file *inbox.File[*exportRows] // that the rows are of; nil: of none
}

// next reads the page behind the last one.
func (f *pageFetch) next(ctx context.Context, last *ledger.Page) (*sourcePage, error) {
	follows := last != nil && last.Phase == string(f.in.Phase) && !last.Next.None()
	switch {
	case f.in.Phase == activities.PhaseCatchUp && !follows:
		current, err := f.o.Ledger.Run(ctx, f.in.Run)
		if err != nil {
			return nil, err
		}
		q := f.plan.query()
		q.Filter = run.WindowFilter(activities.Window{Since: current.ServerStart.Add(-f.o.CatchUpSlack)})
		q.OrderBy = "modifiedon asc," + q.KeyColumn + " asc"
		return f.contacts(ctx, func() (*dataverse.Page, error) { return f.o.Dynamics.Query(ctx, q) })
	case f.in.Phase == activities.PhaseBaseline && !follows:
		return f.profiles(ctx, "", campaign.ListOptions{Lines: profilesPerPage}, ledger.CursorProfiles)
	case !follows:
		return nil, fmt.Errorf("phase %q is unknown to this build", f.in.Phase)
	}
	switch link := last.Next.At; last.Next.Kind {
	case ledger.CursorProfiles:
		return f.profiles(ctx, link, campaign.ListOptions{}, ledger.CursorProfiles)
	case ledger.CursorModified:
		page, err := f.profiles(ctx, link, campaign.ListOptions{}, ledger.CursorModified)
		if err == nil {
			page.entries, err = f.onlyNews(ctx, page.entries)
		}
		return page, err
	case ledger.CursorFile:
		return f.moreOfFile(ctx, last.Next)
	case ledger.CursorContacts:
		q := f.plan.query()
		if link == "" {
			q.Track = true
			return f.contacts(ctx, func() (*dataverse.Page, error) { return f.o.Dynamics.Query(ctx, q) })
		}
		return f.contacts(ctx, func() (*dataverse.Page, error) { return f.o.Dynamics.Follow(ctx, q, link) })
	}
	return nil, fmt.Errorf("a page of kind %q is unknown to this build", last.Next.Kind)
}

// contacts reads a page of Dynamics.
func (f *pageFetch) contacts(ctx context.Context, read func() (*dataverse.Page, error)) (*sourcePage, error) {
	page, err := run.Retry(ctx, nil, read)
	if err != nil {
		return nil, err
	}
	return f.contactsOf(page)
}

func (f *pageFetch) contactsOf(page *dataverse.Page) (*sourcePage, error) {
	out := &sourcePage{}
	for _, c := range page.Changes {
		e, err := f.plan.dynamicsEntry(c)
		if err != nil {
			return nil, err
		}
		out.entries = append(out.entries, e)
	}
	if page.NextLink != "" {
		out.next = ledger.Cursor{Kind: ledger.CursorContacts, At: page.NextLink}
	}
	if page.DeltaLink != "" {
		out.end = ledger.Cursor{Kind: ledger.CursorContacts, At: page.DeltaLink}
	}
	return out, nil
}

// profiles reads a page of Campaign's list. Behind the last one a baseline goes on
// with the contacts.
func (f *pageFetch) profiles(ctx context.Context, link string, o campaign.ListOptions, list ledger.CursorKind) (*sourcePage, error) {
	if f.in.Kind == activities.KindDelta {
		ctx = budget.ForChanges(ctx)
	}
	at := f.o.Now().Add(-f.plan.Settings.Skew)
	page, err := run.Retry(ctx, nil, func() (*campaign.Page, error) {
		if link != "" {
			return f.o.Campaign.Follow(ctx, f.plan.resource(), link)
		}
		return f.o.Campaign.List(ctx, f.plan.resource(), o)
	})
	if err != nil {
		return nil, err
	}
	out := &sourcePage{}
	for _, raw := range page.Records {
		e, ours, err := f.plan.campaignEntry(raw, at)
		if err != nil {
			return nil, err
		}
		if ours {
			out.entries = append(out.entries, e)
		}
	}
	switch {
	case page.Next != "":
		out.next = ledger.Cursor{Kind: list, At: page.Next}
	case list == ledger.CursorProfiles:
		out.next = ledger.Cursor{Kind: ledger.CursorContacts}
	}
	return out, nil
}

// stage keeps a page in lanes by contact.
func (f *pageFetch) stage(ctx context.Context, page *sourcePage) (*activities.FetchResult, error) {
	staged, err := run.Stage(ctx, f.o.Ledger, f.in, ledger.Run{Flow: activities.FlowOptOut, Table: activities.FlowOptOut, Started: f.o.Now().UTC()},
		ledger.PageInput{Phase: string(f.in.Phase), Lanes: run.SplitIntoLanes(page.entries, f.in.Lanes), Next: page.next, End: page.end})
	page.leaveFile(err)
	if err != nil {
		return nil, err
	}
	f.metrics.read.Inc(int64(staged.Read))
	out := run.FetchResult(staged)
	out.BadFiles = f.badFiles(ctx)
	return out, nil
}
