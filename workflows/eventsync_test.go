package workflows_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// R8.13, R18.2: start checks, then what the journal has is written, then files.
func TestEventsAreReadFromBothSources(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	w.eg.journal, w.eg.files = []int{5, 3}, []int{7}
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.mustAccept, startEvents()) })
	w.at(time.Hour, func() {
		st := w.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Equal(t, "waiting for events", st.Phase)
		require.Equal(t, activities.Counts{Read: 15, Created: 15}, st.Totals)
		require.EqualValues(t, 1, st.Runs)
		require.Equal(t, []string{"clicks"}, st.Events.Enabled)
		require.False(t, st.Events.Newest.IsZero())
		require.Contains(t, st.Warnings, "a process is not active")
		w.eg.mu.Lock()
		w.eg.journal = []int{2}
		w.eg.mu.Unlock()
	})
	w.at(2*time.Hour, func() { require.EqualValues(t, 17, w.status().Totals.Read) })
	w.run(3 * time.Hour)
	require.Equal(t, []string{"preflight", "fetch 1 journal", "open delta", "fetch 2 journal", "write 1", "write 2", "fetch 3 files", "write 3", "mark delta"},
		sortedWrites(w.eg.steps()[:9]))
	require.Equal(t, activities.OpStart, w.eg.operation[0].What)
}

// R18.17: the first page was read while the flow waited, and the run goes on behind
// it; its events count for how new what was handled is.
func TestNewestEventOfARunOfOnePage(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	w.eg.journal = []int{5}
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.mustAccept, startEvents()) })
	w.at(time.Hour, func() {
		require.Equal(t, activities.Counts{Read: 5, Created: 5}, w.status().Totals)
		require.False(t, w.status().Events.Newest.IsZero())
	})
	w.run(2 * time.Hour)
}

// sortedWrites hides how writing and reading ahead interleave.
func sortedWrites(steps []string) []string {
	at := func(s string) int {
		return slices.Index([]string{"fetch 2 journal", "write 1", "write 2", "fetch 3 files", "write 3"}, s)
	}
	slices.SortStableFunc(steps[3:8], func(a, b string) int { return at(a) - at(b) })
	return steps
}

// R8.16: nothing is started that would do nothing.
func TestEgressWithoutATypeIsNotStarted(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	w.at(time.Second, func() {
		w.asks(workflows.UpdateStart, w.mustRefuse("no type of event is switched on"), workflows.StartRequest{Egress: &activities.EgressSettings{}})
		w.asks(workflows.UpdateStop, w.mustRefuse("there is nothing to stop"), workflows.StopRequest{})
		w.asks(workflows.UpdateSyncNow, w.mustRefuse("only a running flow"), workflows.SyncNowRequest{})
		w.asks(workflows.UpdateRequestBackfill, w.mustRefuse("start it before asking for a backfill"), workflows.BackfillRequest{})
	})
	w.run(time.Minute)
	require.Empty(t, w.eg.steps())
}

// R3.7: a start that does not fit fails with the sentence, and can be repeated.
func TestSettingsThatDoNotFitFailTheStart(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	w.eg.preflight = temporal.NewNonRetryableApplicationError("install the solution", "Settings", nil)
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, startEvents()) })
	w.at(time.Minute, func() {
		require.Equal(t, workflows.StateFailed, w.status().State)
		require.Equal(t, "install the solution", w.status().Reason)
		w.eg.mu.Lock()
		w.eg.preflight = nil
		w.eg.mu.Unlock()
		w.asks(workflows.UpdateStart, w.mustAccept, startEvents())
	})
	w.at(time.Hour, func() { require.Equal(t, workflows.StateRunning, w.status().State) })
	w.run(2 * time.Hour)
}

// R18.17: a position that the journal lost is no end; the gap is told.
func TestAnExpiredPositionBeginsWithTheOldest(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	w.eg.failOnce["fetch events"] = temporal.NewNonRetryableApplicationError("gone", "PositionExpired", nil)
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, startEvents()) })
	w.at(time.Hour, func() {
		st := w.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Len(t, st.Events.Lost, 1)
		require.Contains(t, st.Events.Lost[0].Sentence(), "2026-01-01T00:00:00Z")
	})
	w.run(2 * time.Hour)
	require.Contains(t, w.eg.steps(), "restart journal")
}

// A backfill whose place in the journal is gone is no gap in the flow.
func TestABackfillThatExpiresIsNoGap(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	w.eg.held = true
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, startEvents()) })
	w.at(time.Hour, func() {
		w.eg.failOnce["fetch journal"] = temporal.NewNonRetryableApplicationError("the journal no longer holds it", "PositionExpired", nil)
		w.asks(workflows.UpdateRequestBackfill, w.accepted, workflows.BackfillRequest{Window: activities.Window{Since: time.Unix(1, 0)}})
	})
	w.at(2*time.Hour, func() {
		st := w.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Equal(t, "the journal no longer holds it", st.LastError)
		require.Equal(t, "FAILED", st.LastRun.State)
		require.Empty(t, st.Events.Lost)
	})
	w.run(3 * time.Hour)
	require.Contains(t, w.eg.steps(), "restart journal")
}

