package workflows

import (
	"cmp"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// OwnerState is what every long-running flow remembers across continue-as-new.
type OwnerState struct {
	Status Status                 `json:"status"`
	Tuning Tuning                 `json:"tuning"`
	Plan   string                 `json:"plan,omitempty"` // of RunRef
	Queue  []Request              `json:"queue,omitempty"`
	Recent []string               `json:"recent,omitempty"` // the newest run names, so that none is used twice
	Trail  []activities.Operation `json:"trail,omitempty"`  // entries of the audit trail that are not in the ledger yet
	Held   *HeldPass              `json:"held,omitempty"`   // a small pass that was paused
	// Started is what the flow runs with, so that it can try again by itself.
	Started *StartRequest `json:"started,omitempty"`

	restoredState
}

// owner is what all flows have in common: what operators can ask of them, how they
// stop, pause and show themselves, and how they run their passes. Update handlers
// set flags and interrupt the wait. Only the loop starts and ends work.
type owner struct {
	*OwnerState
	self      owned // the flow itself
	id        FlowID
	name      string        // as operators type it: a table's, else the flow's
	seeks     string        // what it looks for, in words: "changes"
	starting  *StartRequest // asked for, and not begun
	itself    bool          // the flow asked for it, as the last start was
	stopping  bool
	givenUp   string              // the run in hand, if an operator has cancelled it
	interrupt workflow.CancelFunc // of the wait for work, while there is one
	idle      bool                // it waits for changes at its source
	idleSince time.Time
	trail     *trail
	small     *pass // that this workflow carries out itself, while it does
	wakes     workflow.ReceiveChannel
	shown     shownAttributes // in the Temporal UI
}

// owned is what one kind of flow does in its own way.
type owned interface {
	step(workflow.Context) error          // does the next thing there is to do, or waits until there is one
	start(workflow.Context) error         // checks what was asked for, and lets the flow run
	continueAsNew(workflow.Context) error // continues as new
	mayStop(workflow.Context, StopRequest) error
	mayCancelBackfill(workflow.Context, CancelBackfillRequest) error
	onCancelBackfill(workflow.Context, CancelBackfillRequest) (Status, error)
	fits(StartRequest) error              // refuses a request that is for another flow
	startable(StartRequest) error         // refuses a start that would have nothing to do
	steps() steps                         // what carries the flow's runs out
	account(*PassResult)                  // takes what only this flow remembers of a finished run
	failed(workflow.Context, error) error // decides what a failure means for the flow; an error ends it
	details() string                      // for the Temporal UI, in Markdown
	lookEverywhere()                      // makes the next wait look at every source
}

// neverStarted is the status of a new flow.
func neverStarted(ctx workflow.Context, id FlowID) Status {
	return Status{Instance: id.Instance, Table: id.Name(), State: StateStopped, Phase: "never started", Since: workflow.Now(ctx)}
}

// loop takes step after step until the flow continues as new or is cancelled.
func (o *owner) loop(ctx workflow.Context) error {
	for {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			if ready, err := o.handled(ctx); err != nil {
				return err
			} else if ready {
				return o.self.continueAsNew(ctx)
			}
		}
		if err := o.self.step(ctx); err != nil {
			o.endHeld(ctx, "FAILED", reasonOf(err))
			o.trail.flush(ctx)
			return err
		}
	}
}

// handled waits until operators have their answers. It is false when one of them
// waits for a start or a stop: that is carried out first, because it is not part of
// the state and would be forgotten.
func (o *owner) handled(ctx workflow.Context) (bool, error) {
	asked := func() bool { return o.stopping || o.starting != nil }
	finished := func() bool { return workflow.AllHandlersFinished(ctx) }
	if err := workflow.Await(ctx, func() bool { return finished() || asked() }); err != nil || !asked() {
		return true, err
	}
	return false, nil
}

// logOperation enters into the audit trail what was asked of this flow.
func (o *owner) logOperation(ctx workflow.Context, op activities.Operation) {
	op.Flow, op.Table = o.id.Flow, o.id.Table
	op.Revision = cmp.Or(op.Revision, o.Status.Revision)
	o.trail.add(ctx, op)
}

// enter changes the state of the flow and shows it.
func (o *owner) enter(ctx workflow.Context, state State, phase, reason string) {
	st := &o.Status
	if st.State != state {
		st.Since = workflow.Now(ctx)
	}
	st.State, st.Phase, st.Reason = state, phase, reason
	switch {
	case state == StateFailed:
		st.LastError = reason
	case state == StateRunning: // Retries grow until a run has gone well
		st.RetryAt = time.Time{}
	default:
		o.leaveToOperator()
	}
	o.publish(ctx)
}

