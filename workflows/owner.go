package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// OwnerState is what every long-running flow beside the tables remembers across
// continue-as-new.
type OwnerState struct {
	Status Status                 `json:"status"`
	Tuning Tuning                 `json:"tuning"`
	Plan   string                 `json:"plan,omitempty"` // of RunRef
	Queue  []QueuedBackfill       `json:"queue,omitempty"`
	Recent []string               `json:"recent,omitempty"` // the newest run names, so that none is used twice
	Trail  []activities.Operation `json:"trail,omitempty"`  // entries of the audit trail that are not in the ledger yet
}

// owner is the common part of the flows that are one of a kind: what operators
// ask of them, how they stop, pause and show themselves, and how they run their
// passes. Update handlers set flags and interrupt what is waited for; only the
// main loop of the flow changes what is in hand.
type owner struct {
	*OwnerState
	instance, name string // name as operators type it
	stopping       bool
	interrupt      workflow.CancelFunc // of the wait for work, while there is one
	trail          *trail
	busy           func() bool // a start was asked for and is not begun
}

// handle registers what operators can ask of every flow.
func (o *owner) handle(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (Status, error) { return o.Status, nil },
		workflow.QueryHandlerOptions{Description: "State, phase, position, counters and revision of the flow."})
	return errors.Join(err,
		registerUpdate(ctx, UpdateStop, "Stop the flow; nothing is lost.", o.onStop, o.mayStop),
		registerUpdate(ctx, UpdatePause, "Hold the flow, with a reason.", o.onPause, o.mayPause),
		registerUpdate(ctx, UpdateResume, "Let a paused flow go on.", o.onResume, o.mayResume),
		registerUpdate(ctx, UpdateSyncNow, "Look for work now.", o.onSyncNow, o.maySyncNow),
		registerUpdate(ctx, UpdateCancelBackfill, "Give up a backfill; what was written is kept.", o.onCancelBackfill, o.mayCancelBackfill),
	)
}

func registerUpdate(ctx workflow.Context, name, description string, handler, validator any) error {
	err := workflow.SetUpdateHandlerWithOptions(ctx, name, handler, workflow.UpdateHandlerOptions{Validator: validator, Description: description})
	if err != nil {
		return fmt.Errorf("registering the %s update: %w", name, err)
	}
	return nil
}

func (o *owner) refuse(format string, args ...any) error {
	return fmt.Errorf("%s is %s: %s", o.name, o.Status.State, fmt.Sprintf(format, args...))
}

// note is an entry of the audit trail about this flow.
func (o *owner) note(ctx workflow.Context, op activities.Operation) {
	op.Flow, op.Table = o.name, o.name // so that --table finds it
	if op.Revision == "" {
		op.Revision = o.Status.Revision
	}
	o.trail.note(ctx, op)
}

// mayStartNow refuses a start that makes no sense.
func (o *owner) mayStartNow() error {
	switch st := o.Status.State; {
	case o.busy() || st == StateStarting:
		return o.refuse("a start was already requested")
	case st != StateStopped && st != StateFailed:
		return o.refuse("only a stopped or failed flow can be started; stop it first")
	}
	return nil
}

func (o *owner) mayStop(workflow.Context, StopRequest) error {
	if o.Status.State == StateStopped || o.Status.State == StateFailed {
		return o.refuse("there is nothing to stop")
	}
	return nil
}

func (o *owner) onStop(ctx workflow.Context, req StopRequest) (Status, error) {
	o.stopping = true
	o.note(ctx, activities.Operation{By: req.By, What: activities.OpStop})
	o.Status.Phase = "stopping: putting back what is in hand"
	o.wake()
	o.steer(ctx, ControlStop)
	err := answer(ctx, "answer that the flow is stopping", func() bool { return o.Status.State == StateStopped || o.Status.State == StateFailed })
	return o.Status, err
}

func (o *owner) mayPause(_ workflow.Context, req PauseRequest) error {
	if o.Status.State != StateRunning {
		return o.refuse("only a running flow can be paused")
	}
	if req.Reason == "" {
		return errors.New("a pause needs a reason, for the next person who wonders")
	}
	return nil
}

