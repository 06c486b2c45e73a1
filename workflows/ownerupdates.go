package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// answerWithin bounds how long Start and Stop wait for their effect before they
// answer; the flow goes on either way and Status shows it.
const answerWithin = 30 * time.Second

// handle registers what operators can ask of every flow. The order is part of the
// histories: updates that arrive before the first task are handled in this order.
func (o *owner) handle(ctx workflow.Context) error {
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (Status, error) { return o.Status, nil },
		workflow.QueryHandlerOptions{Description: "State, phase, position, counters and revision of the flow."})
	return errors.Join(err,
		registerUpdate(ctx, UpdateStart, "Start a stopped or failed flow with the mapping or the settings on file.", o.onStart, o.mayStart),
		registerUpdate(ctx, UpdateStop, "Stop the flow; nothing is lost.", o.onStop, o.self.mayStop),
		registerUpdate(ctx, UpdatePause, "Hold the flow, with a reason.", o.onPause, o.mayPause),
		registerUpdate(ctx, UpdateResume, "Let a paused flow go on.", o.onResume, o.mayResume),
		registerUpdate(ctx, UpdateSyncNow, "Look for work now.", o.onSyncNow, o.maySyncNow),
		registerUpdate(ctx, UpdateCancelBackfill, "Give up a backfill; what was written is kept.", o.self.onCancelBackfill, o.self.mayCancelBackfill),
		registerUpdate(ctx, UpdateApplyConfig, "Put a mapping or settings on file for the next start.", o.onApplyConfig, o.mayApplyConfig),
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

// answer waits for done, but not longer than an operator would: the work goes on
// without them. The timer is cancelled with the wait, so that it starts no task.
func answer(ctx workflow.Context, otherwise string, done func() bool) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: answerWithin, TimerOptions: workflow.TimerOptions{Summary: otherwise},
	}, done)
	return err
}

// mayStart refuses a start that makes no sense.
func (o *owner) mayStart(_ workflow.Context, req StartRequest) error {
	if err := o.self.fits(req); err != nil {
		return err
	}
	if err := o.self.startable(req); err != nil {
		return err
	}
	if problem := req.Tuning.problem(); problem != "" {
		return fmt.Errorf("the limits of the start cannot be used: %s", problem)
	}
	switch st := o.Status.State; {
	case o.starting != nil || st == StateStarting:
		return o.refuse("a start was already requested")
	case st != StateStopped && st != StateFailed:
		return o.refuse("only a stopped or failed flow can be started; stop it first")
	}
	return nil
}

// onStart answers once the flow runs or does not.
func (o *owner) onStart(ctx workflow.Context, req StartRequest) (Status, error) {
	o.starting, o.itself = &req, false
	o.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpStart, Revision: req.Revision, Was: was(o.Status.Revision, req.Revision)})
	phase := "checking the settings"
	if o.id.IsTable() {
		phase = "checking the mapping"
	}
	o.enter(ctx, StateStarting, phase, "")
	err := answer(ctx, "answer that the flow is starting", func() bool { return o.Status.State != StateStarting })
	return o.Status, err
}

func (o *owner) mayApplyConfig(_ workflow.Context, req StartRequest) error { return o.self.fits(req) }

// onApplyConfig shows what is on file; the next start brings it along (R8.14).
func (o *owner) onApplyConfig(ctx workflow.Context, req StartRequest) (Status, error) {
	o.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpApply, Revision: req.Revision, Was: was(o.Status.FiledRevision, req.Revision)})
	o.Status.FiledRevision = req.Revision
	return o.Status, nil
}

// startable is for the flows that always have something to do.
func (o *owner) startable(StartRequest) error { return nil }

func (o *owner) mayStop(workflow.Context, StopRequest) error {
	if o.Status.State == StateStopped || o.Status.State == StateFailed && o.Status.RetryAt.IsZero() {
		return o.refuse("there is nothing to stop")
	}
	return nil
}

func (o *owner) onStop(ctx workflow.Context, req StopRequest) (Status, error) {
	o.stopping = true
	o.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpStop})
	o.Status.Phase = "stopping: putting back what is in hand"
	o.endWait()
	o.steer(ctx, ControlStop)
	err := answer(ctx, "answer that the flow is stopping", func() bool {
		return o.Status.State == StateStopped || o.Status.State == StateFailed && !o.stopping
	})
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
	o.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpPause, Reason: req.Reason})
	o.enter(ctx, StatePaused, o.Status.Phase, reason)
	o.endWait()
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
	o.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpResume})
	o.enter(ctx, StateRunning, o.Status.Phase, "")
	o.steer(ctx, ControlResume)
	return o.Status, nil
}

func (o *owner) maySyncNow(workflow.Context, SyncNowRequest) error {
	if o.Status.State != StateRunning {
		return o.refuse("only a running flow can look for %s; start or resume it first", o.seeks)
	}
	return nil
}

func (o *owner) onSyncNow(workflow.Context, SyncNowRequest) (Status, error) {
	o.self.lookEverywhere()
	o.endWait()
	return o.Status, nil
}

// mayCancelBackfill is for the flows that cannot undo what they wrote.
func (o *owner) mayCancelBackfill(ctx workflow.Context, req CancelBackfillRequest) error {
	if req.Rollback {
		return o.refuse("what it wrote cannot be undone; leave out the rollback")
	}
	return o.mayGiveUp(ctx, req)
}

func (o *owner) mayGiveUp(_ workflow.Context, req CancelBackfillRequest) error {
	running := o.Status.Run != "" && o.Status.RunKind != activities.KindDelta
	switch {
	case req.Run == "" && !running:
		return o.refuse("no backfill is running")
	case req.Run != "" && req.Run == o.Status.Run && !running:
		return o.refuse("run %s is no backfill and ends by itself", req.Run)
	case req.Run != "" && req.Run != o.Status.Run && o.find(RequestBackfill, req.Run) < 0 && o.find(RequestRelease, req.Run) < 0:
		return fmt.Errorf("run %s is neither running nor queued", req.Run)
	}
	return nil
}

func (o *owner) onCancelBackfill(ctx workflow.Context, req CancelBackfillRequest) (Status, error) {
	op := activities.Operation{By: req.By, What: activities.OpCancelBackfill, Run: cmp.Or(req.Run, o.Status.Run)}
	if req.Rollback {
		op.Detail = "and undo what it wrote"
	}
	o.logOperation(ctx, op)
	if req.Run == "" || req.Run == o.Status.Run {
		o.steer(ctx, ControlCancel)
		return o.Status, nil
	}
	waits, _ := o.queued(RequestBackfill, req.Run)
	o.dequeue(RequestBackfill, req.Run)
	o.dequeue(RequestRelease, req.Run)
	if !waits.Begun || req.Rollback {
		return o.Status, nil
	}
	return o.Status, o.endRun(ctx, o.ref(req.Run, activities.KindBackfill), "CANCELLED", cancelledByOperator)
}

// queueBackfill queues a request that its validator accepted.
func (o *owner) queueBackfill(ctx workflow.Context, req BackfillRequest, detail string) BackfillAnswer {
	run := o.newRun(ctx)
	answer := BackfillAnswer{Run: run, WorkflowID: o.id.PassID(activities.KindBackfill, run), Queued: o.countQueued(RequestBackfill)}
	o.enqueue(Request{Kind: RequestBackfill, Run: run, Window: req.Window, By: req.By, Load: req.Load})
	o.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpBackfill, Run: run, Detail: detail})
	o.endWait()
	return answer
}
