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

// The delta link of a baseline comes with its last page, and is taken to begin
// there (docs/protocol/dynamics.md §4.2). What is changed after its page was read and before
// that, the catch-up query finds by modifiedon. What is deleted, nothing would
// find. So a baseline of several pages has a pre-baseline link: a delta link that
// is obtained before the first page, by reading the ids alone, and followed after
// the last one for the deletes in between.

// firstPage reads the first page of a baseline, behind a pre-baseline link if it
// is not the only one.
func (a *Activities) firstPage(ctx context.Context, in activities.FetchInput, q dataverse.Query) (*dataverse.Page, error) {
	run, err := a.o.Ledger.Run(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	if run.PreBaseline.None() {
		page, err := a.patiently(ctx, q, "")
		if err != nil || page.NextLink == "" {
			return page, err // one answer is of one moment
		}
	}
	if err := a.preBaseline(ctx, run, idsOnly(q)); err != nil {
		return nil, fmt.Errorf("reading the ids before the baseline: %w", err)
	}
	return a.patiently(ctx, q, "") // the page above is older than the pre-baseline link
}

// preBaseline reads ids up to the delta link, which it keeps with the run. It keeps
// each link on the way there too, so that each attempt gets further.
func (a *Activities) preBaseline(ctx context.Context, run *ledger.Run, q dataverse.Query) error {
	next, unfinished := run.PreBaseline.Of(ledger.CursorUnfinished)
	if !run.PreBaseline.None() && !unfinished {
		return nil
	}
	var beat activities.AnchorBeat
	if unfinished && activity.HasHeartbeatDetails(ctx) {
		_ = activity.GetHeartbeatDetails(ctx, &beat) // of another shape while a page was retried: counted from here
	}
	for {
		soFar := beat
		page, err := a.patientlyTelling(ctx, q, next, func() any { return soFar })
		if apierr.ReasonOf(err) == apierr.ReasonLinkExpired {
			return errors.Join(err, a.o.Ledger.SetPreBaseline(ctx, run.ID, ledger.Cursor{})) // from the start, next time
		}
		if err != nil {
			return err
		}
		beat.IDs += int64(len(page.Changes))
		activity.RecordHeartbeat(ctx, beat)
		if next = page.NextLink; next == "" {
			return a.o.Ledger.SetPreBaseline(ctx, run.ID, ledger.LinkCursor(page.DeltaLink))
		}
		if err := a.o.Ledger.SetPreBaseline(ctx, run.ID, ledger.Cursor{Kind: ledger.CursorUnfinished, At: next}); err != nil {
			return err
		}
	}
}

// patiently reads one page, a few times if need be, before Temporal's slower
// retry takes over.
func (a *Activities) patiently(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error) {
	return a.patientlyTelling(ctx, q, link, nil)
}

// patientlyTelling is patiently with heartbeats that say something.
func (a *Activities) patientlyTelling(ctx context.Context, q dataverse.Query, link string, beat func() any) (*dataverse.Page, error) {
	defer run.KeepBeating(ctx, beat)()
	return run.Retry(ctx, nil, func() (*dataverse.Page, error) {
		if link == "" {
			return a.o.Source.Query(ctx, q)
		}
		return a.o.Source.Follow(ctx, q, link)
	})
}

// deletedSince lists what was deleted since the pre-baseline link of a run.
func (a *Activities) deletedSince(ctx context.Context, run string, q dataverse.Query) ([]dataverse.Change, error) {
	at, err := a.o.Ledger.Run(ctx, run)
	if err != nil || at.PreBaseline.None() {
		return nil, err
	}
	q = idsOnly(q)
	var out []dataverse.Change
	link := at.PreBaseline.At
	for n := 1; link != ""; n++ {
		page, err := a.patiently(ctx, q, link)
		if err != nil {
			return nil, fmt.Errorf("looking for what was deleted during the baseline: %w", err)
		}
		for _, c := range page.Changes {
			if c.Deleted {
				out = append(out, c)
			}
		}
		activity.RecordHeartbeat(ctx, n)
		link = page.NextLink
	}
	return out, nil
}

func idsOnly(q dataverse.Query) dataverse.Query {
	return dataverse.Query{EntitySet: q.EntitySet, KeyColumn: q.KeyColumn, Select: []string{q.KeyColumn}, Track: true}
}