func (o *owner) onPause(ctx workflow.Context, req PauseRequest) (Status, error) {
	reason := req.Reason
	if req.By != "" {
		reason += " (" + req.By + ")"
	}
	o.note(ctx, activities.Operation{By: req.By, What: activities.OpPause, Reason: req.Reason})
	o.enter(ctx, StatePaused, o.Status.Phase, reason)
	o.wake()
	o.steer(ctx, ControlPause)
	return o.Status, nil
}

func (o *owner) mayResume(workflow.Context, ResumeRequest) error {
	if o.Status.State != StatePaused {
		return o.refuse("only a paused flow can be resumed")
	}
	return nil
}

func (o *owner) onResume(ctx workflow.Context, req ResumeRequest) (Status, error) {
	o.note(ctx, activities.Operation{By: req.By, What: activities.OpResume})
	o.enter(ctx, StateRunning, o.Status.Phase, "")
	o.steer(ctx, ControlResume)
	return o.Status, nil
}

func (o *owner) maySyncNow(workflow.Context, SyncNowRequest) error {
	if o.Status.State != StateRunning {
		return o.refuse("only a running flow can look for work; start or resume it first")
	}
	return nil
}

func (o *owner) onSyncNow(workflow.Context, SyncNowRequest) (Status, error) {
	o.wake()
	return o.Status, nil
}

func (o *owner) mayCancelBackfill(_ workflow.Context, req CancelBackfillRequest) error {
	running := o.Status.Run != "" && o.Status.RunKind != activities.KindDelta
	switch {
	case req.Rollback:
		return o.refuse("what was written to the timeline is not undone; leave out the rollback")
	case req.Run == "" && !running:
		return o.refuse("no backfill is running")
	case req.Run != "" && req.Run != o.Status.Run && !slices.Contains(o.Status.QueuedBackfills, req.Run):
		return fmt.Errorf("run %s is neither running nor queued", req.Run)
	}
	return nil
}

func (o *owner) onCancelBackfill(ctx workflow.Context, req CancelBackfillRequest) (Status, error) {
	o.note(ctx, activities.Operation{By: req.By, What: activities.OpCancelBackfill, Run: cmp.Or(req.Run, o.Status.Run)})
	if req.Run == "" || req.Run == o.Status.Run {
		o.steer(ctx, ControlCancel)
		return o.Status, nil
	}
	o.setQueue(slices.DeleteFunc(slices.Clone(o.Queue), func(b QueuedBackfill) bool { return b.Run == req.Run }))
	return o.Status, nil
}

// queueBackfill takes a request that was found good.
func (o *owner) queueBackfill(ctx workflow.Context, req BackfillRequest, detail string) BackfillAnswer {
	run := o.newRun(ctx)
	answer := BackfillAnswer{Run: run, WorkflowID: PassID(o.instance, o.name, activities.KindBackfill, run), Queued: len(o.Queue)}
	o.setQueue(append(o.Queue, QueuedBackfill{Run: run, Window: req.Window, By: req.By}))
	o.note(ctx, activities.Operation{By: req.By, What: activities.OpBackfill, Run: run, Detail: detail})
	o.wake()
	return answer
}

func (o *owner) setQueue(q []QueuedBackfill) {
	o.Queue = q
	o.Status.QueuedBackfills = nil
	for _, b := range q {
		o.Status.QueuedBackfills = append(o.Status.QueuedBackfills, b.Run)
	}
}

