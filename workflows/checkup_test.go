package workflows

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

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
	env.ExecuteWorkflow(Checkup, CheckupInput{})
	var got CheckupResult
	require.NoError(t, env.GetWorkflowResult(&got))
	require.Equal(t, CheckupResult{OK: 1, Fail: 2, Skipped: 1}, got)
	require.True(t, asked.Keep)
	require.Empty(t, asked.Areas)
}

// After the checks a night compares tables one after the other. What differs is kept, an audit
// that fails or is somebody else's is skipped, and the others are made all the same.
func TestANightComparesTables(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivityWithOptions(func(context.Context, activities.DoctorInput) (*activities.DoctorResult, error) {
		return &activities.DoctorResult{Checks: []activities.Check{{State: activities.CheckOK}}}, nil
	}, activity.RegisterOptions{Name: activities.Doctor})
	var kept []activities.Check
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.KeepChecksInput) error {
		kept = in.Checks
		return nil
	}, activity.RegisterOptions{Name: activities.KeepChecks})
	var order []string
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in AuditInput) (*AuditResult, error) {
		order = append(order, workflow.GetInfo(ctx).WorkflowExecution.ID+" by "+in.By)
		switch in.Table.Name {
		case "bad":
			return nil, temporal.NewNonRetryableApplicationError("Campaign is away", "x", errors.New("x"))
		case "drifted":
			return &AuditResult{Findings: activities.AuditFindings{Changed: 2, Missing: 1}}, nil
		}
		return &AuditResult{}, nil
	}, workflow.RegisterOptions{Name: TypeAudit})
	in := CheckupInput{}
	for _, name := range []string{"bad", "drifted", "well"} {
		in.Audits = append(in.Audits, AuditInput{Instance: "acme", Table: activities.Table{Name: name}, By: BySchedule})
	}
	env.ExecuteWorkflow(Checkup, in)
	var got CheckupResult
	require.NoError(t, env.GetWorkflowResult(&got))
	require.Equal(t, CheckupResult{OK: 1, Audits: 2}, got)
	require.Equal(t, []string{"acme/ingress/bad/audit by schedule", "acme/ingress/drifted/audit by schedule", "acme/ingress/well/audit by schedule"}, order)
	require.Len(t, kept, 3)
	require.Equal(t, activities.CheckSkipped, kept[0].State)
	require.Equal(t, activities.CheckWarn, kept[1].State)
	require.Contains(t, kept[1].Found, "in Campaign 2 changed, 1 missing")
	require.Contains(t, kept[1].Remedy, "causeway audit drifted --repair")
	require.Equal(t, activities.CheckOK, kept[2].State)
}
