package workflows

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// A ledger that is restored from a backup, or replaced by an empty one, does not know what
// the flow did since. The flow knows its last run and the identity of its ledger, and so
// can tell. It then checks its settings anew, as at a start, and takes a new baseline. An
// owner of a table has an audit look at Campaign after that, and repairs what it finds.

// restoredState is what a flow remembers to tell a restored ledger.
type restoredState struct {
	Known *activities.LedgerKnown `json:"known,omitempty"` // of the ledger; nil: nothing yet
	Lost  int                     `json:"lost,omitempty"`  // runs in a row that the ledger lost
	// Marked says that a start has told the ledger that it was restored.
	Marked bool `json:"marked,omitempty"`
	// Start is the mark of the last start that has gone well.
	Start string `json:"start,omitempty"`
}

// maxLost is how many runs in a row the ledger may lose before the flow gives up.
const maxLost = 3

// knows keeps the identity of the ledger, which was found to hold what the flow knew.
func (o *owner) knows(first *activities.FetchResult) {
	if first.Ledger == "" {
		return
	}
	if o.Known == nil {
		o.Known = &activities.LedgerKnown{}
	}
	o.Known.Ledger = first.Ledger
	if o.Known.Latest != "" {
		o.Known.Run, o.Known.Latest = o.Known.Latest, ""
	}
}

// completed keeps the last run that was completed. It says nothing of the runs before it:
// what an operator asks for may have been carried out in a restored ledger, before the flow
// looked. So the last run that was found there is looked for, too.
func (o *owner) completed(run string) {
	if o.Known == nil {
		o.Known = &activities.LedgerKnown{}
	}
	o.Lost = 0
	if o.Known.Run == "" {
		o.Known.Run = run
		return
	}
	o.Known.Latest = run
}

// opened keeps the last run that was opened, however it ended. What it wrote is in the
// ledger as long as that is not restored.
func (o *owner) opened(run *activities.RunKnown) {
	if run == nil {
		return
	}
	if o.Known == nil {
		o.Known = &activities.LedgerKnown{}
	}
	o.Known.Opened = run
}

// typeRunFailed is the type of the failure that tells what a run had done when it failed.
const typeRunFailed = "RunFailed"

// known is what the pass knows of its run.
func (p *pass) known(state string) *activities.RunKnown {
	return &activities.RunKnown{Run: p.in.Ref.Run, State: state, Settled: p.progress.Counts.Settled()}
}

// knows is what the pass tells whoever looks into the ledger for it: what its flow knew when
// the run began, and what the run has done since.
func (p *pass) knows() *activities.LedgerKnown {
	if p.in.Known == nil || !p.opened {
		return p.in.Known
	}
	known := *p.in.Known
	known.Opened = p.known("RUNNING")
	return &known
}

// failure has an error tell what the run had done, once the run was opened.
func (p *pass) failure(err error) error {
	if !p.opened || temporal.IsCanceledError(err) {
		return err
	}
	// The details are a value, not a pointer: the failure of a small pass does not leave its
	// workflow, and nothing converts them on the way to failedRun.
	return temporal.NewApplicationErrorWithOptions("run "+p.in.Ref.Run+" failed", typeRunFailed, temporal.ApplicationErrorOptions{
		NonRetryable: true, Cause: err, Details: []any{*p.known("FAILED")},
	})
}

// failedRun is the run that a failure tells of, and what it had done; nil: none was opened.
func failedRun(err error) *activities.RunKnown {
	for err != nil {
		app, ok := errors.AsType[*temporal.ApplicationError](err)
		if !ok {
			return nil
		}
		var run activities.RunKnown
		if app.Type() == typeRunFailed && app.Details(&run) == nil {
			return &run
		}
		err = app.Unwrap()
	}
	return nil
}

// known is what the flow tells whoever looks into the ledger for it.
func (o *owner) known() *activities.LedgerKnown {
	var out activities.LedgerKnown
	if o.Known != nil {
		out = *o.Known
	}
	out.Comparing, out.Marked = o.Status.Restored != "", o.Marked
	if s := o.Status.State; s == StateRunning || s == StatePaused {
		out.Start = o.Start
	}
	return &out
}

// ledgerDiffers deals with a failure that says that the ledger is not what the flow knew;
// false for other failures. A run that the ledger lost has ended: it had been opened
// there, so that ledger was restored too, also before the flow's first run was completed.
func (o *owner) ledgerDiffers(ctx workflow.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	switch failureType(err) {
	case activities.FailureLedgerLost:
		if o.Lost++; o.Lost > maxLost {
			return false
		}
	case activities.FailureLedgerRestored:
	default:
		return false
	}
	o.Known = nil
	o.Status.Restored = reasonOf(err)
	if s := o.Status.State; (s == StateRunning || s == StatePaused) && o.starting == nil && !o.stopping && o.Started != nil {
		again := *o.Started
		o.starting, o.itself = &again, true
	}
	o.recovered(ctx, err)
	return true
}

// Steps of a table after its ledger was restored.
type restoreStep string

const (
	restoreBaseline restoreStep = "baseline" // is due, or under way
	restoreAudit    restoreStep = "audit"    // is due
	restoreAuditing restoreStep = "auditing"
	restoreRepair   restoreStep = "repair" // the baseline that follows on the audit
)

// auditAgainAfter is the pause before an audit that failed is tried again.
const auditAgainAfter = time.Hour

// mayAudit says that the audit after a restored ledger is to begin now.
func (s *tableSync) mayAudit(ctx workflow.Context) bool {
	return s.state.Restore == restoreAudit && !workflow.Now(ctx).Before(s.state.AuditAfter)
}

// auditRestored begins the audit after a restored ledger. It goes on beside this flow, and
// signals its end.
func (s *tableSync) auditRestored(ctx workflow.Context) error {
	options := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: s.id.AuditID(), TaskQueue: QueueMain, ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON, StaticSummary: "audit of " + s.name + " after the ledger was restored",
		TypedSearchAttributes: s.id.Searchable(s.Status.Revision),
	})
	child := workflow.ExecuteChildWorkflow(options, Audit, AuditInput{
		Instance: s.id.Instance, Table: *s.Started.Table, Repair: true, Restored: true, By: "causeway",
	})
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		if ctx.Err() != nil {
			return err
		}
		s.state.AuditAfter = workflow.Now(ctx).Add(auditAgainAfter) // another audit of the table runs
		s.recovered(ctx, err)
		return nil
	}
	s.state.Restore = restoreAuditing
	return nil
}

// baselineAfterRestore goes on to what follows a completed baseline.
func (s *tableSync) baselineAfterRestore(ctx workflow.Context) {
	switch s.state.Restore {
	case restoreBaseline:
		s.state.Restore, s.state.AuditAfter, s.Marked = restoreAudit, time.Time{}, false
	case restoreRepair:
		s.state.Restore, s.Status.Restored = "", ""
		s.publish(ctx)
	}
}
