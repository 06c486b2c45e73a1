package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/term"

	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

const table = "contacts"

// load starts the contacts flow, unless it runs already, and follows it until all seeded
// contacts are in Campaign.
func load(ctx context.Context, o options, cfg *config.Config, c client.Client) error {
	id := workflows.TableFlow(cfg.Instance, table).WorkflowID()
	start := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueMain,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "contacts: Dynamics to Campaign",
	}, workflows.TypeTableSync, workflows.TableSyncInput{Instance: cfg.Instance, Table: table})
	handle, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: workflows.UpdateStart, WaitForStage: client.WorkflowUpdateStageCompleted,
			Args: []any{operator.StartRequest(cfg, table, "devstack")},
		},
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	if _, refused := errors.AsType[*temporal.ApplicationError](err); refused { // it runs, or is paused
		fmt.Fprintln(o.out, "The contacts flow goes on where it was.")
	} else if err != nil {
		return fmt.Errorf("starting the contacts flow: %w", err)
	}
	return follow(ctx, o, c, id)
}

// follow shows progress until the flow waits for changes, or fails.
func follow(ctx context.Context, o options, c client.Client, id string) error {
	p := newProgress(o.out, term.IsTerminal(int(o.out.Fd())))
	defer p.end()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := status(ctx, c, id)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("asking for the status of the contacts flow: %w", err)
		}
		if err == nil {
			p.show(st)
			switch {
			case st.State == workflows.StateFailed:
				return fmt.Errorf("the contacts flow FAILED: %s", st.Reason)
			case st.State == workflows.StateStopped, st.State == workflows.StatePaused:
				p.end()
				fmt.Fprintf(o.out, "The contacts flow is %s; nothing moves until somebody starts it.\n", st.State)
				return nil
			case st.State == workflows.StateRunning && !st.Watermark.IsZero() && st.Run == "":
				p.done(st)
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// status asks the flow for its status, and its present run for progress.
func status(ctx context.Context, c client.Client, id string) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var st workflows.Status
	value, err := c.QueryWorkflow(ctx, id, "", workflows.QueryStatus)
	if err != nil {
		return st, err
	}
	if err := value.Get(&st); err != nil || st.RunWorkflow == "" {
		return st, err
	}
	if value, err := c.QueryWorkflow(ctx, st.RunWorkflow, "", workflows.QueryProgress); err == nil {
		var p workflows.Progress
		if value.Get(&p) == nil {
			st.Progress = &p
		}
	}
	return st, nil
}
