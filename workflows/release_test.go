package workflows_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

func (o *operator) releases(req workflows.ReleaseRequest, answer func(any, error)) {
	req.By = "ada"
	o.asks(workflows.UpdateRelease, answer, req)
}

func (o *operator) tried() []activities.Release {
	o.f.mu.Lock()
	defer o.f.mu.Unlock()
	return slices.Clone(o.f.tried)
}

var byCode = activities.Selection{Code: "TooLong"}

func TestAReleaseIsARunOfTheFlow(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	many := make([]string, 1001)
	o.at(time.Second, func() {
		o.releases(workflows.ReleaseRequest{All: true}, o.mustRefuse("start it before asking for a release"))
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(time.Hour, func() {
		o.releases(workflows.ReleaseRequest{}, o.mustRefuse("got no selection"))
		o.releases(workflows.ReleaseRequest{All: true, Selection: byCode}, o.mustRefuse("got both all and a selection"))
		o.releases(workflows.ReleaseRequest{Selection: activities.Selection{IDs: many}}, o.mustRefuse("got 1001 ids, want at most 1,000"))
		o.releases(workflows.ReleaseRequest{Selection: activities.Selection{Run: "rollback-contacts-1-x"}}, o.mustRefuse("left records alone and refused none"))
		o.releases(workflows.ReleaseRequest{Selection: byCode}, o.mustAccept)
	})
	o.at(2*time.Hour, func() {
		st := o.status()
		require.Equal(t, activities.KindRelease, st.LastRun.Kind)
		require.Equal(t, "COMPLETED", st.LastRun.State)
		require.Equal(t, int64(16), st.LastRun.Counts.Read)
		require.Empty(t, st.Queued(workflows.RequestRelease))
		require.Equal(t, "waiting for changes", st.Phase)
	})
	o.run(3 * time.Hour)
	require.Equal(t, []activities.Release{{Selection: byCode}}, o.tried())
	entry := o.f.trail[len(o.f.trail)-1]
	require.Equal(t, activities.OpRelease, entry.What)
	require.Equal(t, "code TooLong", entry.Detail)
	require.Equal(t, "ada", entry.By)
}

// A start with a changed mapping tries everything again that an earlier one
// refused, unless a baseline reads it anyway.
func TestAChangedMappingReleasesByItself(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	changed := activities.Table{Name: "contacts", ApplyDeletes: true}
	o.f.refusedBefore = 5000
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		require.Empty(t, o.tried(), "the baseline has read them")
		require.Empty(t, o.status().Queued(workflows.RequestRelease))
		o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{})
	})
	o.at(2*time.Hour, func() {
		o.asks(workflows.UpdateStart, o.mustAccept, workflows.StartRequest{Table: &changed, Revision: changed.Revision(), Tuning: start.Tuning})
	})
	o.at(3*time.Hour, func() { require.Equal(t, activities.KindRelease, o.status().LastRun.Kind) })
	o.run(4 * time.Hour)
	require.Equal(t, []activities.Release{{RefusedBefore: true}}, o.tried())
}

// A data model that has changed may have taken the cause away, too: a field that
// is longer now.
func TestAChangedDataModelReleasesByItself(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
	o.at(2*time.Hour, func() {
		o.f.warnings, o.f.quarantined = []string{"lastName takes 100 characters, was 50"}, 7
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.run(4 * time.Hour)
	require.Equal(t, []activities.Release{{Remodelled: true}}, o.tried())
}

// What is due is tried a page at a time, the next page a minute later.
func TestDueRecordsAreReleasedOnASchedule(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.f.due = 3
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.run(2 * time.Hour)
	require.Equal(t, slices.Repeat([]activities.Release{{Due: true}}, 3), o.tried())
	require.GreaterOrEqual(t, o.f.dueFrom[1].Sub(o.f.dueFrom[0]), time.Minute)
	require.True(t, o.f.dueFrom[2].After(o.f.dueFrom[1]))
}

// A stopped release reads anew after the next start: what it had read is old.
func TestAStoppedReleaseGoesOnAsAnotherRun(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.releases(workflows.ReleaseRequest{All: true}, o.mustAccept) })
	var first string
	o.at(time.Hour+90*time.Second, func() {
		first = o.status().Run
		require.Equal(t, activities.KindRelease, o.status().RunKind)
		o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{})
	})
	o.at(2*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateStopped, st.State)
		require.Equal(t, "STOPPED", st.LastRun.State)
		require.Len(t, st.Queued(workflows.RequestRelease), 1)
		require.NotEqual(t, first, st.Queued(workflows.RequestRelease)[0])
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(3*time.Hour, func() {
		require.Equal(t, "COMPLETED", o.status().LastRun.State)
		require.Equal(t, activities.KindRelease, o.status().LastRun.Kind)
	})
	o.run(4 * time.Hour)
	require.Len(t, o.tried(), 2)
}

// What an operator has discarded shows once the flow looks again.
func TestADiscardShowsInStatus(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		require.Zero(t, o.status().Quarantined)
		open := int64(7)
		o.f.mu.Lock()
		o.f.open = &open
		o.f.mu.Unlock()
	})
	o.at(2*time.Hour, func() { require.Equal(t, int64(7), o.status().Quarantined) })
	o.run(3 * time.Hour)
}

// A queued release is taken off the queue by the command that cancels a run.
func TestAQueuedReleaseIsCancelled(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "x"})
		o.releases(workflows.ReleaseRequest{All: true}, o.mustAccept)
	})
	o.at(2*time.Hour, func() {
		require.Len(t, o.status().Queued(workflows.RequestRelease), 1)
		o.asks(workflows.UpdateCancelBackfill, o.mustAccept, workflows.CancelBackfillRequest{Run: o.status().Queued(workflows.RequestRelease)[0]})
	})
	o.at(3*time.Hour, func() {
		require.Empty(t, o.status().Queued(workflows.RequestRelease))
		o.asks(workflows.UpdateResume, o.mustAccept, workflows.ResumeRequest{})
	})
	o.run(4 * time.Hour)
	require.Empty(t, o.tried())
}

// Records that are refused once more are no reason to stop a release.
func TestRefusalsDoNotStopARelease(t *testing.T) {
	t.Parallel()
	for _, pages := range []int{0, 1} {
		t.Run(fmt.Sprintf("every %d pages", pages), func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.refuse = 4 // all
			in := passInput(activities.KindRelease)
			in.Release = &activities.Release{}
			in.Tuning.StopMin, in.Tuning.PagesPerRun = 1, pages
			out, continued, err := runPass(t, f, in)
			require.NoError(t, err)
			require.Equal(t, "COMPLETED", out.Summary.State)
			require.Equal(t, activities.Counts{Read: 16, Quarantined: 16}, out.Summary.Counts)
			require.Equal(t, pages > 0, continued > 0)
			require.Len(t, f.tried, 1)
		})
	}
}

// A release that fails says why, as every run.
func TestAFailedReleaseFailsTheFlow(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.f.failOnce["fetch quarantined"] = temporal.NewNonRetryableApplicationError("the sentence an operator needs", "Permission", nil)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.releases(workflows.ReleaseRequest{All: true}, o.mustAccept) })
	o.at(2*time.Hour, func() {
		require.Equal(t, workflows.StateFailed, o.status().State)
		require.Contains(t, o.status().Reason, "the sentence an operator needs")
	})
	o.run(3 * time.Hour)
}
