package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// fetchChanges stages the first page of changes behind the watermark, polling
// for up to wait while there are none; from dueFrom on, unless it is zero, it
// comes back when quarantined records are due.
func fetchChanges(ctx workflow.Context, ref activities.RunRef, tuning Tuning, wait time.Duration, dueFrom time.Time, known *activities.LedgerKnown) (*activities.FetchResult, error) {
	summary := "changes since the watermark"
	if wait > 0 {
		summary = "waiting for changes"
	}
	var first activities.FetchResult
	opts := activityOptions(QueueDataverse, activities.KindDelta, summary)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.FetchPage, activities.FetchInput{
		RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: tuning.Lanes, Wait: activities.Duration(wait), Poll: tuning.Poll, DueFrom: dueFrom, Known: known,
	}).Get(ctx, &first)
	if err != nil {
		return nil, fmt.Errorf("reading changes to %s: %w", ref.Table, err)
	}
	return &first, nil
}

// applyChanges runs one delta pass if anything changed; nil when nothing did.
func applyChanges(ctx workflow.Context, id FlowID, ref activities.RunRef, tuning Tuning, known *activities.LedgerKnown) (*PassResult, error) {
	first, err := fetchChanges(ctx, ref, tuning, 0, time.Time{}, known)
	if err != nil || first.Nothing {
		return nil, err
	}
	return applyBetween(ctx, ingressSteps, id, PassInput{Instance: id.Instance, Ref: ref, Tuning: tuning}, first)
}
