package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/workflows"
)

// A run whose workflow runs already, as after a reset of the owner, fails the flow
// with what to type, and a later start goes on.
func TestARunThatCannotStartDoesNotEndTheFlow(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.env.OnWorkflow("Backfill", mock.Anything, mock.Anything).Return(nil, testsuite.ErrMockStartChildWorkflowFailed).Once()
	o.env.OnWorkflow("Backfill", mock.Anything, mock.Anything).Return(workflows.Backfill)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateFailed, st.State)
		require.Contains(t, st.Reason, "temporal workflow terminate --workflow-id acme/ingress/contacts/backfill/contacts-")
		require.Contains(t, st.Reason, "causeway start contacts")
		require.Empty(t, st.Run)
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(2*time.Hour, func() {
		require.Equal(t, workflows.StateRunning, o.status().State)
		require.Equal(t, int64(40), o.status().Totals.Read)
	})
	o.run(3 * time.Hour)
	require.Contains(t, o.f.steps(), "watermark initial")
}

// A run that was terminated is closed in the ledger by its owner.
func TestATerminatedRunIsClosed(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	var run string
	o.env.OnWorkflow("Backfill", mock.Anything, mock.Anything).Return(func(_ workflow.Context, in workflows.PassInput) (*workflows.PassResult, error) {
		run = in.Ref.Run
		o.f.mu.Lock()
		defer o.f.mu.Unlock()
		o.f.run(run)
		return nil, &temporal.TerminatedError{}
	})
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateFailed, st.State)
		require.Equal(t, "its workflow was terminated, as the Temporal UI can", st.Reason)
		require.Equal(t, run, st.LastRun.Run)
	})
	o.run(2 * time.Hour)
	require.Equal(t, "FAILED", o.f.run(run).state)
	require.True(t, o.f.run(run).dropped)
}

// A cancel that reaches a run when it has just ended as stopped is no less a cancel.
func TestACancelThatMeetsAStoppedRunGivesItUp(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	var run string
	o.env.OnWorkflow("Backfill", mock.Anything, mock.Anything).Return(func(ctx workflow.Context, in workflows.PassInput) (*workflows.PassResult, error) {
		run = in.Ref.Run
		o.f.mu.Lock()
		o.f.run(run).state = "STOPPED"
		o.f.mu.Unlock()
		err := workflow.Sleep(ctx, time.Hour) // deaf, as one that has ended
		return &workflows.PassResult{Summary: workflows.RunSummary{Run: run, Kind: in.Ref.Kind, State: "STOPPED"}}, err
	})
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Minute, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
	o.at(2*time.Minute, func() { o.asks(workflows.UpdateCancelBackfill, o.mustAccept, workflows.CancelBackfillRequest{}) })
	o.at(2*time.Hour, func() {
		require.Equal(t, workflows.StateStopped, o.status().State)
		require.Equal(t, "CANCELLED", o.status().LastRun.State)
	})
	o.run(3 * time.Hour)
	require.Equal(t, "CANCELLED", o.f.run(run).state)
	require.True(t, o.f.run(run).dropped)
}
