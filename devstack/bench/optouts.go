package main

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func optOuts(ctx context.Context, o options) error { return choices(ctx, o, o.contacts) }

func millionOptOuts(ctx context.Context, o options) error { return choices(ctx, o, o.million) }

// choices measures what opt-outs cost: first the read of all contacts that a start with
// new settings makes, then a few choices among many contacts without one.
func choices(ctx context.Context, o options, contacts int) (err error) {
	changes := min(1000, contacts/10)
	r, err := newRig(ctx, rigOptions{contacts: contacts, synchronous: o.synchronous,
		optOut: "mode: bidirectional, source: rest, poll_every: 1s, campaign_every: 10s, pairs: [{campaign: denyListEmail, dynamics: donotbulkemail}]"})
	if err != nil {
		return err
	}
	defer r.done(&err)
	if _, err := r.load(ctx); err != nil {
		return err
	}
	calls := r.boxes.Campaign.Calls().Engine()
	began := time.Now()
	if err := r.startOptOuts(ctx); err != nil {
		return err
	}
	run, err := r.wait(ctx, func(run workflows.RunSummary) bool { return run.Kind == "initial" && run.State == "COMPLETED" })
	if err != nil {
		return err
	}
	took := time.Since(began)
	figure("everybody's opt-outs", "%s, %.0f records/s (%d contacts and profiles, %d of them written, %d engine calls)",
		took.Round(100*time.Millisecond), float64(run.Counts.Read)/took.Seconds(), run.Counts.Read, run.Counts.Updated, r.boxes.Campaign.Calls().Engine()-calls)

	keys := r.boxes.Dynamics.Keys("contacts")
	calls = r.boxes.Campaign.Calls().Engine()
	requests := r.boxes.Dynamics.Requests()
	wanted := map[string]bool{}
	for i := 0; len(wanted) < changes && i < len(keys); i++ {
		id := keys[len(keys)-1-i]
		if out, _ := r.boxes.Dynamics.Row("contacts", id)["donotbulkemail"].(bool); out {
			continue
		}
		wanted[id] = true
		if i%2 == 0 {
			err = r.boxes.Dynamics.Update("contacts", id, map[string]any{"donotbulkemail": true})
		} else {
			err = r.boxes.Campaign.Update("profile", id, []byte(`{"blackListEmail":true}`))
		}
		if err != nil {
			return err
		}
	}
	began = time.Now()
	if err := r.until(ctx, func() bool {
		for id := range wanted {
			here, _ := r.boxes.Dynamics.Row("contacts", id)["donotbulkemail"].(bool)
			there, _ := r.boxes.Campaign.Profile(id)["blackListEmail"].(bool)
			if !here || !there {
				return false
			}
			delete(wanted, id)
		}
		return true
	}); err != nil {
		return err
	}
	figure("choices among them, in both systems after", "%s (%d choices; Campaign is looked at every 10 s)", time.Since(began).Round(10*time.Millisecond), changes)
	figure("cost of a choice", "%.2f engine calls, %.2f requests to Dynamics, those of looking included",
		float64(r.boxes.Campaign.Calls().Engine()-calls)/float64(changes), float64(r.boxes.Dynamics.Requests()-requests)/float64(changes))
	figure("worker's peak memory", "%d MB", procStatus(r.worker.Process.Pid, "VmHWM:")>>20)
	return nil
}

func (r *rig) startOptOuts(ctx context.Context) error {
	id := workflows.OptOutFlow(r.cfg.Instance).WorkflowID()
	handle, err := r.client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: r.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
			ID: id, TaskQueue: workflows.QueueMain, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		}, workflows.TypeOptOutSync, workflows.OptOutSyncInput{Instance: r.cfg.Instance}),
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: workflows.UpdateStart, WaitForStage: client.WorkflowUpdateStageCompleted,
			Args: []any{operator.StartRequest(r.cfg, "optout", "bench")},
		},
	})
	if err != nil {
		return err
	}
	r.flow = id
	var st workflows.Status
	if err := handle.Get(ctx, &st); err != nil {
		return err
	}
	if st.State != workflows.StateRunning {
		return fmt.Errorf("the flow of opt-outs is %s: %s", st.State, st.Reason)
	}
	return nil
}
