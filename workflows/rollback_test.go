package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

func (o *operator) rollsBack(run string, answer func(any, error)) {
	o.asks(workflows.UpdateRequestRollback, answer, workflows.RollbackRequest{Run: run, By: "ada"})
}

// undone is the steps from the look over a dead worker's lanes on.
func (o *operator) undone() []string {
	steps := o.f.steps()
	from := slices.Index(steps, "find unrecorded writes")
	require.GreaterOrEqual(o.t, from, 0, "nothing was undone: %v", steps)
	// A read that was given up may come to its end later here; on a server it is waited for.
	return slices.DeleteFunc(steps[from:], func(s string) bool { return strings.HasPrefix(s, "write") || strings.HasSuffix(s, "scan") })
}

var wholeRollback = []string{"find unrecorded writes", "fetch 1 undo", "fetch 2 undo", "watermark rollback"}

// A run is undone beside everything else the flow does, which then goes on.
func TestARollbackIsARunOfTheFlow(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		o.rollsBack("", o.mustRefuse("a rollback needs the run that it undoes"))
		o.rollsBack("contacts-1", o.mustAccept)
		o.rollsBack("contacts-1", o.mustRefuse("run contacts-1 is to be rolled back already"))
	})
	o.at(2*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Equal(t, "waiting for changes", st.Phase)
		require.Empty(t, st.Queued(workflows.RequestRollback))
		require.Equal(t, activities.KindRollback, st.LastRun.Kind)
		require.True(t, strings.HasPrefix(st.LastRun.Run, "rollback-contacts-1-"), st.LastRun.Run)
		require.Equal(t, int64(40), st.Totals.Read, "what is undone is no record read from Dynamics")
	})
	o.run(3 * time.Hour)
	require.Equal(t, wholeRollback, o.undone())
}

// Who stopped a flow for its wrong mapping undoes before the next start.
func TestAStoppedFlowIsRolledBack(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
	o.at(2*time.Hour, func() { o.rollsBack("contacts-1", o.mustAccept) })
	o.at(3*time.Hour, func() {
		require.Equal(t, workflows.StateStopped, o.status().State)
		require.Equal(t, "stopped", o.status().Phase)
		require.Equal(t, "COMPLETED", o.status().LastRun.State)
	})
	o.run(4 * time.Hour)
	require.Equal(t, wholeRollback, o.undone())
}

// Stopping the flow does not stop a rollback at work; the stop follows it.
func TestAStopLetsARollbackEnd(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.rollsBack("contacts-1", o.mustAccept) })
	o.at(time.Hour+90*time.Second, func() {
		require.Equal(t, activities.KindRollback, o.status().RunKind)
		o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{})
	})
	o.at(2*time.Hour, func() { require.Equal(t, workflows.StateStopped, o.status().State) })
	o.run(3 * time.Hour)
	require.Equal(t, wholeRollback, o.undone())
}

// A backfill at work is cancelled, then undone; by either command.
func TestABackfillAtWorkIsCancelledAndUndone(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(o *operator, run string){
		"rollback": func(o *operator, run string) { o.rollsBack(run, o.mustAccept) },
		"cancel-backfill --rollback": func(o *operator, _ string) {
			o.asks(workflows.UpdateCancelBackfill, o.mustAccept, workflows.CancelBackfillRequest{Rollback: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			run := ""
			o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
			o.at(time.Hour, func() { o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{}) })
			o.at(time.Hour+90*time.Second, func() {
				run = o.status().Run
				require.Equal(t, activities.KindBackfill, o.status().RunKind)
				ask(o, run)
			})
			o.at(2*time.Hour, func() {
				require.True(t, strings.HasPrefix(o.status().LastRun.Run, activities.RollbackPrefix(run)), o.status().LastRun.Run)
				require.Equal(t, workflows.StateRunning, o.status().State)
			})
			o.run(3 * time.Hour)
			require.Contains(t, o.f.steps(), "end CANCELLED")
			require.Equal(t, wholeRollback, o.undone())
		})
	}
}

