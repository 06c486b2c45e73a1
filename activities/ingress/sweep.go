package ingress

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
)

// sweepPage is how many records a page of a sweep checks.
const sweepPage = 500

// fetchUnseen takes records that the ledger knows and the baseline did not show, and asks
// Dynamics for each. Only a 404 means that it was deleted.
func (a *Activities) fetchUnseen(ctx context.Context, m *tableMapper, in activities.FetchInput, after string) (*dataverse.Page, ledger.Cursor, error) {
	if after == "" {
		if err := a.o.Ledger.SetListed(ctx, in.Run, string(activities.PhaseBaseline)); err != nil {
			return nil, ledger.Cursor{}, err
		}
	}
	unseen, err := a.o.Ledger.Unseen(ctx, in.Table, in.Run, after, sweepPage)
	if err != nil {
		return nil, ledger.Cursor{}, err
	}
	return a.readCurrent(ctx, m, in, unseen, len(unseen) == sweepPage)
}

// readCurrent reads records by their keys, as Dynamics has them now. One that Dynamics
// does not have is deleted. The page ends before the first record that gave no answer, so
// that every attempt gets further. The cursor says where the next page begins.
func (a *Activities) readCurrent(ctx context.Context, m *tableMapper, in activities.FetchInput, keys []string, full bool) (page *dataverse.Page, next ledger.Cursor, err error) {
	page = &dataverse.Page{}
	if len(keys) == 0 {
		return page, next, nil
	}
	defer run.KeepBeating(ctx, func() any { return in.Page })()
	present, err := a.o.Source.ByIDs(ctx, m.query, keys)
	if err != nil {
		return nil, next, err
	}
	found := make(map[string]*dataverse.Change, len(present.Changes)) // these exist, and are applied as read
	for i := range present.Changes {
		found[present.Changes[i].Key] = &present.Changes[i]
	}
	changes, err := a.confirmDeletes(ctx, m.query, in, keys, found)
	if err != nil && len(changes) == 0 {
		return nil, next, err
	}
	page.Changes = changes
	if full || len(changes) < len(keys) {
		next = ledger.After(keys[len(changes)-1])
	}
	return page, next, nil
}

// confirmDeletes reads the records that are not in found one by one. It returns all
// records in the order of keys, up to the first that gave no answer; the error says why
// that was.
func (a *Activities) confirmDeletes(ctx context.Context, q dataverse.Query, in activities.FetchInput, keys []string, found map[string]*dataverse.Change) ([]dataverse.Change, error) {
	answers, errs := make([]*dataverse.Change, len(keys)), make([]error, len(keys))
	var reads errgroup.Group
	reads.SetLimit(run.ReadsAtATime)
	for i, key := range keys {
		if answers[i] = found[key]; answers[i] != nil {
			continue
		}
		reads.Go(func() error {
			answers[i], errs[i] = a.readOne(ctx, q, key)
			activity.RecordHeartbeat(ctx, in.Page)
			return errs[i]
		})
	}
	_ = reads.Wait() // errs has them by record
	var changes []dataverse.Change
	for i := range keys {
		if errs[i] != nil {
			return changes, fmt.Errorf("%d of %d records gave no answer whether they still exist: %w", countErrors(errs), len(keys), errs[i])
		}
		changes = append(changes, *answers[i])
	}
	return changes, nil
}

// readOne asks a few times whether a record exists, and what it holds.
func (a *Activities) readOne(ctx context.Context, q dataverse.Query, key string) (*dataverse.Change, error) {
	change, err := run.Retry(ctx, nil, func() (*dataverse.Change, error) { return a.o.Source.Get(ctx, q, key) })
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		return &dataverse.Change{Key: key, Deleted: true}, nil
	}
	return change, err
}

func countErrors(errs []error) int {
	n := 0
	for _, err := range errs {
		if err != nil {
			n++
		}
	}
	return n
}
