package activities

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"

	"causeway.dev/internal/dataverse"
)

// The delta link of a baseline comes with its last page, and is taken to begin
// there (dynamics.md §4.2). What is changed after its page was read and before
// that, the catch-up query finds by modifiedon. What is deleted, nothing would
// find. So a baseline of several pages has an anchor: a delta link that is
// obtained before the first page, by reading the ids alone, and followed after
// the last one for the deletes in between.

// firstPage reads the first page of a baseline, behind an anchor if it is not
// the only one.
func (a *Ingress) firstPage(ctx context.Context, in FetchInput, q dataverse.Query) (*dataverse.Page, error) {
	page, err := a.o.Source.Query(ctx, q)
	if err != nil || page.NextLink == "" {
		return page, err // one answer is of one moment
	}
	run, err := a.o.Ledger.Run(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	if run.Anchor == "" {
		link, err := a.anchor(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("reading the ids before the baseline: %w", err)
		}
		if err := a.o.Ledger.SetAnchor(ctx, in.Run, link); err != nil {
			return nil, err
		}
	}
	return a.o.Source.Query(ctx, q) // the page above is older than the anchor
}

// anchor reads ids up to the delta link.
func (a *Ingress) anchor(ctx context.Context, q dataverse.Query) (string, error) {
	q = idsOnly(q)
	page, err := a.o.Source.Query(ctx, q)
	for n := 1; err == nil && page.NextLink != ""; n++ {
		activity.RecordHeartbeat(ctx, n)
		page, err = a.o.Source.Follow(ctx, q, page.NextLink)
	}
	if err != nil {
		return "", err
	}
	return page.DeltaLink, nil
}

// deletedSince lists what was deleted since the anchor of a run.
func (a *Ingress) deletedSince(ctx context.Context, run string, q dataverse.Query) ([]dataverse.Change, error) {
	at, err := a.o.Ledger.Run(ctx, run)
	if err != nil || at.Anchor == "" {
		return nil, err
	}
	q = idsOnly(q)
	var out []dataverse.Change
	link := at.Anchor
	for n := 1; link != ""; n++ {
		page, err := a.o.Source.Follow(ctx, q, link)
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
