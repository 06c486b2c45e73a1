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

// answerWithin bounds how long Start and Stop wait for their effect before they
// answer; the flow goes on either way and Status shows it.
const answerWithin = 30 * time.Second

// handle registers what operators can ask. Validators refuse without a trace;
// handlers record the wish, and the main loop carries it out.
func (s *tableSync) handle(ctx workflow.Context) error {
	register := func(name, description string, handler, validator any) error {
		err := workflow.SetUpdateHandlerWithOptions(ctx, name, handler, workflow.UpdateHandlerOptions{
			Validator: validator, Description: description,
		})
		if err != nil {
			return fmt.Errorf("registering the %s update: %w", name, err)
		}
		return nil
	}
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (Status, error) { return s.Status, nil },
		workflow.QueryHandlerOptions{Description: "State, phase, watermark, counters and revision of the flow."})
	return errors.Join(err,
		register(UpdateStart, "Start a stopped or failed flow with the mapping on file.", s.onStart, s.mayStart),
		register(UpdateStop, "Stop the flow; nothing is lost.", s.onStop, s.mayStop),
		register(UpdatePause, "Hold the flow, with a reason.", s.onPause, s.mayPause),
		register(UpdateResume, "Let a paused flow go on.", s.onResume, s.mayResume),
		register(UpdateSyncNow, "Look for changes now.", s.onSyncNow, s.maySyncNow),
		register(UpdateRequestBackfill, "Read records again: all, a window, or named ids.", s.onBackfill, s.mayBackfill),
		register(UpdateCancelBackfill, "Give up a backfill; what was written is kept.", s.onCancelBackfill, s.mayCancelBackfill),
		register(UpdateRelease, "Try quarantined records again, as Dynamics has them now.", s.onRelease, s.mayRelease),
		register(UpdateRequestRollback, "Undo a run; one that is running is cancelled first.", s.onRollback, s.mayRollback),
		register(UpdateApprove, "Let the deletes of a run go on that wait for an operator.", s.onApprove, s.mayApprove),
		register(UpdateApplyConfig, "Put a mapping on file for the next start.", s.onApplyConfig, s.mayApplyConfig),
	)
}

func (s *tableSync) refuse(format string, args ...any) error {
	return fmt.Errorf("%s is %s: %s", s.in.Table, s.Status.State, fmt.Sprintf(format, args...))
}

func (s *tableSync) mayStart(_ workflow.Context, req StartRequest) error {
	switch {
	case req.Table.Name != s.in.Table:
		return fmt.Errorf("the mapping is for %q, this flow owns %q", req.Table.Name, s.in.Table)
	case s.starting != nil || s.Status.State == StateStarting:
		return s.refuse("a start was already requested")
	case s.Status.State != StateStopped && s.Status.State != StateFailed:
		return s.refuse("only a stopped or failed flow can be started; stop it first")
	}
	return nil
}

func (s *tableSync) onStart(ctx workflow.Context, req StartRequest) (Status, error) {
	s.starting = &req
	s.note(ctx, activities.Operation{By: req.By, What: activities.OpStart, Revision: req.Revision, Was: was(s.Status.Revision, req.Revision)})
	s.enter(ctx, StateStarting, "checking the mapping", "")
	err := answer(ctx, "answer that the flow is starting", func() bool { return s.Status.State != StateStarting })
	return s.Status, err
}

func (s *tableSync) mayStop(workflow.Context, StopRequest) error {
	if s.Status.State == StateStopped || s.Status.State == StateFailed {
		return s.refuse("there is nothing to stop")
	}
	return nil
}

func (s *tableSync) onStop(ctx workflow.Context, req StopRequest) (Status, error) {
	s.stopping = true
	s.note(ctx, activities.Operation{By: req.By, What: activities.OpStop})
	s.Status.Phase = "stopping: putting back what is in hand"
	s.wake()
	s.steer(ctx, ControlStop)
	err := answer(ctx, "answer that the flow is stopping", func() bool { return s.Status.State == StateStopped || s.Status.State == StateFailed })
	return s.Status, err
}

