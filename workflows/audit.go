package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// AuditInput starts an Audit, or continues it as new.
type AuditInput struct {
	Instance string           `json:"instance"`
	Table    activities.Table `json:"table"`
	Repair   bool             `json:"repair,omitempty"`   // ask the owner of the table to repair what differs
	Restored bool             `json:"restored,omitempty"` // the owner began it, and waits for its end
	By       string           `json:"by,omitempty"`
	At       *AuditProgress   `json:"at,omitempty"` // nil: from the beginning
}

// AuditProgress is how far an audit is. Where it stands in Campaign's list is the ledger's.
type AuditProgress struct {
	Run     string       `json:"run"`
	Phase   string       `json:"phase"`   // in words
	Held    int64        `json:"held"`    // records that Campaign should hold
	Listed  int64        `json:"listed"`  // records seen in Campaign's list
	Checked int64        `json:"checked"` // records looked at one by one, because the list did not show them
	After   string       `json:"after,omitempty"`
	Done    bool         `json:"done,omitempty"` // Listed is all of them
	Result  *AuditResult `json:"result,omitempty"`
}

// AuditResult is what differs between the systems.
type AuditResult struct {
	Run      string                   `json:"run"`
	Held     int64                    `json:"held"`
	Findings activities.AuditFindings `json:"findings"` // Campaign against what was written
	Source   activities.PlanResult    `json:"source"`   // Dynamics against what was written
	Repair   bool                     `json:"repair,omitempty"`
	Refused  string                   `json:"refused,omitempty"` // why nobody repairs it
}

// InStep says that nothing differs.
func (r AuditResult) InStep() bool { return !r.Repairable() && r.Findings.Duplicate == 0 }

// Repairable says that something differs which a new load mends.
func (r AuditResult) Repairable() bool { return r.Findings.Drifted() > 0 || r.Source.WouldWrite() }

// Audit compares both systems with what was written, beside the flow that goes on,
// and asks the flow to repair what differs.
func Audit(ctx workflow.Context, in AuditInput) (*AuditResult, error) {
	a := &audit{in: in}
	if in.At != nil {
		a.at = *in.At
	} else {
		a.at.Run = "audit-" + newRun(ctx, in.Table.Name)
	}
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryProgress, func() (AuditProgress, error) { return a.at, nil },
		workflow.QueryHandlerOptions{Description: "How far the audit is, and what it found."})
	if err != nil {
		return nil, fmt.Errorf("registering the %s query: %w", QueryProgress, err)
	}
	result, full, err := a.run(ctx)
	switch {
	case err != nil:
		a.fail(ctx, err)
		return nil, err
	case full:
		in.At = &a.at
		return nil, workflow.NewContinueAsNewError(ctx, Audit, in)
	}
	return result, nil
}

// run goes on from where the audit is; true when the history calls for a new one.
func (a *audit) run(ctx workflow.Context) (*AuditResult, bool, error) {
	if a.in.At == nil {
		var opened activities.OpenAuditResult
		if err := a.do(ctx, QueueMain, activities.OpenAudit, a.ref(ctx), "begin", &opened); err != nil {
			return nil, false, err
		}
		a.at.Held = opened.Held
	}
	for _, walk := range []func(workflow.Context) (bool, error){a.list, a.missing} {
		if full, err := walk(ctx); full || err != nil {
			return nil, full, err
		}
	}
	result, err := a.conclude(ctx)
	return result, false, err
}