// newRun names the next run; two may begin in the same millisecond.
func (o *owner) newRun(ctx workflow.Context) string {
	run := newRun(ctx, o.name)
	for base, n := run, 2; slices.Contains(o.Recent, run) || slices.Contains(o.Status.QueuedBackfills, run); n++ {
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

// enter changes the state of the flow and shows it.
func (o *owner) enter(ctx workflow.Context, state State, phase, reason string) {
	st := &o.Status
	if st.State != state {
		st.Since = workflow.Now(ctx)
	}
	st.State, st.Phase, st.Reason = state, phase, reason
	if state == StateFailed {
		st.LastError = reason
	}
	o.publish(ctx)
}

func (o *owner) publish(ctx workflow.Context) {
	st := o.Status
	err := workflow.UpsertTypedSearchAttributes(ctx,
		AttrFlow.ValueSet(o.name), AttrTable.ValueSet(o.name), AttrState.ValueSet(string(st.State)),
		AttrRevision.ValueSet(st.Revision), AttrRead.ValueSet(st.Totals.Read), AttrWritten.ValueSet(st.Totals.Written()),
		AttrQuarantined.ValueSet(st.Quarantined))
	if err != nil {
		workflow.GetLogger(ctx).Warn("search attributes", "flow", o.name, "error", err)
	}
	details := fmt.Sprintf("**%s** since %s: %s", st.State, st.Since.UTC().Format(time.RFC3339), st.Phase)
	if st.Reason != "" {
		details += "\n\n> " + st.Reason
	}
	for _, w := range st.Warnings {
		details += "\n\n**Warning**: " + w
	}
	if !st.Watermark.IsZero() {
		details += fmt.Sprintf("\n\nEverything up to %s is settled.", st.Watermark.UTC().Format(time.RFC3339))
	}
	details += fmt.Sprintf("\n\nAll %d runs so far, %d in quarantine:\n\n%s", st.Runs, st.Quarantined, countsTable(st.Totals.Read, st.Totals))
	workflow.SetCurrentDetails(ctx, details)
}

// waiting is a context that operators interrupt; call the second when the wait is over.
func (o *owner) waiting(ctx workflow.Context) (workflow.Context, func()) {
	inner, cancel := workflow.WithCancel(ctx)
	o.interrupt = cancel
	return inner, func() {
		o.interrupt = nil
		cancel()
	}
}

// wake ends the wait for work.
func (o *owner) wake() {
	if o.interrupt != nil {
		o.interrupt()
	}
}

// steer passes an operator's wish on to the run in hand.
func (o *owner) steer(ctx workflow.Context, what Control) {
	if o.Status.RunWorkflow == "" {
		return
	}
	err := workflow.SignalExternalWorkflow(ctx, o.Status.RunWorkflow, "", SignalControl, what).Get(ctx, nil)
	if err != nil { // it has just ended
		workflow.GetLogger(ctx).Info("steering a run", "run", o.Status.Run, "control", what, "error", err)
	}
}

// runPass runs a child for the run in hand and accounts for it: what it
// returned, or how it failed. The last error ends the owner: it was cancelled,
// or the child could not be started.
func (o *owner) runPass(ctx workflow.Context, pass any, phase string, in PassInput) (result *PassResult, failed, fatal error) {
	st := &o.Status
	st.Phase = phase
	child := workflow.ExecuteChildWorkflow(childOptions(ctx, o.instance, in.Ref), pass, in)
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return nil, nil, fmt.Errorf("starting run %s: %w", in.Ref.Run, err)
	}
	st.Run, st.RunKind, st.RunWorkflow = in.Ref.Run, in.Ref.Kind, PassID(o.instance, o.name, in.Ref.Kind, in.Ref.Run)
	o.publish(ctx)
	if o.stopping { // asked while the child was being started
		o.steer(ctx, ControlStop)
	} else if st.State == StatePaused {
		o.steer(ctx, ControlPause)
	}
	started := workflow.Now(ctx)
	var out PassResult
	err := child.Get(ctx, &out)
	st.Run, st.RunKind, st.RunWorkflow = "", "", ""
	st.Runs++
	if err != nil {
		st.LastRun = &RunSummary{Run: in.Ref.Run, Kind: in.Ref.Kind, State: "FAILED", Reason: reasonOf(err), Start: started, End: workflow.Now(ctx)}
		if ctx.Err() != nil {
			return nil, nil, err
		}
		return nil, err, nil
	}
	st.LastRun = &out.Summary
	st.Totals.Add(out.Summary.Counts)
	st.Quarantined = out.Quarantined
	for _, d := range out.Deltas {
		st.Runs += d.Runs
		st.Totals.Add(d.Counts)
	}
	if out.Watermark != 0 {
		st.Watermark = time.Unix(out.Watermark, 0).UTC()
	}
	if out.Summary.State == "INCOMPLETE" {
		o.enter(ctx, StateFailed, "stopped after an incomplete run", "run "+in.Ref.Run+" is INCOMPLETE: "+out.Summary.Reason)
		return &out, nil, nil
	}
	o.publish(ctx)
	return &out, nil, nil
}
