package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"causeway.dev/activities/optout"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	rules "causeway.dev/internal/optout"
	"causeway.dev/workflows"
)

// optOutOwner is the owner of the flow of opt-outs with activities that are mocked;
// waits take workflow time.
type optOutOwner struct {
	t      *testing.T
	env    *testsuite.TestWorkflowEnvironment
	passes []workflows.PassInput
	looks  []error // what the waits come back with, in turn; then nothing
	watch  func(activities.WatchExportInput) activities.WatchExportResult
	end    func(workflows.PassInput) string // state in which a pass ends
}

var optOutMethods *optout.Activities // nil: only for its signatures

func newOptOutOwner(t *testing.T, baseline bool) *optOutOwner {
	t.Helper()
	o := &optOutOwner{t: t, env: newWorkflowEnv(), end: func(workflows.PassInput) string { return "COMPLETED" },
		watch: func(activities.WatchExportInput) activities.WatchExportResult { return activities.WatchExportResult{} }}
	workflows.Register(o.env)
	optOutMethods.Register(o.env)
	o.env.RegisterActivityWithOptions(newFake().LogOperation, activity.RegisterOptions{Name: "LogOperation"})
	o.env.OnActivity(activities.PreflightOptOut, mock.Anything, mock.Anything).Return(&activities.PreflightOptOutResult{Revision: "r1", Plan: "p1", Source: "sftp", NeedsBaseline: baseline, Waiting: 3}, nil)
	o.env.OnActivity(activities.FetchOptOuts, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.FetchInput) (*activities.FetchResult, error) {
		if len(o.looks) > 0 {
			err := o.looks[0]
			o.looks = o.looks[1:]
			return nil, err
		}
		return &activities.FetchResult{Phase: in.Phase, Nothing: true}, nil
	}).After(15 * time.Minute)
	o.env.OnActivity(activities.WatchExport, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.WatchExportInput) (*activities.WatchExportResult, error) {
		out := o.watch(in)
		return &out, nil
	})
	o.env.OnWorkflow(workflows.OptOutPass, mock.Anything, mock.Anything).Return(func(ctx workflow.Context, in workflows.PassInput) (*workflows.PassResult, error) {
		o.passes = append(o.passes, in)
		if err := workflow.Sleep(ctx, time.Minute); err != nil {
			return nil, err
		}
		return &workflows.PassResult{Summary: workflows.RunSummary{Run: in.Ref.Run, Kind: in.Ref.Kind, State: o.end(in)}, Parked: 5}, nil
	})
	return o
}

func (o *optOutOwner) ask(name string, request any) {
	o.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(err error) { require.NoError(o.t, err) }, OnComplete: func(any, error) {},
	}, request)
}

func (o *optOutOwner) start() {
	o.ask(workflows.UpdateStart, workflows.StartRequest{Revision: "r1", Tuning: optOutTuning, OptOut: &activities.OptOutSettings{
		Mode: rules.Bidirectional, Export: rules.ExportSetting{Workflow: "WKF17", CheckEvery: 30 * time.Minute, AutoRestart: true},
	}})
}

func (o *optOutOwner) status() workflows.Status {
	value, err := o.env.QueryWorkflow(workflows.QueryStatus)
	require.NoError(o.t, err)
	var st workflows.Status
	require.NoError(o.t, value.Get(&st))
	return st
}

func (o *optOutOwner) run(until time.Duration, then func()) {
	o.env.RegisterDelayedCallback(func() {
		then()
		o.env.CancelWorkflow()
	}, until)
	o.env.ExecuteWorkflow(workflows.OptOutSync, workflows.OptOutSyncInput{Instance: "acme"})
	completed(o.t, o.env)
}

// A start that asks for it looks at everybody first; a stop in between is gone on
// with by the next start, under the same name.
func TestALookAtEverybodyIsGoneOnWith(t *testing.T) {
	t.Parallel()
	o := newOptOutOwner(t, true)
	o.end = func(workflows.PassInput) string {
		if len(o.passes) == 1 {
			return "STOPPED"
		}
		return "COMPLETED"
	}
	o.env.RegisterDelayedCallback(o.start, time.Second)
	o.run(time.Hour, func() {
		require.Len(t, o.passes, 2)
		require.Equal(t, activities.KindInitial, o.passes[0].Ref.Kind)
		require.Equal(t, o.passes[0].Ref, o.passes[1].Ref)
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Equal(t, "waiting for choices", st.Phase)
		require.Equal(t, int64(5), st.OptOut.Waiting)
		require.Equal(t, "acme/optout/pass/x", workflows.FlowNamed("acme", "optout").PassID(activities.KindInitial, "x"))
	})
}

