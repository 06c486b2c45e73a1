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

// Only workers reach the ledger and the two systems, so a question is an activity
// that a worker carries out. Servers from 1.31 on take it by itself, as a standalone
// activity; where the server has none, or has them switched off, a workflow of one
// activity asks.

const (
	askFor     = time.Minute         // for a question whose caller has no deadline
	keepTrying = 14 * 24 * time.Hour // work waits so long for a worker that nobody waits for
)

// Run gives up with its caller, so that nothing is left waiting for a worker.
func (t *temporalClient) Run(ctx context.Context, activity string, input, result any) error {
	within := askFor
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

// Later is answered as soon as the server has taken the work.
func (t *temporalClient) Later(ctx context.Context, activity string, input any) error {
	if !t.askByWorkflow.Load() {
		_, err := t.client.ExecuteActivity(ctx, client.StartActivityOptions{
			ID: askID(activity), TaskQueue: workflows.QueueMain, ScheduleToCloseTimeout: keepTrying, StartToCloseTimeout: time.Minute,
			Summary: "left by causeway",
		}, activity, input)
		if !t.noStandalone(err) {
			return t.explain(err)
		}
	}
	_, err := t.ask(ctx, activity, input, keepTrying, true)
	return t.explain(err)
}

// noStandalone says that the server has no standalone activities, and remembers it.
func (t *temporalClient) noStandalone(err error) bool {
	if _, ok := errors.AsType[*serviceerror.Unimplemented](err); !ok {
		return false
	}
	t.askByWorkflow.Store(true)
	return true
}

// ask starts the workflow of one activity. Its time is the time that the question
// has, so that it does not outlive who asked.
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

// askID is that of a standalone activity: it says what is asked, and is new each time.
func askID(activity string) string { return activity + "/" + uuid.NewString() }