// fail stops the flow, unless it was cancelled. When it ran, and the failure is one that
// passes, it tries again by itself; else it waits until an operator starts it again.
func (o *owner) fail(ctx workflow.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	ran := o.Status.State == StateRunning && !o.stopping
	o.enter(ctx, StateFailed, "failed", reasonOf(err))
	if ran && passes(err) {
		o.tryAgainLater(ctx)
	}
	return nil
}

// recovered shows an error that the flow recovers from by itself.
func (o *owner) recovered(ctx workflow.Context, err error) {
	o.Status.LastError = reasonOf(err)
	o.publish(ctx)
}

// halt carries out a stop.
func (o *owner) halt(ctx workflow.Context) error {
	o.stopping = false
	o.starting = nil // a start that waited for a rollback is taken back
	o.endHeld(ctx, "STOPPED", "stopped by an operator")
	o.enter(ctx, StateStopped, "stopped", "")
	return nil
}

// hold waits until a paused flow is resumed or stopped, or its history is too long:
// it grows in a pause too, because the export of opt-outs is watched.
func (o *owner) hold(ctx workflow.Context) error {
	return workflow.Await(ctx, func() bool {
		return o.Status.State != StatePaused || o.stopping || workflow.GetInfo(ctx).GetContinueAsNewSuggested()
	})
}

// preflight checks a mapping or settings before anything is read. It is false when
// the flow does not start: because the check failed, or because it was stopped.
func (o *owner) preflight(ctx workflow.Context, summary string, check, in, out any) (bool, error) {
	opts := activityOptions(QueueDataverse, activities.KindDelta, summary)
	wanted, err := o.waitFor(ctx, func(checking workflow.Context) error {
		return workflow.ExecuteActivity(workflow.WithActivityOptions(checking, opts), check, in).Get(ctx, out)
	})
	switch {
	case o.stopping:
		return false, nil
	case wanted && o.Status.State == StateFailed && o.Status.RetryAt.IsZero():
		return false, nil // a try that nobody wants any more
	case wanted:
		// Anything else that an operator asked for waits until the flow has started, so
		// the check is made once more.
		return o.preflight(ctx, summary, check, in, out)
	case temporal.IsCanceledError(err):
		return false, err
	case err != nil:
		again := passes(err) || !o.Status.RetryAt.IsZero()
		o.enter(ctx, StateFailed, "not started", reasonOf(err))
		if again {
			o.tryAgainLater(ctx)
		}
		return false, nil
	}
	return true, nil
}

// waiting makes a context that operators interrupt. Call the function when the wait is over.
func (o *owner) waiting(ctx workflow.Context) (workflow.Context, func()) {
	inner, cancel := workflow.WithCancel(ctx)
	o.interrupt = cancel
	return inner, func() {
		o.interrupt = nil
		cancel()
	}
}

// waitFor runs a wait that operators interrupt. When one did, wanted is true, and the
// error is only that of the interruption.
func (o *owner) waitFor(ctx workflow.Context, wait func(workflow.Context) error) (wanted bool, err error) {
	inner, done := o.waiting(ctx)
	defer done() // not before: it ends the context that interrupted looks at
	err = wait(inner)
	return err != nil && interrupted(ctx, inner), err
}

// interrupted tells a wait that was ended on purpose from one that failed. It does
// not look at the error: when the worker dies at that moment, the wait ends by its
// heartbeat instead of as cancelled.
func interrupted(ctx, waiting workflow.Context) bool {
	return ctx.Err() == nil && waiting.Err() != nil
}

// endWait ends the wait, if there is one: the loop looks at what is to be done.
func (o *owner) endWait() {
	if o.interrupt != nil {
		o.interrupt()
	}
}

// lookEverywhere has nothing to do where each wait looks at every source anyhow.
func (o *owner) lookEverywhere() {}

// steer passes on to the run in hand what an operator asked for.
func (o *owner) steer(ctx workflow.Context, what Control) {
	if what == ControlCancel {
		o.givenUp = o.Status.Run
	}
	if o.small != nil {
		o.small.control.take(what)
		return
	}
	if o.Status.RunWorkflow == "" { // it is being started, and is told then
		return
	}
	if what == ControlStop && o.Status.RunKind == activities.KindRollback {
		return // a stop must not interrupt a rollback
	}
	err := workflow.SignalExternalWorkflow(ctx, o.Status.RunWorkflow, "", SignalControl, what).Get(ctx, nil)
	if err != nil { // it has just ended
		workflow.GetLogger(ctx).Info("steering a run", "run", o.Status.Run, "control", what, "error", err)
	}
}
