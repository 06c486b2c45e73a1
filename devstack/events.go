package main

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/config"
	"causeway.dev/starter/commands"
	"causeway.dev/workflows"
)

// startEvents starts the flow of e-mail events, unless it runs already.
func startEvents(ctx context.Context, o options, cfg *config.Config, c client.Client) error {
	id := workflows.EventSyncID(cfg.Instance)
	start := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueMain,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "egress: e-mail events to the timeline in Dynamics",
	}, workflows.TypeEventSync, workflows.EventSyncInput{Instance: cfg.Instance})
	handle, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: workflows.UpdateStart, WaitForStage: client.WorkflowUpdateStageCompleted,
			Args: []any{commands.StartEventsRequest(cfg, "devstack")},
		},
	})
	var st workflows.Status
	if err == nil {
		err = handle.Get(ctx, &st)
	}
	if _, refused := errors.AsType[*temporal.ApplicationError](err); refused { // it runs, or is paused
		return nil
	}
	if err != nil {
		return fmt.Errorf("starting egress: %w", err)
	}
	if st.State == workflows.StateFailed {
		fmt.Fprintf(o.out, "Egress is FAILED: %s\n", st.Reason)
	}
	return nil
}