// fail ends the run in the ledger, so that it is listed among those that failed.
func (a *audit) fail(ctx workflow.Context, why error) {
	state := "FAILED"
	if ctx.Err() != nil {
		state = "CANCELLED"
	}
	clean, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	opts := activityOptions(QueueMain, activities.KindAudit, "end audit "+a.at.Run+": "+state)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(clean, opts), activities.EndRun, activities.EndRunInput{
		RunRef: activities.RunRef{Run: a.at.Run, Table: a.in.Table.Name, Kind: activities.KindAudit}, State: state, Reason: reasonOf(why),
	}).Get(clean, nil)
	if err != nil {
		workflow.GetLogger(ctx).Error("ending a failed audit", "run", a.at.Run, "error", err)
	}
	if !a.in.Restored {
		return
	}
	signal := Repair{Audit: a.at.Run, By: a.in.By, Failed: true}
	if failureType(why) == "NothingWritten" { // nor is there anything to compare, and the flow goes on
		signal = Repair{By: a.in.By}
	}
	err = workflow.SignalExternalWorkflow(clean, TableFlow(a.in.Instance, a.in.Table.Name).WorkflowID(), "", SignalRepair,
		signal).Get(clean, nil)
	if err != nil {
		workflow.GetLogger(ctx).Error("telling the flow that its audit failed", "run", a.at.Run, "error", err)
	}
}

// audit is an Audit at work.
type audit struct {
	in AuditInput
	at AuditProgress
}

func (a *audit) ref(ctx workflow.Context) activities.AuditInput {
	return activities.AuditInput{Run: a.at.Run, Table: a.in.Table, Workflow: workflow.GetInfo(ctx).WorkflowExecution.ID}
}

// do runs an activity and shows what the audit is at.
func (a *audit) do(ctx workflow.Context, queue string, fn, in any, phase string, result any) error {
	if a.at.Phase != phase {
		a.at.Phase = phase
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("**audit of %s**: %s\n\nListed %d, looked at one by one %d, of %d that Campaign should hold",
			a.in.Table.Name, phase, a.at.Listed, a.at.Checked, a.at.Held))
	}
	opts := activityOptions(queue, activities.KindAudit, phase)
	if err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), fn, in).Get(ctx, result); err != nil {
		return fmt.Errorf("audit of %s: %w", a.in.Table.Name, err)
	}
	return nil
}

// list goes through Campaign's list; true when the history calls for a new one.
func (a *audit) list(ctx workflow.Context) (bool, error) {
	for !a.at.Done {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return true, nil
		}
		var got activities.AuditPagesResult
		if err := a.do(ctx, QueueCampaign, activities.AuditPages, a.ref(ctx), "listing Campaign", &got); err != nil {
			return false, err
		}
		a.at.Listed, a.at.Done = a.at.Listed+got.Listed, !got.More
	}
	return false, nil
}

// missing looks at what the list did not show; true as for list.
func (a *audit) missing(ctx workflow.Context) (bool, error) {
	for more := true; more; {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return true, nil
		}
		var got activities.AuditMissingResult
		in := activities.AuditMissingInput{AuditInput: a.ref(ctx), After: a.at.After}
		if err := a.do(ctx, QueueCampaign, activities.AuditMissing, in, "looking for what the list does not show", &got); err != nil {
			return false, err
		}
		a.at.Checked, more = a.at.Checked+got.Checked, got.More
		if got.After != "" {
			a.at.After = got.After
		}
	}
	return false, nil
}

// conclude compares with Dynamics, sums up, and asks for the repair.
func (a *audit) conclude(ctx workflow.Context) (*AuditResult, error) {
	out := &AuditResult{Run: a.at.Run, Held: a.at.Held}
	plan := activities.PlanInput{Table: a.in.Table, AllNew: true, Baseline: true}
	if err := a.do(ctx, QueueDataverse, activities.Plan, plan, "reading Dynamics", &out.Source); err != nil {
		return nil, err
	}
	if err := a.do(ctx, QueueMain, activities.EndAudit, a.ref(ctx), "summing up", &out.Findings); err != nil {
		return nil, err
	}
	if a.in.Repair && (a.in.Restored || out.Repairable()) {
		err := workflow.SignalExternalWorkflow(ctx, TableFlow(a.in.Instance, a.in.Table.Name).WorkflowID(), "", SignalRepair,
			Repair{Audit: a.at.Run, By: a.in.By}).Get(ctx, nil)
		if out.Repair = err == nil; err != nil {
			out.Refused = "the flow of " + a.in.Table.Name + " does not run; start it and audit again"
		}
	}
	a.at.Phase, a.at.Result = "done", out
	return out, nil
}
