package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// shownWithin is how long the start waits for something to show of a flow. The flow
// goes on after that.
const shownWithin = 10 * time.Second

// showOptOuts starts the flow of opt-outs and prints what it did.
func showOptOuts(ctx context.Context, o options, cfg *config.Config, c client.Client) error {
	id := workflows.OptOutFlow(cfg.Instance).WorkflowID()
	began, err := startFlow(ctx, o, c, id, "optout: who is not to be contacted, both ways",
		workflows.TypeOptOutSync, workflows.OptOutSyncInput{Instance: cfg.Instance}, operator.StartRequest(cfg, "optout", "devstack"))
	if err != nil || !began {
		return err
	}
	st, err := await(ctx, c, id, func(st workflows.Status) bool { return !st.Watermark.IsZero() && st.Run == "" })
	if err == nil {
		fmt.Fprintf(o.out, "Opt-outs are in step: %s choices looked at, %s carried over.\n", humanize.Comma(st.Totals.Read), humanize.Comma(st.Totals.Updated))
	}
	return unlessLate(ctx, o, "Opt-outs", err)
}

// showEvents sends a mailing, unless there was one, starts egress, and prints what came
// onto the timelines.
func showEvents(ctx context.Context, o options, cfg *config.Config, c client.Client, boxes *stack.Stack) error {
	if boxes.Events.Counts().BroadLogs == 0 {
		f := eventlog.DefaultFunnel()
		f.Profiles = 100
		if _, err := boxes.GenerateEvents(f); err != nil {
			return fmt.Errorf("sending a mailing: %w", err)
		}
	}
	id := workflows.EventFlow(cfg.Instance).WorkflowID()
	began, err := startFlow(ctx, o, c, id, "egress: e-mail events to the timeline in Dynamics",
		workflows.TypeEventSync, workflows.EventSyncInput{Instance: cfg.Instance}, operator.StartRequest(cfg, "egress", "devstack"))
	if err != nil || !began {
		return err
	}
	st, err := await(ctx, c, id, func(st workflows.Status) bool { return st.Totals.Read > 0 && st.Run == "" })
	if err == nil {
		fmt.Fprintf(o.out, "A mailing was sent: %s e-mail events, %s of them on timelines in Dynamics.\n", humanize.Comma(st.Totals.Read), humanize.Comma(st.Totals.Created))
	}
	return unlessLate(ctx, o, "E-mail events", err)
}

// startFlow starts the flow of opt-outs or of events. It returns whether the flow has
// something to show now. A flow that runs already, is paused or FAILED has not.
func startFlow(ctx context.Context, o options, c client.Client, id, summary, workflow string, input, request any) (bool, error) {
	start := c.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueMain, StaticSummary: summary,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, workflow, input)
	handle, err := c.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: workflows.UpdateStart, WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{request},
		},
	})
	var st workflows.Status
	if err == nil {
		err = handle.Get(ctx, &st)
	}
	if _, refused := errors.AsType[*temporal.ApplicationError](err); refused { // it runs, or is paused
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("starting %s: %w", id, err)
	}
	if st.State == workflows.StateFailed {
		fmt.Fprintf(o.out, "%s is FAILED: %s\n", id, st.Reason)
		return false, nil
	}
	return true, nil
}

// await asks for the status of a flow until it is as wanted, for at most shownWithin.
func await(ctx context.Context, c client.Client, id string, wanted func(workflows.Status) bool) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, shownWithin)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if st, err := status(ctx, c, id); err == nil && wanted(st) {
			return st, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return workflows.Status{}, ctx.Err()
		}
	}
}

// unlessLate turns the error of a flow that needs longer than the start waits into a
// message.
func unlessLate(ctx context.Context, o options, what string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		fmt.Fprintf(o.out, "%s are on their way; bin/causeway status shows how far.\n", what)
		return nil
	}
	return err
}