// An expired delta link calls for a new look at everybody, by itself.
func TestAnExpiredLinkLooksAtEverybody(t *testing.T) {
	t.Parallel()
	o := newOptOutOwner(t, false)
	o.looks = []error{temporal.NewNonRetryableApplicationError("the link has expired", "LinkExpired", nil)}
	o.env.RegisterDelayedCallback(o.start, time.Second)
	o.run(time.Hour, func() {
		require.Len(t, o.passes, 1)
		require.Equal(t, activities.KindInitial, o.passes[0].Ref.Kind)
		require.Equal(t, workflows.StateRunning, o.status().State)
	})
}

// R19.15: the export is minded while the flow runs or is paused, not while it is
// stopped; how often it was started is known to the next look.
func TestTheExportIsMinded(t *testing.T) {
	t.Parallel()
	o := newOptOutOwner(t, false)
	var asked []activities.WatchExportInput
	o.watch = func(in activities.WatchExportInput) activities.WatchExportResult {
		asked = append(asked, in)
		return activities.WatchExportResult{State: "finished", Alarm: "it is finished; start it", Restarted: len(in.Restarts) < 3}
	}
	o.env.RegisterDelayedCallback(o.start, time.Second)
	o.env.RegisterDelayedCallback(func() {
		o.ask(workflows.UpdatePause, workflows.PauseRequest{Reason: "release"})
	}, 65*time.Minute)
	o.env.RegisterDelayedCallback(func() {
		require.Len(t, asked, 5, "every 30 minutes, also in a pause")
		require.Len(t, asked[4].Restarts, 3)
		require.True(t, asked[4].Files)
		require.Equal(t, "it is finished; start it", o.status().OptOut.Export.Alarm)
		o.ask(workflows.UpdateStop, workflows.StopRequest{})
	}, 125*time.Minute)
	o.run(10*time.Hour, func() {
		require.Equal(t, workflows.StateStopped, o.status().State)
		require.LessOrEqual(t, len(asked), 6)
	})
}

// R8.16: a mode that gives the flow nothing to do is refused without a trace.
func TestOptOutsWithNothingToDoAreRefused(t *testing.T) {
	t.Parallel()
	for mode, sentence := range map[rules.Mode]string{rules.Disabled: "opt_out.mode", rules.DynamicsToCampaign: "start that"} {
		o := newOptOutOwner(t, false)
		var refused error
		o.env.RegisterDelayedCallback(func() {
			o.env.UpdateWorkflow(workflows.UpdateStart, "", &testsuite.TestUpdateCallback{
				OnAccept: func() { require.Fail(t, "accepted") }, OnReject: func(err error) { refused = err }, OnComplete: func(any, error) {},
			}, workflows.StartRequest{OptOut: &activities.OptOutSettings{Mode: mode}})
		}, time.Second)
		o.run(time.Minute, func() { require.Equal(t, workflows.StateStopped, o.status().State) })
		require.ErrorContains(t, refused, sentence)
	}
}

// The export is minded in a pause too, and a long one must not fill the history up
// to where the server ends the flow.
func TestAPausedFlowContinuesAsNew(t *testing.T) {
	t.Parallel()
	o := newOptOutOwner(t, false)
	o.env.RegisterDelayedCallback(o.start, time.Second)
	o.env.RegisterDelayedCallback(func() { o.ask(workflows.UpdatePause, workflows.PauseRequest{Reason: "release"}) }, time.Hour)
	o.env.RegisterDelayedCallback(func() { o.env.SetContinueAsNewSuggested(true) }, 2*time.Hour)
	o.run(4*time.Hour, func() {})
	again, ok := errors.AsType[*workflow.ContinueAsNewError](o.env.GetWorkflowError())
	require.True(t, ok, o.env.GetWorkflowError())
	var in workflows.OptOutSyncInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &in))
	require.Equal(t, workflows.StatePaused, in.State.Status.State)
}

// optOutTuning is what a configuration says of the flow.
var optOutTuning = workflows.Tuning{Lanes: 4, Poll: activities.Duration(3 * time.Second), StopRatio: 1}
