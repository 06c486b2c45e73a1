package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/internal/operator"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// Bounds of the service for one application user (docs/protocol/dynamics.md §7.1).
const (
	windowRequests  = 6000
	windowExecution = 20 * time.Minute
	window          = 5 * time.Minute
	mostAtOnce      = 52
)

// operationTime is what a row is assumed to cost Dynamics, including its process.
const operationTime = 10 * time.Millisecond

func events(ctx context.Context, o options) error {
	for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
		figure(fmt.Sprintf("Dynamics answering after %s", latency), "")
		grouped, err := timeline(ctx, o.contacts, latency, 50)
		if err != nil {
			return err
		}
		grouped.print("  groups")
		single, err := timeline(ctx, max(1000, o.contacts/10), latency, 1)
		if err != nil {
			return err
		}
		single.print("  one request per event")
		figure("  in groups", "%.1f times the events per second, %.0f times fewer requests", grouped.rate/single.rate, single.requests/grouped.requests)
	}
	return nil
}

func millionEvents(ctx context.Context, o options) error {
	t, err := timeline(ctx, o.million, 0, 50)
	if err != nil {
		return err
	}
	t.print("groups")
	figure("worker's peak memory", "%d MB", t.peak>>20)
	figure("ledger", "%.0f bytes per event remembered", float64(t.ledger)/float64(t.events))
	return nil
}

// timelineCost is what it cost to write events to the timeline.
type timelineCost struct {
	events                  int64
	rate                    float64 // events/s
	requests, execution     float64 // per 1,000 events; of execution, ms
	widest, throttled, rows int64
	peak, ledger            int64
}

func (t timelineCost) print(name string) {
	figure(name, "%.0f events/s (%d events, %d rows)", t.rate, t.events, t.rows)
	figure(name+": per 1,000 events", "%.1f requests, %.1f s of execution at 10 ms a row", t.requests, t.execution/1000)
	figure(name+": within the service's limits", "%.0f events/s by requests, %.0f events/s by execution; %d of %d at once, %d throttled",
		windowRequests/window.Seconds()/t.requests*1000, windowExecution.Seconds()/window.Seconds()/(t.execution/1000)*1000, t.widest, mostAtOnce, t.throttled)
}

// timeline writes n events to the timeline and measures that.
func timeline(ctx context.Context, n int, latency time.Duration, rows int) (cost timelineCost, err error) {
	r, err := newRig(ctx, rigOptions{
		contacts: 5000, egress: fmt.Sprintf("sends: true, opens: true, clicks: true, bounces: true, batch_size: %d", rows),
		stack: func(o *stack.Options) { o.DynamicsLatency = latency },
	})
	if err != nil {
		return cost, err
	}
	defer r.done(&err)
	f := eventlog.DefaultFunnel()
	f.Events = n
	if _, err := r.boxes.GenerateEvents(f); err != nil {
		return cost, err
	}
	published := int64(r.boxes.Events.Counts().Published)
	r.boxes.Dynamics.ResetUsage()
	began := time.Now()
	if err := r.startEvents(ctx); err != nil {
		return cost, err
	}
	if err := r.caughtUp(ctx, published); err != nil {
		return cost, err
	}
	took := time.Since(began)
	owner := r.boxes.Dynamics.Processes()[0].Owner
	if diff := r.boxes.TimelineDifferences(stack.Timeline{Sends: true, Opens: true, Clicks: true, Bounces: true}, owner, 3); len(diff) > 0 {
		return cost, fmt.Errorf("the timeline is not as it should be: %v", diff)
	}
	used := r.boxes.Dynamics.Usage()
	cost = timelineCost{
		events: published, rate: float64(published) / took.Seconds(), requests: float64(used.Requests) * 1000 / float64(published),
		execution: float64(used.Operations) * float64(operationTime.Milliseconds()) * 1000 / float64(published),
		widest:    used.Widest, throttled: used.Throttled, rows: used.Operations, peak: procStatus(r.worker.Process.Pid, "VmHWM:"),
	}
	for _, name := range []string{"ledger.db", "ledger.db-wal"} {
		if info, err := os.Stat(filepath.Join(r.dir, name)); err == nil {
			cost.ledger += info.Size()
		}
	}
	return cost, nil
}

func (r *rig) startEvents(ctx context.Context) error {
	handle, err := r.client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: r.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
			ID: r.flowID(), TaskQueue: workflows.QueueMain, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		}, workflows.TypeEventSync, workflows.EventSyncInput{Instance: r.cfg.Instance}),
		UpdateOptions: client.UpdateWorkflowOptions{
			WorkflowID: r.flowID(), UpdateName: workflows.UpdateStart, WaitForStage: client.WorkflowUpdateStageCompleted,
			Args: []any{operator.StartRequest(r.cfg, "egress", "bench")},
		},
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, nil)
}

// caughtUp waits until n events have an outcome.
func (r *rig) caughtUp(ctx context.Context, n int64) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := r.status(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && st.State == workflows.StateFailed:
			return fmt.Errorf("the flow failed: %s", st.Reason)
		case err == nil && st.Run == "" && st.Totals.Read >= n:
			return nil
		}
		<-tick.C
	}
}
