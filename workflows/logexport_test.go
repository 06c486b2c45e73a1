package workflows

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
)

// Every file of a day is written before the day is done; one that fails is tried again.
func TestLogExportWritesEveryFile(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	var done []string
	env.RegisterActivityWithOptions(func(context.Context, activities.LogDaysInput) (*activities.LogDaysResult, error) {
		return &activities.LogDaysResult{Days: []string{"2026-03-01", "2026-03-02"}, Flows: []string{"contacts", "egress"}}, nil
	}, activity.RegisterOptions{Name: activities.LogDays})
	tries := 0
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.ExportLogInput) (*activities.ExportLogResult, error) {
		if tries++; tries == 2 {
			return nil, errors.New("the server is full")
		}
		done = append(done, in.Day+" "+in.Flow)
		return &activities.ExportLogResult{Lines: 10}, nil
	}, activity.RegisterOptions{Name: activities.ExportLog})
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.EndLogDayInput) (*activities.EndLogDayResult, error) {
		done = append(done, in.Day)
		return &activities.EndLogDayResult{Removed: 1}, nil
	}, activity.RegisterOptions{Name: activities.EndLogDay})
	env.ExecuteWorkflow(LogExport)
	var got LogExportResult
	require.NoError(t, env.GetWorkflowResult(&got))
	require.Equal(t, LogExportResult{Files: 4, Lines: 40, Removed: 2}, got)
	require.Equal(t, []string{"2026-03-01 contacts", "2026-03-01 egress", "2026-03-01", "2026-03-02 contacts", "2026-03-02 egress", "2026-03-02"}, done)
}
