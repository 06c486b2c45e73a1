package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

var eventSteps = steps{
	flow: activities.FlowEgress, delta: TypeEventPass, open: activities.OpenEventRun, fetch: activities.FetchEvents, write: activities.WriteTimeline, save: activities.SaveEventPosition, end: activities.EndEventRun,
	source: QueueCampaign, target: QueueDataverse, phases: eventPhases,
}

// EventPass brings events to the timeline, page by page: those behind the
// position in the journal and in files that are ready, or those of a backfill.
func EventPass(ctx workflow.Context, in PassInput) (*PassResult, error) {
	p, err := newPass(ctx, in)
	if err != nil {
		return nil, err
	}
	p.steps = eventSteps
	p.steps.between = applyEvents
	return p.run(ctx, EventPass)
}

// eventPhases are the sources, in the order they are read; one that is not
// configured has nothing.
func eventPhases(in PassInput, _ int64) []activities.Phase {
	if in.Window.Folder != "" {
		return []activities.Phase{activities.PhaseFiles}
	}
	return []activities.Phase{activities.PhaseJournal, activities.PhaseFiles}
}

// fetchEvents stages the first page of what is new, waiting for it.
func fetchEvents(ctx workflow.Context, ref activities.RunRef, tuning Tuning, wait time.Duration, known *activities.LedgerKnown) (*activities.FetchResult, error) {
	var first activities.FetchResult
	opts := activityOptions(QueueCampaign, activities.KindDelta, "waiting for events")
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.FetchEvents, activities.FetchInput{
		RunRef: ref, Page: 1, Phase: activities.PhaseEvents, Lanes: tuning.Lanes, Wait: activities.Duration(wait), Poll: tuning.Poll, Known: known,
	}).Get(ctx, &first)
	if err != nil {
		return nil, fmt.Errorf("looking for events: %w", err)
	}
	return &first, nil
}

// applyEvents runs one pass if anything is new; nil when nothing is.
func applyEvents(ctx workflow.Context, id FlowID, ref activities.RunRef, tuning Tuning, known *activities.LedgerKnown) (*PassResult, error) {
	first, err := fetchEvents(ctx, ref, tuning, 0, known)
	if err != nil || first.Nothing {
		return nil, err
	}
	return applyBetween(ctx, eventSteps, id, PassInput{Instance: id.Instance, Ref: ref, Tuning: tuning}, first)
}
