package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// Requests wait in one list, which says of each what it is and who asked. What
// undoes goes first, then what repairs, then what reads again.
func TestRequestsWaitInOneQueue(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "maintenance"})
		o.releases(workflows.ReleaseRequest{Selection: activities.Selection{Code: "R1"}, By: "ada"}, o.mustAccept)
		o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{By: "bob"})
		o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-1", By: "eve"})
		o.rollsBack("contacts-1", o.mustAccept)
	})
	o.at(2*time.Hour, func() {
		queue := o.status().Queue
		require.Len(t, queue, 4)
		kinds, by := []workflows.RequestKind{}, []string{}
		for _, r := range queue {
			require.NotEmpty(t, r.Run)
			kinds, by = append(kinds, r.Kind), append(by, r.By)
		}
		require.Equal(t, []workflows.RequestKind{workflows.RequestRelease, workflows.RequestBackfill, workflows.RequestRepair, workflows.RequestRollback}, kinds)
		require.Equal(t, []string{"ada", "bob", "eve"}, by[:3])
		require.Equal(t, []string{"contacts-1"}, o.status().Queued(workflows.RequestRollback))
		o.asks(workflows.UpdateResume, o.mustAccept, workflows.ResumeRequest{})
	})
	o.at(6*time.Hour, func() { require.Empty(t, o.status().Queue) })
	o.run(7 * time.Hour)
	steps := o.f.steps()
	steps = slices.DeleteFunc(steps, func(s string) bool {
		return !slices.Contains([]string{"find unrecorded writes", "correct audit-1", "watermark initial", "open backfill", "open release"}, s)
	})
	require.Equal(t, []string{"watermark initial", "find unrecorded writes", "correct audit-1", "watermark initial", "open backfill", "open release"}, steps)
}

// Of one kind no more wait than an operator can have meant.
func TestAQueueHasAnEnd(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "maintenance"})
		for range 20 {
			o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{})
		}
		o.asks(workflows.UpdateRequestBackfill, o.mustRefuse("20 backfills are queued already"), workflows.BackfillRequest{})
		o.releases(workflows.ReleaseRequest{All: true}, o.mustAccept)
	})
	o.at(2*time.Hour, func() {
		runs := o.status().Queued(workflows.RequestBackfill)
		require.Len(t, runs, 20)
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(runs))), 20, "each has a name of its own")
	})
	o.run(3 * time.Hour)
}
