package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// When changes are asked for at one o'clock, their page is read by a minute past, and
// their lanes are at work until two minutes past.
const (
	asked  = time.Hour
	atWork = time.Hour + 90*time.Second
)

// changed makes Dynamics have changes, and the flow look for them.
func (o *operator) changed(sizes ...int) {
	o.f.mu.Lock()
	o.f.changes = append(o.f.changes, sizes...)
	o.f.mu.Unlock()
	o.env.SignalWorkflow(workflows.SignalWake, workflows.Wake{By: "test"})
}

// loaded is a flow that has done its initial load of 40 records by one o'clock, and
// the child workflows that it begins from then on.
func loaded(t *testing.T, with ...workflows.StartRequest) (*operator, *[]string) {
	t.Helper()
	req := append(with, start)[0]
	o, children := newOperator(t), &[]string{}
	o.env.SetOnChildWorkflowStartedListener(func(info *workflow.Info, _ workflow.Context, _ converter.EncodedValues) {
		if info.WorkflowType.Name != workflows.TypeBackfill {
			*children = append(*children, info.WorkflowType.Name)
		}
	})
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, req) })
	return o, children
}

func (o *operator) details() string {
	value, err := o.env.QueryWorkflow("__temporal_workflow_metadata")
	require.NoError(o.t, err)
	var metadata sdk.WorkflowMetadata
	require.NoError(o.t, value.Get(&metadata))
	return metadata.CurrentDetails
}

// the run of changes in the ledger.
func (o *operator) delta() (id string, run *fakeRun) {
	o.f.mu.Lock()
	defer o.f.mu.Unlock()
	for name, r := range o.f.runs {
		if r.phase == activities.PhaseDelta {
			id, run = name, r
		}
	}
	require.NotNil(o.t, run)
	return id, run
}

// A few changes are carried by the flow itself; they are a run like any other.
func TestAFewChangesAreCarriedByTheFlowItself(t *testing.T) {
	t.Parallel()
	o, children := loaded(t)
	o.at(asked, func() { o.changed(3) })
	o.at(atWork, func() {
		st := o.status()
		require.Equal(t, "applying changes", st.Phase)
		require.Equal(t, activities.KindDelta, st.RunKind)
		require.Empty(t, st.RunWorkflow)
		require.Equal(t, int64(3), st.Progress.Read)
		require.Equal(t, int64(3), st.Progress.Backlog)
		require.Equal(t, st.Run, st.Progress.Run)
		require.Contains(t, o.details(), "At work: run "+st.Run+", 0 of 3 records settled.")
		o.asks(workflows.UpdateCancelBackfill, o.mustRefuse("no backfill is running"), workflows.CancelBackfillRequest{})
		o.rollsBack(st.Run, o.mustRefuse("applies changes and ends by itself"))
	})
	o.at(2*time.Hour, func() {
		st := o.status()
		id, run := o.delta()
		require.Equal(t, "waiting for changes", st.Phase)
		require.Empty(t, st.Run)
		require.Nil(t, st.Progress)
		require.Equal(t, id, st.LastRun.Run)
		require.Equal(t, "COMPLETED", st.LastRun.State)
		require.Equal(t, activities.Counts{Read: 3, Created: 3}, st.LastRun.Counts)
		require.Equal(t, int64(43), st.Totals.Read)
		require.Equal(t, int64(2), st.Runs)
		require.Equal(t, "COMPLETED", run.state)
		require.Contains(t, o.details(), "Last run: "+id+" (delta) COMPLETED, 3 read, 3 written, 0 refused.")
		o.rollsBack(id, o.mustAccept)
	})
	o.run(3 * time.Hour)
	require.Equal(t, []string{workflows.TypeRollback}, *children)
	require.NotContains(t, o.f.steps(), "open delta", "nothing is asked of the ledger that is known")
}

// What is not small has a workflow of its own.
func TestManyChangesHaveAWorkflowOfTheirOwn(t *testing.T) {
	t.Parallel()
	o, children := loaded(t)
	o.at(asked, func() { o.changed(100, 101) })
	o.run(2 * time.Hour)
	require.Equal(t, []string{workflows.TypeDeltaPass}, *children)
	require.Equal(t, 2, strings.Count(strings.Join(o.f.steps(), "\n"), "watermark delta"))
}

