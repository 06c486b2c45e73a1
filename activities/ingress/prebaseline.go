package ingress

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
)

// The delta link of a baseline comes with its last page, and is taken to begin there
// (docs/protocol/dynamics.md §4.2). A record may change after its page was read and
// before that. The catch-up query finds such a change by modifiedon, but it cannot find
// a delete. Therefore a baseline of several pages has a pre-baseline link: a delta link
// that is obtained before the first page, by reading the ids alone. It is followed after
// the last page, for the deletes in between.

// firstPage reads the first page of a baseline. If there are more, a pre-baseline link
// is obtained before it.
func (a *Activities) firstPage(ctx context.Context, in activities.FetchInput, q dataverse.Query) (*dataverse.Page, error) {
	run, err := a.o.Ledger.Run(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	if run.PreBaseline.None() {
		page, err := a.readPage(ctx, q, "")
		if err != nil || page.NextLink == "" {
			return page, err // a single page shows one moment, so nothing is missed
		}
	}
	if err := a.obtainPreBaselineLink(ctx, run, idsOnly(q)); err != nil {
		return nil, fmt.Errorf("reading the ids before the baseline: %w", err)
	}
	return a.readPage(ctx, q, "") // again, because the page above is older than the pre-baseline link
}

// obtainPreBaselineLink reads ids up to the delta link, which it keeps with the run. It
// also keeps each link on the way, so that every attempt gets further.
func (a *Activities) obtainPreBaselineLink(ctx context.Context, current *ledger.Run, q dataverse.Query) error {
	next, unfinished := current.PreBaseline.Of(ledger.CursorUnfinished)
	if !current.PreBaseline.None() && !unfinished {
		return nil
	}
	var beat activities.PreBaselineBeat
	if unfinished && activity.HasHeartbeatDetails(ctx) {
		_ = activity.GetHeartbeatDetails(ctx, &beat) // on failure it counts from here
	}
	var links run.Cycle
	for {
		soFar := beat
		page, err := a.readPageBeating(ctx, q, next, func() any { return soFar })
		if apierr.ReasonOf(err) == apierr.ReasonLinkExpired {
			return errors.Join(err, a.o.Ledger.SetPreBaseline(ctx, current.ID, ledger.Cursor{})) // from the start, next time
		}
		if err != nil {
			return err
		}
		beat.IDs += int64(len(page.Changes))
		activity.RecordHeartbeat(ctx, beat)
		if next = page.NextLink; next == "" {
			return a.o.Ledger.SetPreBaseline(ctx, current.ID, ledger.LinkCursor(page.DeltaLink))
		}
		if links.Closes(next) { // from the start, next time
			return errors.Join(run.LinkRepeated("dataverse", "read the ids of "+q.EntitySet), a.o.Ledger.SetPreBaseline(ctx, current.ID, ledger.Cursor{}))
		}
		if err := a.o.Ledger.SetPreBaseline(ctx, current.ID, ledger.Cursor{Kind: ledger.CursorUnfinished, At: next}); err != nil {
			return err
		}
	}
}

// readPage reads one page from Dynamics; "" is the first. It tries a few times before
// Temporal's slower retry takes over.
func (a *Activities) readPage(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error) {
	return a.readPageBeating(ctx, q, link, nil)
}

// readPageBeating is readPage with details in its heartbeats.
func (a *Activities) readPageBeating(ctx context.Context, q dataverse.Query, link string, beat func() any) (*dataverse.Page, error) {
	defer run.KeepBeating(ctx, beat)()
	return run.Retry(ctx, nil, func() (*dataverse.Page, error) {
		if link == "" {
			return a.o.Source.Query(ctx, q)
		}
		return a.o.Source.Follow(ctx, q, link)
	})
}

// deletedSince lists what was deleted since the pre-baseline link of a run.
func (a *Activities) deletedSince(ctx context.Context, id string, q dataverse.Query) ([]dataverse.Change, error) {
	at, err := a.o.Ledger.Run(ctx, id)
	if err != nil || at.PreBaseline.None() {
		return nil, err
	}
	q = idsOnly(q)
	var out []dataverse.Change
	link := at.PreBaseline.At
	var links run.Cycle
	for n := 1; link != ""; n++ {
		page, err := a.readPage(ctx, q, link)
		if err != nil {
			return nil, fmt.Errorf("looking for what was deleted during the baseline: %w", err)
		}
		for _, c := range page.Changes {
			if c.Deleted {
				out = append(out, c)
			}
		}
		activity.RecordHeartbeat(ctx, n)
		if link = page.NextLink; links.Closes(link) {
			return nil, run.LinkRepeated("dataverse", "read what was deleted of "+q.EntitySet)
		}
	}
	return out, nil
}

// idsOnly is a tracked query of the same records that reads their ids alone.
func idsOnly(q dataverse.Query) dataverse.Query {
	return dataverse.Query{EntitySet: q.EntitySet, KeyColumn: q.KeyColumn, Select: []string{q.KeyColumn}, Track: true}
}
