package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/activities/optout"
	"causeway.dev/workflows"
)

// What a wait for choices comes back with decides what is next: a page calls for a
// pass, a failure for an operator, and only an operator's wish for another look.
func TestTheWaitForChoicesEndsInThreeWays(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		first  error         // of a look
		sync   time.Duration // when an operator asks for one
		passes int
		looks  []bool // whether each was at every source at once; one that was interrupted counts, what it found does not
		state  workflows.State
	}{
		"a page is carried":                  {passes: 2, looks: []bool{true, false}, state: workflows.StateRunning},
		"a failure stops the flow":           {first: temporal.NewNonRetryableApplicationError("no permission", "Forbidden", nil), looks: []bool{true}, state: workflows.StateFailed},
		"sync-now looks everywhere at once":  {sync: 5 * time.Minute, passes: 2, looks: []bool{true, false, true}, state: workflows.StateRunning},
		"so it does while a page is carried": {sync: 30 * time.Second, passes: 2, looks: []bool{true, true}, state: workflows.StateRunning},
	}
	for name, tt := range tests {
		for size, read := range map[string]int{"in the flow": 3, "in a pass of its own": 300} {
			t.Run(name+" "+size, func(t *testing.T) {
				t.Parallel()
				theWaitForChoices(t, tt.first, tt.sync, tt.passes, tt.looks, tt.state, read)
			})
		}
	}
}

func theWaitForChoices(t *testing.T, first error, sync time.Duration, wantPasses int, wantLooks []bool, state workflows.State, read int) {
	env := newWorkflowEnv()
	var optOut *optout.Activities
	workflows.Register(env)
	optOut.Register(env)
	env.RegisterActivityWithOptions(newFake().LogOperation, activity.RegisterOptions{Name: "LogOperation"})
	env.OnActivity(activities.PreflightOptOut, mock.Anything, mock.Anything).Return(&activities.PreflightOptOutResult{Revision: "r1", Plan: "p1", Source: "rest"}, nil)
	var looks []bool
	look := func(_ context.Context, in activities.FetchInput) (*activities.FetchResult, error) {
		looks = append(looks, in.Now)
		return &activities.FetchResult{Page: 1, Phase: in.Phase, Read: read, Lanes: []int{read}}, first
	}
	env.OnActivity(activities.FetchOptOuts, mock.Anything, mock.Anything).Return(look).Once()
	env.OnActivity(activities.FetchOptOuts, mock.Anything, mock.Anything).Return(look).After(15 * time.Minute)
	passes := 0
	env.OnWorkflow(workflows.OptOutPass, mock.Anything, mock.Anything).Return(func(ctx workflow.Context, in workflows.PassInput) (*workflows.PassResult, error) {
		passes++
		if err := workflow.Sleep(ctx, 2*time.Minute); err != nil {
			return nil, err
		}
		return &workflows.PassResult{Summary: workflows.RunSummary{Run: in.Ref.Run, Kind: in.Ref.Kind, State: "COMPLETED"}}, nil
	})
	env.OnActivity(activities.WriteOptOuts, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
		passes++
		return &activities.LaneResult{Counts: activities.Counts{Read: 3, Updated: 3}}, nil
	}).After(50 * time.Second)
	env.OnActivity(activities.SaveOptOutPosition, mock.Anything, mock.Anything).Return(&activities.SaveWatermarkResult{State: "COMPLETED", Counts: activities.Counts{Read: 3, Updated: 3}}, nil)
	env.OnActivity(activities.EndOptOutRun, mock.Anything, mock.Anything).Return(nil)
	ask := func(name string, request any) {
		env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(err error) { require.NoError(t, err) }, OnComplete: func(any, error) {},
		}, request)
	}
	env.RegisterDelayedCallback(func() {
		ask(workflows.UpdateStart, workflows.StartRequest{Revision: "r1", Tuning: optOutTuning, OptOut: &activities.OptOutSettings{Mode: "bidirectional"}})
	}, time.Second)
	if sync > 0 {
		env.RegisterDelayedCallback(func() { ask(workflows.UpdateSyncNow, workflows.SyncNowRequest{}) }, sync)
	}
	env.RegisterDelayedCallback(func() {
		value, err := env.QueryWorkflow(workflows.QueryStatus)
		require.NoError(t, err)
		var st workflows.Status
		require.NoError(t, value.Get(&st))
		require.Equal(t, state, st.State, st.Reason)
		env.CancelWorkflow()
	}, 21*time.Minute)
	env.ExecuteWorkflow(workflows.OptOutSync, workflows.OptOutSyncInput{Instance: "acme"})
	completed(t, env)
	require.Equal(t, wantPasses, passes)
	require.Equal(t, wantLooks, looks)
}
