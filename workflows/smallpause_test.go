package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// A pause holds what is in hand, and a resume goes on with it where the ledger holds
// it: nothing is written twice, which the fake would refuse.
func TestAPauseHoldsASmallPass(t *testing.T) {
	t.Parallel()
	o, children := loaded(t)
	o.at(asked, func() { o.changed(3) })
	o.at(atWork, func() { o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "maintenance"}) })
	o.at(2*time.Hour, func() {
		st := o.status()
		id, run := o.delta()
		require.Equal(t, id, st.Run)
		require.True(t, st.Progress.Paused)
		require.Equal(t, "RUNNING", run.state)
		o.rollsBack(id, o.mustRefuse("applies changes and ends by itself"))
		o.asks(workflows.UpdateResume, o.mustAccept, workflows.ResumeRequest{})
	})
	o.at(3*time.Hour, func() { o.carried(3) })
	o.run(4 * time.Hour)
	require.Empty(t, *children)
	require.Contains(t, o.f.steps(), "open delta")
}

// carried says that the flow runs, and has done one run beside its initial load.
func (o *operator) carried(read int64) {
	st := o.status()
	require.Equal(o.t, workflows.StateRunning, st.State, st.Reason)
	require.Equal(o.t, "COMPLETED", st.LastRun.State)
	require.Equal(o.t, 40+read, st.Totals.Read)
	require.Equal(o.t, int64(2), st.Runs)
}

// A pause that is taken back while the work in hand is put back holds nothing.
func TestAPauseOfASmallPassIsTakenBack(t *testing.T) {
	t.Parallel()
	o, children := loaded(t)
	o.at(asked, func() {
		var attempts sync.Map // of lanes
		pauses := sync.OnceFunc(func() {
			done := make(chan struct{})
			o.at(0, func() { // this is the goroutine of an activity, from which nothing may be asked
				o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "mistaken"})
				o.asks(workflows.UpdateResume, o.mustAccept, workflows.ResumeRequest{})
				o.at(0, func() { close(done) }) // both were heard
			})
			<-done
		})
		o.f.onLane = func(in activities.LaneInput) error {
			if _, again := attempts.LoadOrStore(in.Lane, true); again {
				return nil
			}
			pauses() // while each lane is in its first attempt, which it ends without a write
			return context.Canceled
		}
		o.changed(3)
	})
	o.at(2*time.Hour, func() { o.carried(3) })
	o.run(3 * time.Hour)
	require.Empty(t, *children)
	require.Contains(t, o.f.steps(), "open delta", "it was interrupted")
}

// Who stops a paused flow wants what is in hand put back.
func TestAStopInAPausePutsASmallPassBack(t *testing.T) {
	t.Parallel()
	o, _ := loaded(t)
	o.at(asked, func() { o.changed(3) })
	o.at(atWork, func() { o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "maintenance"}) })
	o.at(2*time.Hour, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
	o.at(3*time.Hour, func() {
		st := o.status()
		_, run := o.delta()
		require.Equal(t, workflows.StateStopped, st.State)
		require.Equal(t, "STOPPED", st.LastRun.State)
		require.Equal(t, "STOPPED", run.state)
		require.True(t, run.dropped)
		require.Empty(t, st.Run)
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(4*time.Hour, func() { require.Equal(t, workflows.StateRunning, o.status().State) })
	o.run(5 * time.Hour)
}
