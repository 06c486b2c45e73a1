package operator

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/workflows"
)

// Only workers reach the ledger and the two systems, so a question is an activity that a
// worker carries out. Servers from 1.31 on take such an activity by itself, as a
// standalone activity. Where the server has none, or has them switched off, a workflow of
// one activity asks.

const (
	questionTime = time.Minute         // for a question whose caller has no deadline
	laterTime    = 14 * 24 * time.Hour // for work of which nobody awaits the answer
)

// Run carries out an activity and waits for its result. It gives up with its caller, so
// that nothing is left waiting for a worker.
func (t *temporalClient) Run(ctx context.Context, activity string, input, result any) error {
	within := questionTime
	if deadline, ok := ctx.Deadline(); ok {
		within = time.Until(deadline)
	}
	if !t.askByWorkflow.Load() {
		handle, err := t.client.ExecuteActivity(ctx, client.StartActivityOptions{
			ID: askID(activity), TaskQueue: workflows.QueueMain, ScheduleToCloseTimeout: within,
			RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: workflows.AskAttempts}, Summary: "asked by causeway",
		}, activity, input)
		if !t.noStandalone(err) {
			if err == nil {
				err = handle.Get(ctx, result)
			}
			return t.explain(err)
		}
	}
	run, err := t.ask(ctx, activity, input, within, false)
	if err == nil {
		var answer json.RawMessage
		if err = run.Get(ctx, &answer); err == nil && len(answer) > 0 && result != nil {
			err = json.Unmarshal(answer, result)
		}
	}
	return t.explain(err)
}

// Later has an activity carried out by whichever worker comes, and returns as soon as the
// server has accepted it.
func (t *temporalClient) Later(ctx context.Context, activity string, input any) error {
	if !t.askByWorkflow.Load() {
		_, err := t.client.ExecuteActivity(ctx, client.StartActivityOptions{
			ID: askID(activity), TaskQueue: workflows.QueueMain, ScheduleToCloseTimeout: laterTime, StartToCloseTimeout: time.Minute,
			Summary: "left by causeway",
		}, activity, input)
		if !t.noStandalone(err) {
			return t.explain(err)
		}
	}
	_, err := t.ask(ctx, activity, input, laterTime, true)
	return t.explain(err)
}

// noStandalone says whether an error means that the server has no standalone activities,
// and remembers that.
func (t *temporalClient) noStandalone(err error) bool {
	if _, ok := errors.AsType[*serviceerror.Unimplemented](err); !ok {
		return false
	}
	t.askByWorkflow.Store(true)
	return true
}

// ask starts the workflow of one activity. It ends with the time that the question has, so
// that it does not outlive the one who asked.
func (t *temporalClient) ask(ctx context.Context, activity string, input any, within time.Duration, patient bool) (client.WorkflowRun, error) {
	question, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	return t.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.AskID(activity, uuid.NewString()), TaskQueue: workflows.QueueMain, WorkflowExecutionTimeout: within, StaticSummary: "asked by causeway",
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
	}, workflows.TypeAsk, workflows.AskInput{Activity: activity, Input: question, Queue: workflows.QueueMain, Patient: patient})
}

// askID is a new id of a standalone activity, which says what is asked.
func askID(activity string) string { return activity + "/" + uuid.NewString() }
