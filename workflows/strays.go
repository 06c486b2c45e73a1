package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

func (s *tableSync) mayDeleteStrays(_ workflow.Context, req DeleteStraysRequest) error {
	switch st := s.Status.State; {
	case st != StateRunning && st != StatePaused:
		return s.refuse("start it before asking for strays to be deleted")
	case len(req.IDs) == 0 || len(req.IDs) > activities.MaxStrays:
		return fmt.Errorf("got %d ids, want 1 to %d", len(req.IDs), activities.MaxStrays)
	case s.countQueued(RequestStrays) >= maxQueued:
		return s.refuse("%d requests to delete strays are queued already", maxQueued)
	}
	return nil
}

func (s *tableSync) onDeleteStrays(ctx workflow.Context, req DeleteStraysRequest) (Status, error) {
	run := s.newRun(ctx)
	s.enqueue(Request{Kind: RequestStrays, Run: run, IDs: req.IDs, By: req.By})
	s.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpStrays, Run: run, Detail: fmt.Sprintf("%d of them", len(req.IDs))})
	s.endWait()
	return s.Status, nil
}

// deleteStrays has the ledger take up the deletes of strays. The next pass of changes
// carries them out, as far as the delete guard lets them go.
func (s *tableSync) deleteStrays(ctx workflow.Context) error {
	next, _ := s.first(RequestStrays)
	s.Status.Phase = "taking up the deletes of strays"
	s.publish(ctx)
	var took activities.DeleteStraysResult
	opts := activityOptions(QueueCampaign, activities.KindAudit, s.Status.Phase)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.DeleteStrays, activities.DeleteStraysInput{
		RunRef: s.ref(next.Run, activities.KindAudit), Workflow: s.id.WorkflowID(), IDs: next.IDs,
	}).Get(ctx, &took)
	if err != nil {
		return s.failed(ctx, err)
	}
	s.dequeue(RequestStrays, next.Run)
	s.Status.Approvals, s.Status.Strays = took.Waiting, took.Strays
	s.publish(ctx)
	return nil
}
