package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// askedFor is one question through the workflow, answered by an activity.
func askedFor(t *testing.T, in workflows.AskInput, within time.Duration, answer func(context.Context, activities.QuarantineListInput) (activities.QuarantineListResult, error)) (json.RawMessage, error) {
	t.Helper()
	suite := testsuite.WorkflowTestSuite{}
	env := suite.NewTestWorkflowEnvironment()
	workflows.Register(env)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "ask", TaskQueue: workflows.QueueMain, WorkflowExecutionTimeout: within})
	env.RegisterActivityWithOptions(answer, activity.RegisterOptions{Name: in.Activity})
	env.ExecuteWorkflow(workflows.TypeAsk, in)
	completed(t, env)
	var got json.RawMessage
	err := env.GetWorkflowError()
	if err == nil {
		err = env.GetWorkflowResult(&got)
	}
	return got, err
}

// A question reaches the activity as it is, and its answer comes back as it is.
func TestAskPassesQuestionAndAnswerOn(t *testing.T) {
	t.Parallel()
	in := workflows.AskInput{Activity: activities.ListQuarantine, Input: json.RawMessage(`{"table":"contacts","limit":1}`), Queue: workflows.QueueMain}
	var asked activities.QuarantineListInput
	got, err := askedFor(t, in, time.Minute, func(ctx context.Context, in activities.QuarantineListInput) (activities.QuarantineListResult, error) {
		asked = in
		return activities.QuarantineListResult{Total: 7}, nil
	})
	require.NoError(t, err)
	require.Equal(t, activities.QuarantineListInput{Table: "contacts", Limit: 1}, asked)
	var answer activities.QuarantineListResult
	require.NoError(t, json.Unmarshal(got, &answer))
	require.EqualValues(t, 7, answer.Total)
}

// Who waits learns soon that it fails; what nobody waits for is tried until it works.
func TestAskTriesAgain(t *testing.T) {
	t.Parallel()
	for patient, fails := range map[bool]int{false: workflows.AskAttempts, true: 3 * workflows.AskAttempts} {
		in := workflows.AskInput{Activity: activities.ListQuarantine, Input: json.RawMessage(`{}`), Queue: workflows.QueueMain, Patient: patient}
		attempts := 0
		_, err := askedFor(t, in, time.Hour, func(context.Context, activities.QuarantineListInput) (activities.QuarantineListResult, error) {
			if attempts++; attempts <= fails {
				return activities.QuarantineListResult{}, errors.New("the ledger is locked")
			}
			return activities.QuarantineListResult{}, nil
		})
		if patient {
			require.NoError(t, err)
			require.Equal(t, fails+1, attempts)
			continue
		}
		var app *temporal.ApplicationError
		require.ErrorAs(t, err, &app)
		require.Equal(t, workflows.AskAttempts, attempts)
	}
}
