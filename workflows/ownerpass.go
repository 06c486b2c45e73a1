package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// newRun names the next run; two may begin in the same millisecond.
func (o *owner) newRun(ctx workflow.Context) string {
	run := newRun(ctx, o.name)
	for base, n := run, 2; slices.Contains(o.Recent, run) || slices.ContainsFunc(o.Queue, func(r Request) bool { return r.Run == run }); n++ {
		run = fmt.Sprintf("%s-%d", base, n)
	}
	o.Recent = append(o.Recent, run)
	if len(o.Recent) > 20 {
		o.Recent = o.Recent[len(o.Recent)-20:]
	}
	return run
}

func (o *owner) ref(run string, kind activities.Kind) activities.RunRef {
	return activities.RunRef{Run: run, Table: o.name, Revision: o.Status.Revision, Kind: kind, Plan: o.Plan}
}

func childOptions(ctx workflow.Context, id FlowID, ref activities.RunRef, title string) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          id.PassID(ref.Kind, ref.Run),
		TaskQueue:           QueueMain,
		WaitForCancellation: true,
		StaticSummary:       id.runInWords(ref.Kind, title),
		// From its first moment: a run that fails early, and shows nothing itself, is found too.
		TypedSearchAttributes: id.Searchable(ref.Revision),
	})
}

// runPass runs a child for the run in hand and accounts for it. An error it
// returns ends the owner; a failed run does not, and has no result.
func (o *owner) runPass(ctx workflow.Context, pass any, phase string, in PassInput) (*PassResult, error) {
	st := &o.Status
	st.Phase, st.Run, st.RunKind, st.RunTitle = phase, in.Ref.Run, in.Ref.Kind, in.Title
	in.Known = o.known()
	child := workflow.ExecuteChildWorkflow(childOptions(ctx, o.id, in.Ref, in.Title), pass, in)
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return nil, o.notStarted(ctx, in.Ref, fmt.Errorf("starting run %s: %w", in.Ref.Run, err))
	}
	st.RunWorkflow = o.id.PassID(in.Ref.Kind, in.Ref.Run)
	o.publish(ctx)
	switch { // what was asked while the child was being started
	case o.givenUp == in.Ref.Run:
		o.steer(ctx, ControlCancel)
	case o.stopping:
		o.steer(ctx, ControlStop)
	case st.State == StatePaused:
		o.steer(ctx, ControlPause)
	}
	started := workflow.Now(ctx)
	var result PassResult
	err := child.Get(ctx, &result)
	o.closeTerminated(ctx, in.Ref, err)
	if err == nil && o.givenUp == in.Ref.Run {
		o.giveUpStopped(ctx, in.Ref, &result.Summary)
	}
	return o.ended(ctx, in.Ref, started, &result, err)
}

// ended accounts for the run that was in hand.
func (o *owner) ended(ctx workflow.Context, ref activities.RunRef, started time.Time, result *PassResult, err error) (*PassResult, error) {
	st := &o.Status
	title := st.RunTitle
	st.Run, st.RunKind, st.RunTitle, st.RunWorkflow, st.Progress, o.givenUp = "", "", "", "", nil, ""
	st.Runs++
	if err != nil {
		o.opened(failedRun(err))
		st.LastRun = &RunSummary{Run: ref.Run, Kind: ref.Kind, Title: title, State: "FAILED", Reason: reasonOf(err), Start: started, End: workflow.Now(ctx)}
		failed := o.self.failed(ctx, err)
		if ref.Kind == activities.KindRollback {
			o.leaveToOperator() // who undoes a run does not want it to be made again
		}
		return nil, failed
	}
	st.LastRun = &result.Summary
	o.opened(result.Opened)
	st.LastRun.Title = title
	if result.Summary.State == "COMPLETED" {
		o.well()
		o.completed(result.Summary.Run)
	}
	// A rollback counts nothing: the run that it undoes has counted it. A load that was
	// stopped counts when it has ended, as a whole.
	stopped := result.Summary.State == "STOPPED"
	if ref.Kind != activities.KindRollback && !(stopped && (ref.Kind == activities.KindInitial || ref.Kind == activities.KindBackfill)) {
		st.Totals.Add(result.Summary.Counts)
	}
	if !stopped && result.Summary.State != "CANCELLED" { // those results do not say it
		st.Quarantined = result.Quarantined
	}
	for _, d := range result.Deltas {
		st.Runs += d.Runs
		st.Totals.Add(d.Counts)
	}
	if result.Watermark != 0 {
		st.Watermark = time.Unix(result.Watermark, 0).UTC()
	}
	o.self.account(result)
	if result.Summary.State == "INCOMPLETE" {
		o.enter(ctx, StateFailed, "stopped after an incomplete run", "run "+ref.Run+" is INCOMPLETE: "+result.Summary.Reason)
		return result, nil
	}
	o.publish(ctx)
	return result, nil
}

