package operator

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/workflows"
)

func TestStandaloneActivityEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	r := &recorder{err: serviceerror.NewDeadlineExceeded("")}
	c := &temporalClient{client: r}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	require.ErrorIs(t, c.Run(ctx, activities.ListQuarantine, nil, nil), ErrNoWorker)
	require.Equal(t, workflows.QueueMain, r.activity.TaskQueue)
	require.Positive(t, r.activity.ScheduleToCloseTimeout)
	require.LessOrEqual(t, r.activity.ScheduleToCloseTimeout, time.Hour)
	first := r.activity.ID
	require.ErrorIs(t, c.Run(ctx, activities.ListQuarantine, nil, nil), ErrNoWorker)
	require.NotEqual(t, first, r.activity.ID)
}

func (r *recorder) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, typ any, args ...any) (client.WorkflowRun, error) {
	if typ != workflows.TypeAsk {
		return nil, serviceerror.NewInvalidArgument("not a question")
	}
	r.workflow, r.question, r.workflows = o, args[0].(workflows.AskInput), r.workflows+1
	return r.answer, nil
}

// workflowAnswer is a workflow that has ended.
type workflowAnswer struct {
	client.WorkflowRun
	answer string
	err    error
}

func (a workflowAnswer) Get(_ context.Context, into any) error {
	if a.err != nil {
		return a.err
	}
	*into.(*json.RawMessage) = json.RawMessage(a.answer)
	return nil
}

// A server without standalone activities is asked through a workflow of one
// activity, and is tried once only.
func TestQuestionsWithoutStandaloneActivities(t *testing.T) {
	t.Parallel()
	r := &recorder{err: serviceerror.NewUnimplemented("Standalone activity is disabled"), answer: workflowAnswer{answer: `{"total":7}`}}
	c := &temporalClient{client: r, address: "here:1"}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var got activities.QuarantineListResult
	require.NoError(t, c.Run(ctx, activities.ListQuarantine, activities.QuarantineListInput{Table: "contacts", Limit: 1}, &got))
	require.EqualValues(t, 7, got.Total)
	require.Equal(t, activities.ListQuarantine, r.question.Activity)
	require.Equal(t, workflows.QueueMain, r.question.Queue)
	require.False(t, r.question.Patient)
	var asked activities.QuarantineListInput
	require.NoError(t, json.Unmarshal(r.question.Input, &asked))
	require.Equal(t, activities.QuarantineListInput{Table: "contacts", Limit: 1}, asked)
	require.Regexp(t, "^ask/"+activities.ListQuarantine+"/.+", r.workflow.ID, "the id says what was asked")
	require.Equal(t, workflows.QueueMain, r.workflow.TaskQueue)
	require.Positive(t, r.workflow.WorkflowExecutionTimeout)
	require.LessOrEqual(t, r.workflow.WorkflowExecutionTimeout, time.Hour, "it ends with its caller")

	first := r.workflow.ID
	require.NoError(t, c.Run(ctx, activities.ListQuarantine, nil, &got))
	require.NotEqual(t, first, r.workflow.ID)
	require.NoError(t, c.Later(ctx, activities.LogOperation, activities.LogInput{}))
	require.True(t, r.question.Patient)
	require.Equal(t, laterTime, r.workflow.WorkflowExecutionTimeout)
	require.Equal(t, 1, r.activities, "the server is known by then")
	require.Equal(t, 3, r.workflows)

	r.answer.err = temporal.NewApplicationError("the ledger is locked", "Ledger")
	require.EqualError(t, c.Run(ctx, activities.ListQuarantine, nil, &got), "the ledger is locked")
	require.Equal(t, Failed, KindOf(asFailed(c.Run(ctx, activities.ListQuarantine, nil, &got))))
	r.answer.err = temporal.NewApplicationError("limit: got 0, want 1 to 1000", badInputType)
	require.Equal(t, BadInput, KindOf(asFailed(c.Run(ctx, activities.ListQuarantine, nil, &got))), "the worker did not do it")
	r.answer.err = temporal.NewApplicationError("you asked for this yourself", access.CodeRefused)
	require.Equal(t, BadInput, KindOf(asFailed(c.Run(ctx, activities.DecideRequest, nil, &got))), "nothing was done")
	r.answer = workflowAnswer{}
	require.NoError(t, c.Run(ctx, activities.LogOperation, activities.LogInput{}, nil), "work without an answer")
}

// Work that is left for later is what finds out first, too.
func TestLaterWithoutStandaloneActivities(t *testing.T) {
	t.Parallel()
	r := &recorder{err: serviceerror.NewUnimplemented("unknown method StartActivityExecution")}
	c := &temporalClient{client: r}
	require.NoError(t, c.Later(t.Context(), activities.LogOperation, activities.LogInput{}))
	require.NoError(t, c.Later(t.Context(), activities.LogOperation, activities.LogInput{}))
	require.Equal(t, 1, r.activities)
	require.Equal(t, 2, r.workflows)
}