// A folder that is not there is an operator's slip: the backfill says so, the flow goes on.
func TestABackfillFromNowhereStopsNothing(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, startEvents()) })
	w.at(time.Hour, func() {
		w.eg.failOnce["fetch files"] = temporal.NewNonRetryableApplicationError("the folder is not there", "NotFound", nil)
		w.asks(workflows.UpdateRequestBackfill, w.accepted, workflows.BackfillRequest{Window: activities.Window{Folder: "/exprots"}})
	})
	w.at(2*time.Hour, func() {
		st := w.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Equal(t, "the folder is not there", st.LastError)
		require.Equal(t, "FAILED", st.LastRun.State)
	})
	w.run(3 * time.Hour)
}

// R18.17: a flow that stands still for 5 days raises the alarm, stopped or not.
func TestAStoppedFlowRaisesTheAlarmBeforeEventsAreLost(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	const day = 24 * time.Hour
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, startEvents()) })
	w.at(time.Hour, func() { w.asks(workflows.UpdateStop, w.accepted, workflows.StopRequest{}) })
	w.at(4*day, func() { require.False(t, w.status().Events.Lagging) })
	w.at(5*day+2*time.Hour, func() {
		require.Equal(t, workflows.StateStopped, w.status().State)
		require.True(t, w.status().Events.Lagging)
		w.asks(workflows.UpdateStart, w.accepted, startEvents())
	})
	w.at(5*day+3*time.Hour, func() { require.False(t, w.status().Events.Lagging) })
	w.run(6 * day)
	require.Contains(t, w.eg.steps(), "raise lag")
}

func TestEventsAreLoadedAgainInTurn(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, startEvents()) })
	w.at(time.Hour, func() {
		w.asks(workflows.UpdateRequestBackfill, w.mustRefuse("either a time"), workflows.BackfillRequest{})
		w.asks(workflows.UpdateRequestBackfill, w.mustRefuse("window of records"), workflows.BackfillRequest{Window: activities.Window{IDs: []string{"a"}}})
		w.eg.mu.Lock()
		w.eg.archive = []int{4}
		w.eg.mu.Unlock()
		w.asks(workflows.UpdateRequestBackfill, w.mustAccept, workflows.BackfillRequest{Window: activities.Window{Folder: "/logs"}, By: "ada"})
	})
	w.at(2*time.Hour, func() {
		require.Empty(t, w.status().Queued(workflows.RequestBackfill))
		require.EqualValues(t, 4, w.status().Totals.Read)
	})
	w.run(3 * time.Hour)
	require.Contains(t, w.eg.steps(), "mark backfill")
}

// Events of contacts that Dynamics does not have are no reason to stop; events
// that Dynamics refuses are.
func TestOnlyRefusalsStopARunOfEvents(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		refuse, unknown int64
		want            workflows.State
	}{
		"unknown contacts": {0, 90, workflows.StateRunning},
		"refused rows":     {90, 0, workflows.StateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newEventWorld(t)
			w.eg.refuse, w.eg.unknown = tt.refuse, tt.unknown
			w.eg.journal = []int{200}
			w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, startEvents()) })
			w.at(time.Hour, func() {
				require.Equal(t, tt.want, w.status().State)
			})
			w.run(2 * time.Hour)
		})
	}
}

// R8.14, R8.15: a changed switch waits for stop and start. R24: pause holds.
func TestASwitchTakesEffectAtTheNextStart(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	changed := startEvents()
	changed.Egress.Opens = true
	changed.Revision = changed.Egress.Revision()
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, startEvents()) })
	w.at(time.Hour, func() {
		w.asks(workflows.UpdateApplyConfig, w.mustAccept, changed)
		w.asks(workflows.UpdatePause, w.mustAccept, workflows.PauseRequest{Reason: "release", By: "ada"})
	})
	w.at(2*time.Hour, func() {
		require.True(t, w.status().ChangesPending())
		require.Equal(t, workflows.StatePaused, w.status().State)
		w.eg.mu.Lock()
		w.eg.journal = []int{1}
		w.eg.mu.Unlock()
	})
	w.at(3*time.Hour, func() {
		require.Zero(t, w.status().Totals.Read)
		w.asks(workflows.UpdateResume, w.mustAccept, workflows.ResumeRequest{})
	})
	w.at(4*time.Hour, func() {
		require.EqualValues(t, 1, w.status().Totals.Read)
		w.asks(workflows.UpdateStop, w.accepted, workflows.StopRequest{})
	})
	w.at(5*time.Hour, func() { w.asks(workflows.UpdateStart, w.accepted, changed) })
	w.at(6*time.Hour, func() {
		require.False(t, w.status().ChangesPending())
		require.Equal(t, changed.Revision, w.status().Revision)
	})
	w.run(7 * time.Hour)
}

