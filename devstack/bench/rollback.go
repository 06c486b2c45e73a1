package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// update sends the flow an update, as an operator would.
func (r *rig) update(ctx context.Context, name string, request any) error {
	handle, err := r.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: r.flowID(), UpdateName: name, Args: []any{request}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	return err
}

// rollback undoes a run and returns the size of its before-images.
func (r *rig) rollback(ctx context.Context, run string) (workflows.RunSummary, activities.MayRollbackResult, error) {
	var may activities.MayRollbackResult
	handle, err := r.client.ExecuteActivity(ctx, client.StartActivityOptions{
		ID: "may-rollback-" + run, TaskQueue: workflows.QueueMain, ScheduleToCloseTimeout: time.Minute,
	}, activities.MayRollback, activities.MayRollbackInput{Run: run})
	if err == nil {
		err = handle.Get(ctx, &may)
	}
	if err == nil {
		err = r.update(ctx, workflows.UpdateRequestRollback, workflows.RollbackRequest{Run: run, By: "bench"})
	}
	if err != nil {
		return workflows.RunSummary{}, may, err
	}
	done, err := r.wait(ctx, func(s workflows.RunSummary) bool { return strings.HasPrefix(s.Run, activities.RollbackPrefix(run)) })
	return done, may, err
}

// rollbacks measures the undoing of a load, which deletes records, and of changes, which
// restores them. It also measures the runs that are undone.
func rollbacks(ctx context.Context, o options) (err error) {
	r, err := newRig(ctx, rigOptions{contacts: o.contacts, synchronous: o.synchronous})
	if err != nil {
		return err
	}
	defer r.done(&err)
	load, err := r.load(ctx)
	if err != nil {
		return err
	}
	undone, may, err := r.rollback(ctx, load.Run)
	if err != nil {
		return err
	}
	if left := r.boxes.Campaign.Count("profile"); left != 0 || undone.State != "COMPLETED" {
		return fmt.Errorf("the rollback is %s and %d profiles are left", undone.State, left)
	}
	figure("load, then its rollback (deletes)", "%.0f and %.0f records/s: %.0f %%; before-images %d bytes", perSecond(load), perSecond(undone), 100*perSecond(undone)/perSecond(load), may.Bytes)

	if _, err := r.backfill(ctx); err != nil {
		return err
	}
	if err := r.update(ctx, workflows.UpdatePause, workflows.PauseRequest{Reason: "changes to come", By: "bench"}); err != nil {
		return err
	}
	for i, id := range r.boxes.Dynamics.Keys("contacts") {
		if err := r.boxes.Dynamics.Update("contacts", id, map[string]any{"address1_city": fmt.Sprintf("Bench %d", i)}); err != nil {
			return err
		}
	}
	last := ""
	if st, err := r.status(ctx); err == nil && st.LastRun != nil {
		last = st.LastRun.Run
	}
	if err := r.update(ctx, workflows.UpdateResume, workflows.ResumeRequest{By: "bench"}); err != nil {
		return err
	}
	changes, err := r.wait(ctx, func(s workflows.RunSummary) bool { return s.Run != last && s.Counts.Updated > 0 })
	if err != nil {
		return err
	}
	calls := r.boxes.Campaign.Calls().Engine()
	undone, may, err = r.rollback(ctx, changes.Run)
	if err != nil {
		return err
	}
	if undone.State != "COMPLETED" || undone.Counts.Updated != changes.Counts.Updated {
		return fmt.Errorf("the rollback is %s: %+v of %+v", undone.State, undone.Counts, changes.Counts)
	}
	figure("changes, then their rollback (restores)", "%.0f and %.0f records/s: %.0f %%, %.2f engine calls per record", perSecond(changes), perSecond(undone),
		100*perSecond(undone)/perSecond(changes), float64(r.boxes.Campaign.Calls().Engine()-calls)/float64(undone.Counts.Updated))
	figure("before-images", "%.1f MB per 100,000 records", float64(may.Bytes)/float64(may.Existed)*100_000/1e6)
	return nil
}