// answer waits for done, but not longer than an operator would: what is asked for
// goes on without them. The timer ends with the wait, so that it wakes nobody.
func answer(ctx workflow.Context, otherwise string, done func() bool) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: answerWithin, TimerOptions: workflow.TimerOptions{Summary: otherwise},
	}, done)
	return err
}

func (s *tableSync) mayPause(_ workflow.Context, req PauseRequest) error {
	if s.Status.State != StateRunning {
		return s.refuse("only a running flow can be paused")
	}
	if req.Reason == "" {
		return errors.New("a pause needs a reason, for the next person who wonders")
	}
	return nil
}

func (s *tableSync) onPause(ctx workflow.Context, req PauseRequest) (Status, error) {
	reason := req.Reason
	if req.By != "" {
		reason += " (" + req.By + ")"
	}
	s.note(ctx, activities.Operation{By: req.By, What: activities.OpPause, Reason: req.Reason})
	s.enter(ctx, StatePaused, s.Status.Phase, reason)
	s.wake()
	s.steer(ctx, ControlPause)
	return s.Status, nil
}

func (s *tableSync) mayResume(workflow.Context, ResumeRequest) error {
	if s.Status.State != StatePaused {
		return s.refuse("only a paused flow can be resumed")
	}
	return nil
}

func (s *tableSync) onResume(ctx workflow.Context, req ResumeRequest) (Status, error) {
	s.note(ctx, activities.Operation{By: req.By, What: activities.OpResume})
	s.enter(ctx, StateRunning, s.Status.Phase, "")
	s.steer(ctx, ControlResume)
	return s.Status, nil
}

func (s *tableSync) maySyncNow(workflow.Context, SyncNowRequest) error {
	if s.Status.State != StateRunning {
		return s.refuse("only a running flow can look for changes; start or resume it first")
	}
	return nil
}

func (s *tableSync) onSyncNow(workflow.Context, SyncNowRequest) (Status, error) {
	s.wake()
	return s.Status, nil
}

func (s *tableSync) mayBackfill(_ workflow.Context, req BackfillRequest) error {
	if s.Status.State != StateRunning && s.Status.State != StatePaused {
		return s.refuse("start it before asking for a backfill")
	}
	w := req.Window
	switch {
	case len(w.IDs) > 1000:
		return fmt.Errorf("got %d ids, want at most 1,000 per backfill", len(w.IDs))
	case len(w.IDs) > 0 && (!w.Since.IsZero() || !w.Until.IsZero()):
		return errors.New("got both ids and a window of time, want one of them")
	case len(w.IDs) > 0 && len(w.Where) > 0:
		return errors.New("got both ids and conditions, want one of them")
	case len(w.Where) > 20:
		return fmt.Errorf("got %d conditions, want at most 20", len(w.Where))
	case !w.Since.IsZero() && !w.Until.IsZero() && !w.Since.Before(w.Until):
		return fmt.Errorf("got since %s, want a time before until %s", w.Since.Format(time.RFC3339), w.Until.Format(time.RFC3339))
	case len(s.Queue) >= 20:
		return s.refuse("20 backfills are queued already")
	}
	return nil
}

func (s *tableSync) onBackfill(ctx workflow.Context, req BackfillRequest) (BackfillAnswer, error) {
	run := s.newRun(ctx)
	answer := BackfillAnswer{Run: run, WorkflowID: PassID(s.in.Instance, s.in.Table, activities.KindBackfill, run), Queued: len(s.Queue)}
	s.setQueue(append(s.Queue, QueuedBackfill{Run: run, Window: req.Window, By: req.By}))
	s.note(ctx, activities.Operation{By: req.By, What: activities.OpBackfill, Run: run, Detail: inWords(req.Window)})
	s.wake()
	return answer, nil
}

func (s *tableSync) mayCancelBackfill(_ workflow.Context, req CancelBackfillRequest) error {
	running := s.Status.Run != "" && s.Status.RunKind != activities.KindDelta
	switch {
	case req.Run == "" && !running:
		return s.refuse("no backfill is running")
	case req.Run != "" && req.Run != s.Status.Run && !slices.Contains(s.Status.QueuedBackfills, req.Run) && !slices.Contains(s.Status.Releases, req.Run):
		return fmt.Errorf("run %s is neither running nor queued", req.Run)
	}
	return nil
}