// notStarted fails the flow when the workflow of a run cannot start, because one with
// its id is running: after a reset of the owner, for instance. An operator ends it.
func (o *owner) notStarted(ctx workflow.Context, ref activities.RunRef, err error) error {
	if ctx.Err() != nil {
		return err
	}
	o.Status.Run, o.Status.RunKind, o.Status.RunTitle, o.givenUp = "", "", "", ""
	o.enter(ctx, StateFailed, "failed", fmt.Sprintf(
		"%v; when it runs already, end it with: temporal workflow terminate --workflow-id %s; then: causeway start %s",
		err, o.id.PassID(ref.Kind, ref.Run), o.name))
	return nil
}

// closeTerminated ends a run in the ledger whose workflow was terminated and could
// not do it.
func (o *owner) closeTerminated(ctx workflow.Context, ref activities.RunRef, err error) {
	if _, ok := errors.AsType[*temporal.TerminatedError](err); ok {
		o.endOrLog(ctx, ref, "FAILED", reasonOf(err))
	}
}

// giveUpStopped cancels a run that had just ended as stopped when it was cancelled.
func (o *owner) giveUpStopped(ctx workflow.Context, ref activities.RunRef, end *RunSummary) {
	if end.State != "STOPPED" {
		return
	}
	end.State, end.Reason = "CANCELLED", cancelledByOperator
	o.endOrLog(ctx, ref, end.State, end.Reason)
}

// cancelledByOperator is the reason of a run that was given up.
const cancelledByOperator = "cancelled by an operator; what was written is kept"

// endRun closes a run in the ledger whose workflow is no longer there to do it.
func (o *owner) endRun(ctx workflow.Context, ref activities.RunRef, state, reason string) error {
	opts := activityOptions(QueueMain, ref.Kind, "end run "+ref.Run+": "+state)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), o.self.steps().end,
		activities.EndRunInput{RunRef: ref, State: state, Reason: reason, Drop: true}).Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("ending run %s: %w", ref.Run, err)
	}
	return nil
}

// endOrLog is endRun where nobody waits for an answer.
func (o *owner) endOrLog(ctx workflow.Context, ref activities.RunRef, state, reason string) {
	if err := o.endRun(ctx, ref, state, reason); err != nil {
		workflow.GetLogger(ctx).Error("ending a run", "run", ref.Run, "error", err)
	}
}

// backfill carries out the backfill whose turn it is.
func (o *owner) backfill(ctx workflow.Context, pass any) error {
	next, _ := o.first(RequestBackfill)
	o.dequeue(RequestBackfill, next.Run)
	result, err := o.runPass(ctx, pass, "backfill", PassInput{
		Instance: o.id.Instance, Ref: next.Load.ref(o.ref(next.Run, activities.KindBackfill)), Window: next.Window, Tuning: next.Load.tuned(o.Tuning), Deltas: true, Memory: next.Memory,
	})
	if err == nil && result != nil && result.Summary.State == "STOPPED" {
		next.Begun, next.Memory = true, result.Memory
		o.putBack(next)
	}
	if err == nil && result == nil && !o.Status.RetryAt.IsZero() { // it failed, and is read again when the flow goes on
		o.putBack(Request{Kind: RequestBackfill, Run: o.newRun(ctx), Window: next.Window, By: next.By, Load: next.Load})
	}
	return err
}
