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

// handle registers what operators can ask of a table beside what they can ask of every
// flow. Validators refuse without a trace in the history. Handlers record the request,
// and the loop carries it out.
func (s *tableSync) handle(ctx workflow.Context) error {
	return errors.Join(s.owner.handle(ctx),
		registerUpdate(ctx, UpdateRequestBackfill, "Read records again: all, a window, or named ids.", s.onBackfill, s.mayBackfill),
		registerUpdate(ctx, UpdateRelease, "Try quarantined records again, as Dynamics has them now.", s.onRelease, s.mayRelease),
		registerUpdate(ctx, UpdateRequestRollback, "Undo a run; one that is running is cancelled first.", s.onRollback, s.mayRollback),
		registerUpdate(ctx, UpdateApprove, "Let the deletes of a run go on that wait for an operator.", s.onApprove, s.mayApprove),
		registerUpdate(ctx, UpdateReject, "Drop the deletes of a run that wait for an operator; Campaign keeps the records.", s.onReject, s.mayApprove),
		registerUpdate(ctx, UpdateDeleteStrays, "Delete records in Campaign that an audit found and that are gone from Dynamics.", s.onDeleteStrays, s.mayDeleteStrays),
	)
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
	case s.countQueued(RequestBackfill) >= maxQueued:
		return s.refuse("%d backfills are queued already", maxQueued)
	}
	return nil
}

func (s *tableSync) onBackfill(ctx workflow.Context, req BackfillRequest) (BackfillAnswer, error) {
	return s.queueBackfill(ctx, req, inWords(req.Window)), nil
}

// mayStop refuses a stop during a paused rollback: a stop waits for the end of a
// rollback, and a paused one has no end.
func (s *tableSync) mayStop(ctx workflow.Context, req StopRequest) error {
	if s.Status.State == StatePaused && s.Status.RunKind == activities.KindRollback {
		return s.refuse("run %s is half done and paused; resume it, and stop then, or give it up with: causeway cancel-backfill %s", s.Status.Run, s.name)
	}
	return s.owner.mayStop(ctx, req)
}

func (s *tableSync) mayCancelBackfill(ctx workflow.Context, req CancelBackfillRequest) error {
	if req.Rollback && s.Status.RunKind == activities.KindRollback && (req.Run == "" || req.Run == s.Status.Run) {
		return s.refuse("what a rollback did is not undone; leave out the rollback")
	}
	if run := cmp.Or(req.Run, s.Status.Run); req.Rollback && s.find(RequestRollback, run) >= 0 {
		return fmt.Errorf("run %s is to be rolled back already", run)
	}
	return s.owner.mayGiveUp(ctx, req)
}

func (s *tableSync) onCancelBackfill(ctx workflow.Context, req CancelBackfillRequest) (Status, error) {
	run := cmp.Or(req.Run, s.Status.Run)
	waits, _ := s.queued(RequestBackfill, run)
	if req.Rollback && (waits.Begun || run == s.Status.Run) {
		s.enqueue(Request{Kind: RequestRollback, Run: run, By: req.By})
	}
	return s.owner.onCancelBackfill(ctx, req)
}

func (s *tableSync) mayApprove(_ workflow.Context, req ApproveRequest) error {
	if !slices.ContainsFunc(s.Status.Approvals, func(a activities.Approval) bool { return a.Run == req.Run }) {
		return fmt.Errorf("run %s has no deletes that wait for approval", req.Run)
	}
	return nil
}

func (s *tableSync) onApprove(ctx workflow.Context, req ApproveRequest) (Status, error) {
	s.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpApprove, Run: req.Run})
	opts := activityOptions(QueueMain, activities.KindDelta, "let the deletes of "+req.Run+" go on, approved by "+cmp.Or(req.By, "an operator"))
	var result activities.ApproveResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.ApproveDeletes,
		activities.ApproveInput{Table: s.name, Run: req.Run}).Get(ctx, &result)
	if err != nil {
		return s.Status, fmt.Errorf("approving the deletes of %s: %w", req.Run, err)
	}
	s.Status.Approvals = result.Waiting
	s.publish(ctx)
	s.endWait()
	return s.Status, nil
}

func (s *tableSync) onReject(ctx workflow.Context, req ApproveRequest) (Status, error) {
	s.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpReject, Run: req.Run})
	opts := activityOptions(QueueMain, activities.KindDelta, "drop the deletes of "+req.Run+", rejected by "+cmp.Or(req.By, "an operator"))
	var result activities.RejectResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.RejectDeletes,
		activities.ApproveInput{Table: s.name, Run: req.Run}).Get(ctx, &result)
	if err != nil {
		return s.Status, fmt.Errorf("rejecting the deletes of %s: %w", req.Run, err)
	}
	s.Status.Parked = max(0, s.Status.Parked-result.Rejected)
	s.Status.Approvals = result.Waiting
	s.publish(ctx)
	return s.Status, nil
}

// fits refuses a mapping that is not of this table.
func (s *tableSync) fits(req StartRequest) error {
	switch {
	case req.Table == nil:
		return fmt.Errorf("got no table mapping, and this flow owns %q", s.name)
	case req.Table.Name != s.name:
		return fmt.Errorf("the mapping is for %q, this flow owns %q", req.Table.Name, s.name)
	}
	return nil
}