// A pass ends the same wherever it continues as new.
func TestAnEventPassEndsTheSameWhereverItContinuesAsNew(t *testing.T) {
	t.Parallel()
	for _, pages := range []int{0, 1, 2, 3} {
		t.Run(fmt.Sprintf("every %d pages", pages), func(t *testing.T) {
			t.Parallel()
			f := newFakeEgress()
			f.journal, f.files = []int{5, 4, 3}, []int{2, 1}
			in := workflows.PassInput{Instance: "acme", Tuning: workflows.Tuning{Lanes: 1, ReadAhead: 2, Poll: activities.Duration(3 * time.Second), StopRatio: 0.2, StopMin: 100, PagesPerRun: pages},
				Ref: activities.RunRef{Run: "egress-1", Table: activities.FlowEgress, Revision: "r", Kind: activities.KindDelta}}
			for continued := 0; ; continued++ {
				require.Less(t, continued, 20)
				env := newWorkflowEnv()
				f.now = env.Now
				f.register(env)
				env.RegisterWorkflow(workflows.EventPass)
				env.ExecuteWorkflow(workflows.EventPass, in)
				err := env.GetWorkflowError()
				if next, ok := errors.AsType[*workflow.ContinueAsNewError](err); ok {
					require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
					continue
				}
				require.NoError(t, err)
				require.Equal(t, pages > 0, continued > 0)
				var out workflows.PassResult
				require.NoError(t, env.GetWorkflowResult(&out))
				require.Equal(t, activities.Counts{Read: 15, Created: 15}, out.Summary.Counts)
				break
			}
			fetched := slices.DeleteFunc(f.steps(), func(s string) bool { return !strings.HasPrefix(s, "fetch") })
			require.Equal(t, []string{"fetch 1 journal", "fetch 2 journal", "fetch 3 journal", "fetch 4 files", "fetch 5 files"}, fetched)
		})
	}
}

// A long backfill keeps nothing new waiting.
func TestNewEventsAreBroughtDuringABackfill(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	req := startEvents()
	req.Tuning.DeltaInterval = 1 // a nanosecond: at every page
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, req) })
	w.at(time.Hour, func() {
		w.eg.mu.Lock()
		w.eg.archive, w.eg.duringBackfill = []int{4, 4, 4}, 2
		w.eg.mu.Unlock()
		w.asks(workflows.UpdateRequestBackfill, w.mustAccept, workflows.BackfillRequest{Window: activities.Window{Folder: "/logs"}})
	})
	w.at(2*time.Hour, func() {
		st := w.status()
		require.EqualValues(t, 14, st.Totals.Read)
		require.EqualValues(t, 12, st.LastRun.Counts.Read)
		require.Equal(t, activities.KindBackfill, st.LastRun.Kind, "the others ran inside it")
	})
	w.run(3 * time.Hour)
}

// The owner continues as new with everything it knows.
func TestEventSyncContinuesAsNew(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	w.eg.journal = []int{3}
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, startEvents()) })
	w.at(time.Hour, func() { w.env.SetContinueAsNewSuggested(true) })
	w.env.ExecuteWorkflow(workflows.EventSync, workflows.EventSyncInput{Instance: "acme"})
	next, ok := errors.AsType[*workflow.ContinueAsNewError](w.env.GetWorkflowError())
	require.True(t, ok, "%v", w.env.GetWorkflowError())
	var in workflows.EventSyncInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))

	later := newEventWorld(t)
	later.eg.journal = []int{2}
	later.at(time.Hour, func() {
		st := later.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Equal(t, activities.Counts{Read: 5, Created: 5}, st.Totals)
		require.Equal(t, []string{"clicks"}, st.Events.Enabled)
		require.Equal(t, startEvents().Revision, st.Revision)
	})
	later.at(2*time.Hour, later.env.CancelWorkflow)
	later.env.ExecuteWorkflow(workflows.EventSync, in)
	completed(t, later.env)
	require.NotContains(t, later.eg.steps(), "preflight", "it runs on")
}

// A stopped backfill of events that is given up leaves no run behind that waits.
func TestAStoppedBackfillOfEventsThatIsGivenUpIsClosed(t *testing.T) {
	t.Parallel()
	w := newEventWorld(t)
	w.at(time.Second, func() { w.asks(workflows.UpdateStart, w.accepted, startEvents()) })
	w.at(time.Hour, func() {
		w.eg.mu.Lock()
		w.eg.archive = []int{4, 4, 4}
		w.eg.mu.Unlock()
		w.asks(workflows.UpdateRequestBackfill, w.mustAccept, workflows.BackfillRequest{Window: activities.Window{Folder: "/logs"}})
	})
	w.at(time.Hour+90*time.Second, func() { w.asks(workflows.UpdateStop, w.mustAccept, workflows.StopRequest{}) })
	w.at(2*time.Hour, func() {
		queued := w.status().Queued(workflows.RequestBackfill)
		require.Len(t, queued, 1)
		w.asks(workflows.UpdateCancelBackfill, w.mustAccept, workflows.CancelBackfillRequest{Run: queued[0]})
	})
	w.run(3 * time.Hour)
	require.Contains(t, w.eg.steps(), "end CANCELLED")
}
