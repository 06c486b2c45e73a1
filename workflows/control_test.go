package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// A pause that is taken back before the work in hand was put back is no failure.
func TestAPauseTakenBackAtOnceIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string][]int{"while a page is read": nil, "while changes are applied in between": {8}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			req := start
			req.Tuning.DeltaInterval = 1
			o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, req) })
			o.at(time.Hour, func() {
				o.f.mu.Lock()
				o.f.changes = changes
				o.f.mu.Unlock()
				o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{})
			})
			o.at(time.Hour+210*time.Second, func() {
				require.Equal(t, activities.KindBackfill, o.status().RunKind)
				require.Empty(t, o.f.changes)
				o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "mistaken"})
				o.asks(workflows.UpdateResume, o.mustAccept, workflows.ResumeRequest{})
			})
			o.at(2*time.Hour, func() {
				require.Equal(t, workflows.StateRunning, o.status().State, o.status().Reason)
				require.Equal(t, "COMPLETED", o.status().LastRun.State)
			})
			o.run(3 * time.Hour)
		})
	}
}

// A stop while lanes are written that the ledger had lost is a stop.
func TestAStopWhileLostLanesAreWrittenIsNoFailure(t *testing.T) {
	t.Parallel()
	env, f, in := newWorkflowEnv(), newFake(), passInput(activities.KindInitial)
	f.register(env)
	f.inTime(env)
	lost := activities.LaneRef{Page: 1, Lane: 0, Size: 4}
	env.OnActivity("SaveWatermark", mock.Anything, mock.Anything).Return(func(ctx context.Context, in activities.SaveWatermarkInput) (*activities.SaveWatermarkResult, error) {
		f.run(in.Run).lanes[lost] = false
		env.SignalWorkflow(workflows.SignalControl, workflows.ControlStop)
		return f.SaveWatermark(ctx, in)
	}).Once()
	env.ExecuteWorkflow(workflows.Backfill, in)
	require.NoError(t, env.GetWorkflowError())
	var out workflows.PassResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, "STOPPED", out.Summary.State)
}

// A cancelled backfill does not go on with the next start, however close to it the
// flow was stopped.
func TestACancelOutlivesAStop(t *testing.T) {
	t.Parallel()
	cancel := func(o *operator) {
		o.asks(workflows.UpdateCancelBackfill, o.mustAccept, workflows.CancelBackfillRequest{})
	}
	stop := func(o *operator) { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) }
	for name, tt := range map[string]struct {
		first, then func(o *operator)
		later       time.Duration
	}{
		"cancel, then stop":               {cancel, stop, 0},
		"stop, then cancel":               {stop, cancel, 0},
		"stop, and cancel while it stops": {stop, cancel, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			run := ""
			if tt.later > 0 {
				o.env.OnActivity("EndRun", mock.Anything, mock.Anything).Return(o.f.EndRun).After(2 * tt.later)
			}
			o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
			o.at(time.Hour, func() { o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{}) })
			o.at(time.Hour+90*time.Second, func() {
				run = o.status().Run
				tt.first(o)
				if tt.later == 0 {
					tt.then(o)
				}
			})
			if tt.later > 0 {
				o.at(time.Hour+90*time.Second+tt.later, func() { tt.then(o) })
			}
			o.at(2*time.Hour, func() {
				require.Equal(t, workflows.StateStopped, o.status().State)
				require.Empty(t, o.status().Queued(workflows.RequestBackfill))
				require.Equal(t, "CANCELLED", o.f.runs[run].state)
			})
			o.run(3 * time.Hour)
		})
	}
}

// A backfill is cancelled also when it is just beginning.
func TestABackfillIsCancelledWhileItBegins(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(o *operator, run string){
		"rollback": func(o *operator, run string) { o.rollsBack(run, o.mustAccept) },
		"cancel-backfill": func(o *operator, run string) {
			o.asks(workflows.UpdateCancelBackfill, o.mustAccept, workflows.CancelBackfillRequest{Run: run})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			run := ""
			o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
			o.at(time.Hour, func() {
				o.env.SetOnChildWorkflowStartedListener(func(info *workflow.Info, _ workflow.Context, _ converter.EncodedValues) {
					if info.WorkflowType.Name == workflows.TypeBackfill {
						require.Empty(t, o.status().RunWorkflow)
						ask(o, run)
					}
				})
				o.asks(workflows.UpdateRequestBackfill, func(v any, err error) {
					require.NoError(t, err)
					run = v.(workflows.BackfillAnswer).Run
				}, workflows.BackfillRequest{})
			})
			o.run(3 * time.Hour)
			require.Contains(t, o.f.steps(), "end CANCELLED")
		})
	}
}

// A run whose workflow is cancelled in a pause, in the Temporal UI say, is closed in
// the ledger as any other; and the UI calls none paused that goes on, and none at
// work that has ended.
func TestARunThatIsPausedEndsAsAnyOther(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]func(env *testsuite.TestWorkflowEnvironment){
		"cancelled": func(env *testsuite.TestWorkflowEnvironment) { env.CancelWorkflow() },
		"resumed": func(env *testsuite.TestWorkflowEnvironment) {
			env.SignalWorkflow(workflows.SignalControl, workflows.ControlResume)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, f, in := newWorkflowEnv(), newFake(), passInput(activities.KindInitial)
			f.register(env)
			f.inTime(env)
			in.Paused = true
			details := func() string {
				value, err := env.QueryWorkflow("__temporal_workflow_metadata")
				require.NoError(t, err)
				var metadata sdk.WorkflowMetadata
				require.NoError(t, value.Get(&metadata))
				return metadata.CurrentDetails
			}
			env.RegisterDelayedCallback(func() {
				require.Contains(t, details(), "paused")
				after(env)
			}, time.Minute)
			env.RegisterDelayedCallback(func() { require.NotContains(t, details(), "paused") }, time.Minute+30*time.Second)
			env.ExecuteWorkflow(workflows.Backfill, in)
			steps := f.steps()
			if name == "cancelled" {
				require.Error(t, env.GetWorkflowError())
				require.Equal(t, []string{"end FAILED"}, steps)
				require.Contains(t, details(), "FAILED")
				return
			}
			require.NoError(t, env.GetWorkflowError())
			require.Contains(t, steps, "watermark initial")
			require.Contains(t, details(), "COMPLETED")
			require.NotContains(t, details(), "at work")
		})
	}
}
