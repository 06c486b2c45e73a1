package run

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// StagedPage looks for a page in the ledger before it is read from the source. It
// returns the result of a page that is staged already, else the page before it, and
// neither of them for the first page of a run. startAgain says what an operator does
// when the page before is missing.
func StagedPage(ctx context.Context, l *ledger.Ledger, in activities.FetchInput, startAgain string) (*activities.FetchResult, *ledger.Page, error) {
	page, err := l.Page(ctx, in.Run, in.Page)
	if err == nil {
		return FetchResult(page), nil, nil
	}
	if !errors.Is(err, ledger.ErrNotFound) || in.Page == 1 {
		return nil, nil, unlessNotFound(err)
	}
	last, err := l.Page(ctx, in.Run, in.Page-1)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil, Blocked(activities.FailureLedgerLost, fmt.Sprintf(
			"run %s: page %d is not in the ledger, so page %d cannot be read; was the ledger restored from a backup? %s: it continues from where everything is written", in.Run, in.Page-1, in.Page, startAgain))
	}
	return nil, last, err
}

func unlessNotFound(err error) error {
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	return err
}

// Stage keeps a page in the ledger. The first page of changes begins its run if nothing
// has yet: only that page shows that a run is called for. Other runs were opened before, so
// one that is not there was lost with the ledger.
func Stage(ctx context.Context, l *ledger.Ledger, in activities.FetchInput, r ledger.Run, page ledger.PageInput) (*ledger.Page, error) {
	if in.Page == 1 && in.Kind == activities.KindDelta {
		r.ID, r.Kind, r.Revision, r.Workflow = in.Run, ledger.RunKind(in.Kind), in.Revision, activity.GetInfo(ctx).WorkflowExecution.ID
		if _, err := l.BeginRun(ctx, r); err != nil {
			return nil, err
		}
	}
	page.Run, page.Table, page.Number = in.Run, r.Table, in.Page
	if err := CheckProgress(ctx, l, page); err != nil {
		return nil, err
	}
	staged, err := l.StagePage(ctx, page)
	if err != nil {
		return nil, fmt.Errorf("staging page %d of run %s: %w", in.Page, in.Run, err)
	}
	return staged, nil
}

// SplitIntoLanes sorts entries into lanes by their keys, so that those of one key keep
// their order.
func SplitIntoLanes(entries []ledger.Entry, lanes int) [][]ledger.Entry {
	out := make([][]ledger.Entry, lanes)
	for _, e := range entries {
		lane := LaneOf(e.Key, lanes)
		out[lane] = append(out[lane], e)
	}
	return out
}

// LaneOf is the lane of a key. It is the same on every page of a run.
func LaneOf(key string, lanes int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum32() % uint32(lanes)) //nolint:gosec // lanes is 1 to 32
}

// FetchResult describes a staged page to the workflow.
func FetchResult(p *ledger.Page) *activities.FetchResult {
	return &activities.FetchResult{Page: p.Number, Phase: activities.Phase(p.Phase), Read: p.Read, Lanes: p.LaneSizes, More: !p.Next.None()}
}

// WindowFilter is the Dataverse filter by modifiedon for a window; "" selects
// everything.
func WindowFilter(w activities.Window) string {
	var parts []string
	if !w.Since.IsZero() {
		parts = append(parts, "modifiedon ge "+w.Since.UTC().Format(time.RFC3339))
	}
	if !w.Until.IsZero() {
		parts = append(parts, "modifiedon lt "+w.Until.UTC().Format(time.RFC3339))
	}
	return strings.Join(parts, " and ")
}
