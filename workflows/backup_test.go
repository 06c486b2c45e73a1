package workflows

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
)

// The schedule asks in its own name, for the folder of the configuration. What cannot be
// copied fails the night at once.
func TestTheNightlyBackup(t *testing.T) {
	t.Parallel()
	var fails error
	run := func() (*testsuite.TestWorkflowEnvironment, []activities.BackupLedgerInput) {
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestWorkflowEnvironment()
		var asked []activities.BackupLedgerInput
		env.RegisterActivityWithOptions(func(_ context.Context, in activities.BackupLedgerInput) (*activities.BackupLedgerResult, error) {
			asked = append(asked, in)
			return &activities.BackupLedgerResult{Backup: &activities.LedgerBackup{File: "/b/l.db", Size: 7}}, fails
		}, activity.RegisterOptions{Name: activities.BackupLedger})
		env.ExecuteWorkflow(Backup)
		return env, asked
	}
	env, asked := run()
	var got activities.LedgerBackup
	require.NoError(t, env.GetWorkflowResult(&got))
	require.Equal(t, int64(7), got.Size)
	require.Equal(t, []activities.BackupLedgerInput{{By: "schedule"}}, asked)
	fails = temporal.NewNonRetryableApplicationError("no room", "BackupFailed", nil)
	env, asked = run()
	require.ErrorContains(t, env.GetWorkflowError(), "no room")
	require.Len(t, asked, 1)
}
