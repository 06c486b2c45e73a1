package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/internal/histories"
	"causeway.dev/workflows"
)

// RunFlows and RunKinds are what the ledger calls flows and kinds of runs.
var (
	RunFlows = []string{activities.FlowIngress, activities.FlowEgress, activities.FlowOptOut, activities.FlowRollback, activities.FlowAudit}
	RunKinds = []string{
		string(activities.KindInitial), string(activities.KindBackfill), string(activities.KindDelta),
		string(activities.KindRollback), string(activities.KindRelease), string(activities.KindAudit),
	}
)

// Lost is the state of a run that the ledger holds for running while its workflow
// has ended.
const Lost = "LOST"

// ListRuns lists runs, the newest first; with failed only those that failed or were
// lost, with incomplete only those that did not account for every record, with both
// either.
func (i *Instance) ListRuns(ctx context.Context, in activities.RunListInput, failed, incomplete bool) (activities.RunListResult, error) {
	if failed {
		in.States = append(in.States, "FAILED", "RUNNING") // which of them are lost, Temporal knows
	}
	if incomplete {
		in.States = append(in.States, "INCOMPLETE")
	}
	result := activities.RunListResult{Runs: []activities.RunInfo{}}
	if err := i.ask(ctx, i.Timeout, activities.ListRuns, in, &result); err != nil {
		return result, err
	}
	if err := i.findLost(ctx, result.Runs); err != nil {
		return result, err
	}
	if failed {
		result.Runs = slices.DeleteFunc(result.Runs, func(r activities.RunInfo) bool { return r.State == "RUNNING" })
	}
	if result.Runs == nil {
		result.Runs = []activities.RunInfo{}
	}
	return result, nil
}

// findLost tells the runs that go on from those whose workflow has ended, because
// somebody terminated it, say.
func (i *Instance) findLost(ctx context.Context, runs []activities.RunInfo) error {
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	for n := range runs {
		r := &runs[n]
		if r.State != "RUNNING" {
			continue
		}
		id := r.Workflow
		if r.Kind == activities.KindDelta { // it is begun by whoever finds the changes
			id = i.flow(r.Table).id.PassID(r.Kind, r.Run)
		}
		switch x, err := i.temporal.Execution(ctx, id, ""); {
		case errors.Is(err, ErrNotFound): // about to begin, or gone for long
			if r.Kind != activities.KindDelta {
				r.State = Lost
			}
		case err != nil:
			return err
		case !x.Running() && x.Status != "ContinuedAsNew":
			r.State = Lost
			r.Reason = cmp.Or(r.Reason, "its workflow is "+x.Status)
		}
	}
	return nil
}

// RunReport is what there is to know of a run, or of the workflow that owns a flow.
type RunReport struct {
	Run        string                    `json:"run"`
	Table      string                    `json:"table,omitempty"`
	Ledger     *activities.ShowRunResult `json:"ledger"`     // null when no worker answered, or it is not a run
	Executions []Execution               `json:"executions"` // oldest first; empty when the history is gone
	History    *histories.Summary        `json:"history"`
	UI         string                    `json:"ui,omitempty"`
	Problem    string                    `json:"problem,omitempty"`
	Silent     bool                      `json:"-"` // no worker answered, so what the ledger knows is left out
}

// ShowRun says what a run did, step by step, and what it left behind. Here and in
// the other questions about runs, name is that of a run, of a flow, for the workflow
// that owns it, or the id of a workflow.
func (i *Instance) ShowRun(ctx context.Context, name string) (*RunReport, error) {
	s, err := i.find(ctx, name)
	if err != nil {
		return nil, err
	}
	r := &RunReport{Run: name, Table: s.table, Ledger: s.ledger, Executions: []Execution{}, Silent: s.silent}
	switch {
	case s.newest == nil && s.ledger == nil && s.owns():
		return nil, s.flow().explain(ctx, ErrNotFound)
	case s.newest == nil && s.ledger == nil:
		return nil, badInput("run: got %q, and Temporal has no such workflow", name)
	case s.newest == nil:
		r.Problem = s.noHistoryText()
		return r, nil
	case s.newest.Stuck():
		r.Problem = fmt.Sprintf("the workflow's own code fails (attempt %d of its task): see causeway runs verify %s, and runs replay", s.newest.TaskAttempt, name)
	}
	r.UI = i.Link(s.newest.WorkflowID, s.newest.RunID)
	r.Executions, r.History, err = s.steps(ctx)
	return r, err
}

// Cancelled is what CancelRun did.
type Cancelled struct {
	Run        string            `json:"run"`
	WorkflowID string            `json:"workflow_id"`
	Status     *workflows.Status `json:"status"` // of the flow; nil for an audit
}

// CancelRun gives up a run that is at work or queued.
func (i *Instance) CancelRun(ctx context.Context, name string) (*Cancelled, error) {
	if slices.Contains(i.Flows(), name) {
		return nil, badInput("%s is a flow, which lives on; to end it: causeway stop %s", name, name)
	}
	// One that is queued is neither in the ledger nor in Temporal: its owner alone
	// knows it.
	s, err := i.find(ctx, name)
	if queued := s.newest == nil && s.table != "" && s.ledger == nil && !s.silent; err != nil && !queued {
		return nil, err
	}
	if s.newest != nil && !s.newest.Running() {
		return nil, badInput("run %s has ended already (%s)", name, s.newest.Status)
	}
	if s.newest == nil && s.ledger != nil && s.ledger.Info.State != "RUNNING" {
		return nil, badInput("run %s has ended already (%s)", name, s.ledger.Info.State)
	}
	answer, flow := &Cancelled{Run: name, WorkflowID: s.id}, s.flow()
	switch {
	case s.newest != nil && s.newest.Type == workflows.TypeAudit:
		return answer, i.temporal.Cancel(ctx, s.id)
	case s.table == "" || s.newest != nil && s.owns():
		return nil, badInput("%s is no run that can be given up; see: causeway runs list", name)
	case s.kind == activities.KindDelta, s.newest != nil && strings.HasPrefix(s.id, flow.owner()+"/delta/"),
		flow.id.IsEvents(), flow.id.IsOptOut() && s.kind != activities.KindInitial:
		return nil, badInput("run %s applies changes and ends by itself; to hold them: causeway pause %s, or causeway stop %s", name, s.table, s.table)
	}
	st, err := i.CancelBackfill(ctx, s.table, name, false)
	answer.Status = &st
	return answer, err
}
