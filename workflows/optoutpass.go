package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

var optOutSteps = steps{
	flow: activities.FlowOptOut, delta: TypeOptOutPass, open: activities.OpenOptOutRun, fetch: activities.FetchOptOuts, write: activities.WriteOptOuts, save: activities.SaveOptOutPosition, end: activities.EndOptOutRun,
	source: QueueDataverse, target: QueueCampaign, phases: optOutPhases,
}

// OptOutPass carries choices between the systems, page by page: those behind a
// position of either, or everybody's, after a start that asks for it.
func OptOutPass(ctx workflow.Context, in PassInput) (*PassResult, error) {
	p, err := newPass(ctx, in)
	if err != nil {
		return nil, err
	}
	p.steps = optOutSteps
	return p.run(ctx, OptOutPass)
}

func optOutPhases(in PassInput, _ int64) []activities.Phase {
	if in.Ref.Kind == activities.KindDelta {
		return []activities.Phase{activities.PhaseDelta}
	}
	return []activities.Phase{activities.PhaseBaseline, activities.PhaseCatchUp}
}

// fetchOptOuts stages the first page of what is new, waiting for it; now looks at
// every source at once.
func fetchOptOuts(ctx workflow.Context, ref activities.RunRef, tuning Tuning, now bool, known *activities.LedgerKnown) (*activities.FetchResult, error) {
	var first activities.FetchResult
	opts := activityOptions(QueueDataverse, activities.KindDelta, "waiting for choices")
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.FetchOptOuts, activities.FetchInput{
		RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: tuning.Lanes, Wait: activities.Duration(idleWait), Poll: tuning.Poll, Now: now, Known: known,
	}).Get(ctx, &first)
	if err != nil {
		return nil, fmt.Errorf("looking for opt-outs: %w", err)
	}
	return &first, nil
}

// exportDue is how long until the export is looked at next.
func exportDue(ctx workflow.Context, e *ExportStatus, every time.Duration) time.Duration {
	if e == nil || e.Looked.IsZero() {
		return 0
	}
	return e.Looked.Add(every).Sub(workflow.Now(ctx))
}
