package ingress

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
)

// Dynamics leaves rows that the application user may not read out of its lists without a
// word. Asked for by its id, a hidden row is refused for want of a privilege (403), and
// one that is gone is not found (404). Where Dynamics answers 404 for hidden rows, too,
// only its count of the whole table tells that something is hidden: privileges do not
// change it. See shortLoad.

// lookForHidden asks by id for records that the ledger knows and that a list may have
// left out. If Dynamics refuses to show one, the list says nothing about what is gone, and
// somebody has to mend the role. It looks at a sample from all over the table, and at the
// whole of a small one.
func (a *Activities) lookForHidden(ctx context.Context, m *tableMapper, table string) error {
	keys, err := a.o.Ledger.SampleHeld(ctx, table)
	if err != nil || len(keys) == 0 {
		return err
	}
	present, err := a.o.Source.ByIDs(ctx, m.query, keys)
	if err != nil {
		return err
	}
	listed := make(map[string]bool, len(present.Changes))
	for i := range present.Changes {
		listed[present.Changes[i].Key] = true
	}
	var refused atomic.Int64
	var reads errgroup.Group
	reads.SetLimit(run.ReadsAtATime)
	for _, key := range keys {
		if listed[key] {
			continue
		}
		reads.Go(func() error {
			_, err := a.readOne(ctx, m.query, key)
			activity.RecordHeartbeat(ctx, key)
			if apierr.ClassOf(err) == apierr.Blocked && apierr.ReasonOf(err) == apierr.ReasonPermission {
				refused.Add(1)
				return nil
			}
			return err
		})
	}
	if err := reads.Wait(); err != nil {
		return fmt.Errorf("asking whether records are hidden: %w", err)
	}
	if n := refused.Load(); n > 0 {
		return &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonPermission, Service: "dataverse", Op: "read " + m.plan.Table.Dynamics.Table,
			Message: fmt.Sprintf("Dynamics hides records from the application user: of %d that were looked at, %d are left out of its lists and refused by their ids. "+
				"They are not gone, and nothing was deleted. Give the application user a role that can read the whole organisation's rows", len(keys), n)}
	}
	return nil
}

// readNamed reads the records that a backfill was asked for by id. Those that Dynamics does
// not have are kept with the run, and nothing is done about them: a backfill deletes
// nothing. One that Dynamics refuses to show ends the run.
func (a *Activities) readNamed(ctx context.Context, q dataverse.Query, in activities.FetchInput) (*dataverse.Page, error) {
	page, err := a.o.Source.ByIDs(ctx, q, in.Window.IDs)
	if err != nil {
		return nil, err
	}
	listed := make(map[string]bool, len(page.Changes))
	for i := range page.Changes {
		listed[page.Changes[i].Key] = true
	}
	var missing []string
	for _, id := range in.Window.IDs {
		if !listed[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return page, nil
	}
	answers, err := a.confirmDeletes(ctx, q, in, missing, nil)
	if err != nil {
		return nil, err
	}
	var gone []string
	for i := range answers {
		if answers[i].Deleted {
			gone = append(gone, answers[i].Key)
		} else { // it came meanwhile
			page.Changes = append(page.Changes, answers[i])
		}
	}
	return page, a.o.Ledger.SetNotFound(ctx, in.Run, gone)
}

// checkScan looks for hidden records when a backfill of the whole table was shown fewer
// than Campaign holds. page is how many the last page has.
func (a *Activities) checkScan(ctx context.Context, m *tableMapper, in activities.FetchInput, page int) error {
	if w := in.Window; !w.Since.IsZero() || !w.Until.IsZero() || len(w.Where) > 0 {
		return nil
	}
	known, err := a.o.Ledger.KnownCount(ctx, in.Table)
	if err != nil {
		return err
	}
	read, err := a.o.Ledger.PhaseReads(ctx, in.Run, string(activities.PhaseScan))
	if err != nil || read+int64(page) >= known {
		return err
	}
	return a.lookForHidden(ctx, m, in.Table)
}