// A stop puts back what is in hand: the run is STOPPED, its page dropped, and the
// next start reads the changes again.
func TestAStopPutsASmallPassBack(t *testing.T) {
	t.Parallel()
	o, children := loaded(t)
	o.at(asked, func() { o.changed(3) })
	o.at(atWork, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
	o.at(2*time.Hour, func() {
		st := o.status()
		_, run := o.delta()
		require.Equal(t, workflows.StateStopped, st.State)
		require.Equal(t, "STOPPED", st.LastRun.State)
		require.Equal(t, "STOPPED", run.state)
		require.True(t, run.dropped)
		require.Nil(t, st.Progress)
	})
	o.run(3 * time.Hour)
	require.Empty(t, *children)
}

// A workflow that is cancelled leaves no run open, at work or held.
func TestACancelledFlowLeavesNoSmallPassOpen(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]bool{"at work": false, "held": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, _ := loaded(t)
			end := atWork
			o.at(asked, func() { o.changed(3) })
			if pause {
				end = 2 * time.Hour
				o.at(atWork, func() { o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "maintenance"}) })
			}
			o.run(end)
			_, run := o.delta()
			require.Equal(t, "FAILED", run.state)
			require.True(t, run.dropped)
		})
	}
}

// A small pass that fails is for an operator, as any other.
func TestASmallPassThatFailsStopsTheFlow(t *testing.T) {
	t.Parallel()
	o, _ := loaded(t)
	o.at(asked, func() {
		o.f.failOnce["write 1/0"] = temporal.NewNonRetryableApplicationError("no permission", "Forbidden", nil)
		o.changed(3)
	})
	o.at(2*time.Hour, func() {
		st := o.status()
		_, run := o.delta()
		require.Equal(t, workflows.StateFailed, st.State)
		require.Equal(t, "no permission", st.Reason)
		require.Equal(t, "FAILED", st.LastRun.State)
		require.Equal(t, "FAILED", run.state)
		o.f.mu.Lock()
		o.f.ledgerKnown = nil
		o.f.mu.Unlock()
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(3*time.Hour, func() {
		require.Equal(t, workflows.StateRunning, o.status().State)
		id, _ := o.delta()
		o.f.mu.Lock()
		defer o.f.mu.Unlock()
		require.NotEmpty(t, o.f.ledgerKnown)
		opened := o.f.ledgerKnown[0].Opened
		require.NotNil(t, opened, "a ledger that does not know of the run was restored")
		require.Equal(t, id, opened.Run) // the other lane may be written before the pass fails
		require.Equal(t, "FAILED", opened.State)
	})
	o.run(4 * time.Hour)
}

// A held pass of which the ledger knows nothing any more is read again, and has a
// workflow of its own: nobody knows how much there is now.
func TestAHeldPassThatTheLedgerLostIsReadAgain(t *testing.T) {
	t.Parallel()
	o, children := loaded(t)
	o.at(asked, func() { o.changed(3) })
	o.at(atWork, func() { o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "maintenance"}) })
	o.at(2*time.Hour, func() {
		id, _ := o.delta()
		o.f.mu.Lock()
		delete(o.f.runs, id)
		o.f.changes = []int{300}
		o.f.mu.Unlock()
		o.asks(workflows.UpdateResume, o.mustAccept, workflows.ResumeRequest{})
	})
	o.at(3*time.Hour, func() {
		require.Equal(t, workflows.StateRunning, o.status().State, o.status().Reason)
		require.Equal(t, int64(300), o.status().LastRun.Counts.Read)
	})
	o.run(4 * time.Hour)
	require.Equal(t, []string{workflows.TypeDeltaPass}, *children)
}