// quarantine.on_stop: rollback.
func TestTooManyRefusalsAreUndoneWhenSoConfigured(t *testing.T) {
	t.Parallel()
	for _, onStop := range []string{"", workflows.OnStopRollback} {
		t.Run("on_stop "+onStop, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			o.f.refuse = 2 // of 4 in each lane
			req := start
			req.Tuning.StopMin, req.Tuning.OnStop = 4, onStop
			o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, req) })
			o.at(time.Hour, func() {
				require.Equal(t, workflows.StateFailed, o.status().State)
				require.Equal(t, "failed", o.status().Phase)
				require.Contains(t, o.status().Reason, "more than the 20 % allowed by quarantine.stop_ratio")
			})
			o.run(2 * time.Hour)
			if onStop == "" {
				require.NotContains(t, o.f.steps(), "find unrecorded writes")
				return
			}
			require.Equal(t, wholeRollback, o.undone())
		})
	}
}

// What cannot be undone is said, and the flow goes on.
func TestARollbackThatIsRefusedIsSaid(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.f.failOnce["may rollback"] = temporal.NewNonRetryableApplicationError("it cannot be rolled back any more", "Expired", nil)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.rollsBack("contacts-1", o.mustAccept) })
	o.at(2*time.Hour, func() {
		st := o.status()
		require.Equal(t, "it cannot be rolled back any more", st.LastError)
		require.Equal(t, workflows.StateRunning, st.State)
		require.Empty(t, st.Queued(workflows.RequestRollback))
	})
	o.run(3 * time.Hour)
	require.NotContains(t, o.f.steps(), "find unrecorded writes")
}

// A rollback continues as new after any page, and looks over once.
func TestARollbackEndsTheSameWhereverItContinuesAsNew(t *testing.T) {
	t.Parallel()
	for _, pages := range []int{0, 1} {
		t.Run(fmt.Sprintf("every %d pages", pages), func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.refuse = 3 // left alone: no reason to stop
			in := passInput(activities.KindRollback)
			in.Ref.Run, in.Ref.Undoes = "rollback-contacts-1-2", "contacts-1"
			in.Tuning.PagesPerRun, in.Tuning.StopMin = pages, 4
			out, continued, err := runPass(t, f, in)
			require.NoError(t, err)
			require.Equal(t, activities.Counts{Read: 16, Created: 4, Quarantined: 12}, out.Summary.Counts)
			require.Equal(t, pages > 0, continued > 0)
			steps := slices.DeleteFunc(f.steps(), func(s string) bool { return s != "find unrecorded writes" && !strings.HasPrefix(s, "fetch") })
			require.Equal(t, []string{"find unrecorded writes", "fetch 1 undo", "fetch 2 undo"}, steps)
		})
	}
}

// A refused run that an operator has queued for a rollback is undone once.
func TestARefusedRunIsQueuedForItsRollbackOnce(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	req := start
	req.Tuning.OnStop = workflows.OnStopRollback
	o.f.failOnce["write 1/0"] = temporal.NewNonRetryableApplicationError("too many were refused", "TooManyRefused", nil)
	o.env.OnActivity("EndRun", mock.Anything, mock.Anything).Return(func(ctx context.Context, in activities.EndRunInput) error {
		o.rollsBack(in.Run, o.mustAccept)
		return o.f.EndRun(ctx, in)
	})
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, req) })
	o.run(2 * time.Hour)
	undone := 0
	for _, step := range o.f.steps() {
		if step == "find unrecorded writes" {
			undone++
		}
	}
	require.Equal(t, 1, undone, "%v", o.f.steps())
}

// Every run is found by its table, a rollback too, from its first moment: one that fails at
// its first step shows nothing later.
func TestRunsCarrySearchAttributesFromTheirStart(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	found := map[string]string{}
	o.env.SetOnChildWorkflowStartedListener(func(info *workflow.Info, ctx workflow.Context, _ converter.EncodedValues) {
		attributes := workflow.GetTypedSearchAttributes(ctx)
		table, _ := attributes.GetKeyword(workflows.AttrTable)
		found[info.WorkflowType.Name] = table
	})
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.rollsBack("contacts-1", o.mustAccept) })
	o.run(3 * time.Hour)
	require.Equal(t, map[string]string{workflows.TypeBackfill: "contacts", workflows.TypeRollback: "contacts"}, found)
}