func (s *tableSync) onCancelBackfill(ctx workflow.Context, req CancelBackfillRequest) (Status, error) {
	op := activities.Operation{By: req.By, What: activities.OpCancelBackfill, Run: cmp.Or(req.Run, s.Status.Run)}
	if req.Rollback {
		op.Detail = "and undo what it wrote"
	}
	s.note(ctx, op)
	if req.Run == "" || req.Run == s.Status.Run {
		if req.Rollback {
			s.setRollbacks(append(s.Rollbacks, RollbackRequest{Run: s.Status.Run, By: req.By}))
		}
		s.steer(ctx, ControlCancel)
		return s.Status, nil
	}
	s.setReleases(slices.DeleteFunc(slices.Clone(s.Releases), func(q QueuedRelease) bool { return q.Run == req.Run }))
	s.setQueue(slices.DeleteFunc(slices.Clone(s.Queue), func(b QueuedBackfill) bool { return b.Run == req.Run }))
	return s.Status, nil
}

func (s *tableSync) mayRollback(_ workflow.Context, req RollbackRequest) error {
	switch {
	case req.Run == "":
		return errors.New("a rollback needs the run that it undoes")
	case slices.Contains(s.Status.Rollbacks, req.Run):
		return fmt.Errorf("run %s is to be rolled back already", req.Run)
	case req.Run == s.Status.Run && s.Status.RunKind == activities.KindDelta:
		return s.refuse("run %s applies changes and ends by itself; ask again when it has", req.Run)
	case s.Status.RunKind == activities.KindRollback:
		return s.refuse("run %s is at work; ask again when it is done", s.Status.Run)
	case len(s.Rollbacks) >= 20:
		return s.refuse("20 rollbacks are queued already")
	}
	return nil
}

func (s *tableSync) onRollback(ctx workflow.Context, req RollbackRequest) (Status, error) {
	s.setRollbacks(append(s.Rollbacks, req))
	s.note(ctx, activities.Operation{By: req.By, What: activities.OpRollback, Run: req.Run})
	if req.Run == s.Status.Run {
		s.steer(ctx, ControlCancel)
	}
	s.wake()
	return s.Status, nil
}

func (s *tableSync) mayApprove(_ workflow.Context, req ApproveRequest) error {
	if !slices.ContainsFunc(s.Status.Approvals, func(a activities.Approval) bool { return a.Run == req.Run }) {
		return fmt.Errorf("run %s has no deletes that wait for approval", req.Run)
	}
	return nil
}

func (s *tableSync) onApprove(ctx workflow.Context, req ApproveRequest) (Status, error) {
	s.note(ctx, activities.Operation{By: req.By, What: activities.OpApprove, Run: req.Run})
	opts := activityOptions(QueueMain, activities.KindDelta, "let the deletes of "+req.Run+" go on, approved by "+cmp.Or(req.By, "an operator"))
	var result activities.ApproveResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), ingress.ApproveDeletes,
		activities.ApproveInput{Table: s.in.Table, Run: req.Run}).Get(ctx, &result)
	if err != nil {
		return s.Status, fmt.Errorf("approving the deletes of %s: %w", req.Run, err)
	}
	s.Status.Approvals = result.Waiting
	s.publish(ctx)
	s.wake()
	return s.Status, nil
}

func (s *tableSync) mayApplyConfig(_ workflow.Context, req ApplyConfigRequest) error {
	if req.Table.Name != s.in.Table {
		return fmt.Errorf("the mapping is for %q, this flow owns %q", req.Table.Name, s.in.Table)
	}
	return nil
}

func (s *tableSync) onApplyConfig(ctx workflow.Context, req ApplyConfigRequest) (Status, error) {
	s.note(ctx, activities.Operation{By: req.By, What: activities.OpApply, Revision: req.Revision, Was: was(s.Status.FiledRevision, req.Revision)})
	s.Filed = &req.Table
	s.Status.FiledRevision = req.Revision
	return s.Status, nil
}