// Wherever the flow continues as new, nothing is lost and nothing is done twice: while
// a small pass is at work, while it is held, and while the flow waits.
func TestAFlowWithSmallPassesEndsTheSameWhereverItContinuesAsNew(t *testing.T) {
	t.Parallel()
	for _, cut := range []time.Duration{asked + 30*time.Second, atWork, atWork + 40*time.Second, 90 * time.Minute, 2*time.Hour + 90*time.Second, 150 * time.Minute} {
		t.Run(cut.String(), func(t *testing.T) {
			t.Parallel()
			f := newFake()
			in := workflows.TableSyncInput{Instance: "acme", Table: "contacts"}
			continued := 0
			for began := time.Duration(0); ; continued++ {
				o := &operator{t: t, env: newWorkflowEnv(), f: f}
				f.register(o.env)
				f.inTime(o.env)
				for name, w := range map[string]any{workflows.TypeBackfill: workflows.Backfill, workflows.TypeDeltaPass: workflows.DeltaPass} {
					o.env.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name})
				}
				first := o.env.Now()
				at := func(when time.Duration, do func()) {
					if when > began {
						o.at(when-began, do)
					}
				}
				at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
				at(asked, func() { o.changed(3) })
				at(2*time.Hour, func() { o.changed(5) })
				at(2*time.Hour+90*time.Second, func() {
					o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "maintenance"})
				})
				at(3*time.Hour, func() { o.asks(workflows.UpdateResume, o.mustAccept, workflows.ResumeRequest{}) })
				if continued == 0 {
					at(cut, func() { o.env.SetContinueAsNewSuggested(true) })
				}
				var st workflows.Status
				at(4*time.Hour, func() { st = o.status() })
				at(5*time.Hour, o.env.CancelWorkflow)
				o.env.ExecuteWorkflow(workflows.TableSync, in)
				completed(t, o.env)
				if next, ok := errors.AsType[*workflow.ContinueAsNewError](o.env.GetWorkflowError()); ok {
					require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
					began += o.env.Now().Sub(first)
					continue
				}
				require.Equal(t, workflows.StateRunning, st.State, st.Reason)
				require.Equal(t, int64(48), st.Totals.Read)
				require.Equal(t, int64(3), st.Runs)
				require.Equal(t, int64(5), st.LastRun.Counts.Read)
				break
			}
			require.Equal(t, 1, continued)
			var deltas []string
			for _, s := range f.steps() {
				if strings.HasPrefix(s, "watermark delta") || strings.HasPrefix(s, "fetch 1 delta") {
					deltas = append(deltas, s)
				}
			}
			require.Equal(t, []string{"fetch 1 delta", "watermark delta", "fetch 1 delta", "watermark delta"}, deltas)
		})
	}
}

// A wake-up ends the wait; many that come together end it once, and a pass at work is
// not disturbed.
func TestAWakeUpMakesTheFlowLookAtOnce(t *testing.T) {
	t.Parallel()
	o, _ := loaded(t)
	waits := 0
	o.env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, args converter.EncodedValues) {
		var in activities.FetchInput
		if info.ActivityType.Name == activities.FetchPage && args.Get(&in) == nil && in.Wait > 0 {
			waits++
		}
	})
	before := 0
	o.at(asked, func() {
		before = waits
		for i := range 50 {
			o.env.SignalWorkflow(workflows.SignalWake, workflows.Wake{By: fmt.Sprint(i)})
		}
		o.changed(3)
	})
	o.at(atWork, func() {
		require.LessOrEqual(t, waits, before+2)
		require.Equal(t, "applying changes", o.status().Phase)
		o.changed(4)
	})
	o.at(asked+5*time.Minute, func() {
		require.Equal(t, int64(47), o.status().Totals.Read, "the wake-up was heard behind the pass")
		o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{})
	})
	o.at(2*time.Hour, func() { o.changed(2) })
	o.at(3*time.Hour, func() {
		require.Equal(t, workflows.StateStopped, o.status().State)
		require.Equal(t, int64(47), o.status().Totals.Read)
	})
	o.run(4 * time.Hour)
	require.Equal(t, 2, len(slices.DeleteFunc(o.f.steps(), func(s string) bool { return s != "watermark delta" })))
}

// Wake-ups do not disturb what is no wait for changes: the check of a start would
// never come to an end.
func TestWakeUpsDoNotDisturbAStart(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.env.OnActivity("Preflight", mock.Anything, mock.Anything).Return(o.f.Preflight).After(time.Minute)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	for i := range 10 {
		o.at(10*time.Second+time.Duration(i)*6*time.Second, func() { o.env.SignalWorkflow(workflows.SignalWake, workflows.Wake{}) })
	}
	o.at(2*time.Minute, func() { require.Equal(t, workflows.StateRunning, o.status().State) })
	o.run(time.Hour)
	require.Equal(t, 1, len(slices.DeleteFunc(o.f.steps(), func(s string) bool { return s != "preflight" })))
}
