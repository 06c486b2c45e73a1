package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"causeway.dev/internal/ledger"
)

// RunInfo is what the ledger knows of a run.
type RunInfo struct {
	Run      string    `json:"run"`
	Flow     string    `json:"flow"`
	Table    string    `json:"table,omitempty"`
	Kind     Kind      `json:"kind"`
	State    string    `json:"state"` // RUNNING, COMPLETED, INCOMPLETE, STOPPED, FAILED, CANCELLED
	Reason   string    `json:"reason,omitempty"`
	Revision string    `json:"revision,omitempty"`
	Workflow string    `json:"workflow,omitempty"` // of a pass of changes: of who found them
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
	Expected int64     `json:"expected,omitempty"`
	Counts   Counts    `json:"counts"`
}

// RunListInput selects runs; empty fields match all.
type RunListInput struct {
	Flow   string    `json:"flow,omitempty"`
	Table  string    `json:"table,omitempty"`
	Kind   string    `json:"kind,omitempty"`
	States []string  `json:"states,omitempty"` // any of them
	Since  time.Time `json:"since,omitzero"`   // begun at or after it
	Limit  int       `json:"limit,omitempty"`  // the newest so many, 1 to 1,000; default 20
}

// RunListResult lists runs, the newest first.
type RunListResult struct {
	Runs []RunInfo `json:"runs"`
}

// ListRuns lists what ran. The operators' tool runs it by itself, so that only
// workers need the ledger.
func (a *Operator) ListRuns(ctx context.Context, in RunListInput) (*RunListResult, error) {
	if in.Limit == 0 {
		in.Limit = 20
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return nil, blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 1000", in.Limit))
	}
	states := make([]ledger.RunState, len(in.States))
	for i, s := range in.States {
		states[i] = ledger.RunState(s)
	}
	runs, err := a.ledger.Runs(ctx, ledger.RunFilter{
		Flow: in.Flow, Table: in.Table, Kind: ledger.RunKind(in.Kind), States: states, Since: in.Since, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &RunListResult{Runs: make([]RunInfo, 0, len(runs))}
	for _, r := range runs {
		out.Runs = append(out.Runs, runInfo(&r))
	}
	return out, nil
}

func runInfo(r *ledger.Run) RunInfo {
	return RunInfo{Run: r.ID, Flow: r.Flow, Table: r.Table, Kind: Kind(r.Kind), State: string(r.State), Reason: r.Error, Revision: r.Revision,
		Workflow: r.Workflow, Started: r.Started, Ended: r.Ended, Expected: r.Expected, Counts: fromLedger(r.Counts)}
}

// ShowRunInput names a run.
type ShowRunInput struct {
	Run string `json:"run"`
}

// ShowRunResult is all the ledger knows of a run.
type ShowRunResult struct {
	Found bool    `json:"found"`
	Info  RunInfo `json:"info"`
	// Window is what a backfill was asked to read; nil = not known, or not asked.
	Window      *Window            `json:"window,omitempty"`
	Quarantined int64              `json:"quarantined"`            // records that this run set aside, and that are still there
	Rollback    *MayRollbackResult `json:"rollback,omitempty"`     // what undoing it would touch
	Until       time.Time          `json:"until,omitzero"`         // it can be undone until then; zero while it runs, or is stopped
	NoRollback  string             `json:"no_rollback,omitempty"`  // or why not
	Asked       []Operation        `json:"asked,omitempty"`        // what operators asked about it, the newest last
	UndoneBy    string             `json:"undone_by,omitempty"`    // the newest rollback of it
	UndoneState string             `json:"undone_state,omitempty"` // of that
}

// ShowRun tells what a run did and left behind. A run that the ledger does not
// know is an answer, not a failure: Temporal may know it.
func (a *Operator) ShowRun(ctx context.Context, in ShowRunInput) (*ShowRunResult, error) {
	run, err := a.ledger.Run(ctx, in.Run)
	if errors.Is(err, ledger.ErrNotFound) {
		return &ShowRunResult{}, nil
	}
	if err != nil {
		return nil, err
	}
	out := &ShowRunResult{Found: true, Info: runInfo(run)}
	if run.Span != "" {
		out.Window = &Window{}
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
		out.Asked = append(out.Asked, Operation(o))
	}
	return out, a.showRollback(ctx, run, out)
}

// showRollback tells whether the run can be undone, and whether it was.
func (a *Operator) showRollback(ctx context.Context, run *ledger.Run, out *ShowRunResult) error {
	last, err := a.ingress.lastRollback(ctx, run)
	if err != nil {
		return err
	}
	if last != nil {
		out.UndoneBy, out.UndoneState = last.ID, string(last.State)
	}
	may, err := a.ingress.MayRollback(ctx, MayRollbackInput{Run: run.ID})
	if refused, ok := errors.AsType[*temporal.ApplicationError](err); ok && refused.NonRetryable() {
		out.NoRollback = refused.Message()
		return nil
	}
	if err != nil {
		return err
	}
	out.Rollback = may
	if !run.Ended.IsZero() && !goesOn(run) {
		out.Until = run.Ended.Add(a.keepBefores)
	}
	return nil
}
