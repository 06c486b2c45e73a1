package workflows

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
)

// What the night finds is kept, and counted in the result of the workflow.
func TestCheckupKeepsWhatItFinds(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	var asked activities.DoctorInput
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.DoctorInput) (*activities.DoctorResult, error) {
		asked = in
		return &activities.DoctorResult{Checks: []activities.Check{{State: activities.CheckOK}, {State: activities.CheckFail}, {State: activities.CheckFail}, {State: activities.CheckSkipped}}}, nil
	}, activity.RegisterOptions{Name: activities.Doctor})
	env.ExecuteWorkflow(Checkup)
	var got CheckupResult
	require.NoError(t, env.GetWorkflowResult(&got))
	require.Equal(t, CheckupResult{OK: 1, Fail: 2, Skipped: 1}, got)
	require.True(t, asked.Keep)
	require.Empty(t, asked.Areas)
}
