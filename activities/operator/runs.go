package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/activities/ingress"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// ListRuns lists runs, the newest first.
func (a *Activities) ListRuns(ctx context.Context, in activities.RunListInput) (*activities.RunListResult, error) {
	if in.Limit == 0 {
		in.Limit = 20
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return nil, run.Blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 1000", in.Limit))
	}
	states := make([]ledger.RunState, len(in.States))
	for i, s := range in.States {
		states[i] = ledger.RunState(s)
	}
	filter := ledger.RunFilter{Flow: in.Flow, Table: in.Table, Kind: ledger.RunKind(in.Kind), States: states, Since: in.Since, Limit: in.Limit}
	if in.Before != nil {
		filter.Before = ledger.RunPlace{Started: in.Before.Started, ID: in.Before.Run}
	}
	runs, err := a.ledger.Runs(ctx, filter)
	if err != nil {
		return nil, err
	}
	out := &activities.RunListResult{Runs: make([]activities.RunInfo, 0, len(runs))}
	for _, r := range runs {
		out.Runs = append(out.Runs, runInfo(&r))
	}
	return out, nil
}

// runInfo is a run as payloads have it.
func runInfo(r *ledger.Run) activities.RunInfo {
	reason := r.Error
	if r.Passes > 0 {
		reason = fmt.Sprintf("runs of that hour, put together: %d", r.Passes)
	}
	return activities.RunInfo{Run: r.ID, Flow: r.Flow, Table: r.Table, Kind: activities.Kind(r.Kind), State: string(r.State), Reason: reason, Revision: r.Revision,
		Workflow: r.Workflow, Started: r.Started, Ended: r.Ended, Expected: r.Expected, Counts: run.CountsOf(r.Counts), Passes: r.Passes}
}

// ShowRun says what a run did and left behind. It does not fail for a run that the ledger
// does not know, because Temporal may know it.
func (a *Activities) ShowRun(ctx context.Context, in activities.ShowRunInput) (*activities.ShowRunResult, error) {
	run, err := a.ledger.RunOrHour(ctx, in.Run)
	if errors.Is(err, ledger.ErrNotFound) {
		return &activities.ShowRunResult{}, nil
	}
	if err != nil {
		return nil, err
	}
	out := &activities.ShowRunResult{Found: true, Info: runInfo(run), NotFound: run.NotFound}
	if run.Span != "" {
		out.Window = &activities.Window{}
		if err := json.Unmarshal([]byte(run.Span), out.Window); err != nil {
			return nil, fmt.Errorf("what run %s was asked to read: %w", run.ID, err)
		}
	}
	if out.Quarantined, err = a.ledger.QuarantinedBy(ctx, run.ID); err != nil {
		return nil, err
	}
	asked, err := a.ledger.Operations(ctx, ledger.OperationFilter{Run: run.ID, Limit: 50})
	if err != nil {
		return nil, err
	}
	for _, o := range asked {
		out.Asked = append(out.Asked, activities.Operation(o))
	}
	return out, a.showRollback(ctx, run, out)
}

// showRollback adds whether the run can be undone, and whether it was.
func (a *Activities) showRollback(ctx context.Context, run *ledger.Run, out *activities.ShowRunResult) error {
	last, err := a.ingress.LastRollback(ctx, run)
	if err != nil {
		return err
	}
	if last != nil {
		out.UndoneBy, out.UndoneState = last.ID, string(last.State)
	}
	may, err := a.ingress.MayRollback(ctx, activities.MayRollbackInput{Run: run.ID})
	if refused, ok := errors.AsType[*temporal.ApplicationError](err); ok && refused.NonRetryable() {
		out.NoRollback = refused.Message()
		return nil
	}
	if err != nil {
		return err
	}
	out.Rollback = may
	if !run.Ended.IsZero() && !ingress.GoesOn(run) {
		out.Until = run.Ended.Add(a.keepBefores)
	}
	return nil
}
