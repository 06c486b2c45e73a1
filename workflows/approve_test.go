package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// Deletes that wait for an operator show in the status until they are approved;
// the flow goes on meanwhile.
func TestDeletesWaitForApproval(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	waiting := activities.Approval{Run: "contacts-1", Deletes: 7}
	o.f.approvals = []activities.Approval{waiting}
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Equal(t, []activities.Approval{waiting}, st.Approvals)
		o.asks(workflows.UpdateApprove, o.mustRefuse("run contacts-2 has no deletes that wait for approval"), workflows.ApproveRequest{Run: "contacts-2"})
		o.asks(workflows.UpdateApprove, o.mustAccept, workflows.ApproveRequest{Run: "contacts-1", By: "ada"})
	})
	o.at(time.Hour+time.Minute, func() {
		require.Empty(t, o.status().Approvals)
		o.asks(workflows.UpdateApprove, o.mustRefuse("has no deletes that wait"), workflows.ApproveRequest{Run: "contacts-1"})
	})
	o.run(2 * time.Hour)
	require.Contains(t, o.f.steps(), "approve contacts-1")
}

// What an operator rejects waits no longer, and is in the audit trail.
func TestDeletesThatWaitAreRejected(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.f.approvals = []activities.Approval{{Run: "contacts-1", Deletes: 7}}
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		o.asks(workflows.UpdateReject, o.mustRefuse("run contacts-2 has no deletes that wait for approval"), workflows.ApproveRequest{Run: "contacts-2"})
		o.asks(workflows.UpdateReject, o.mustAccept, workflows.ApproveRequest{Run: "contacts-1", By: "ada"})
	})
	o.at(time.Hour+time.Minute, func() {
		require.Empty(t, o.status().Approvals)
		o.asks(workflows.UpdateApprove, o.mustRefuse("has no deletes that wait"), workflows.ApproveRequest{Run: "contacts-1"})
	})
	o.run(2 * time.Hour)
	require.Contains(t, o.f.steps(), "reject contacts-1")
	require.NotContains(t, o.f.steps(), "approve contacts-1")
}

// R17: parents before children in an initial load, and only there.
func TestAnInitialLoadWaitsForThoseOfItsParents(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.f.parents, o.f.loading = []string{"accounts"}, 2
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		require.Equal(t, activities.Counts{Read: 40, Created: 40}, o.status().Totals)
		o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{})
	})
	o.at(2*time.Hour, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.run(3 * time.Hour)
	steps := o.f.steps()
	require.Equal(t, []string{"preflight", "await [accounts]", "await [accounts]", "await [accounts]", "open initial"}, steps[:5])
	require.NotContains(t, steps[5:], "await [accounts]")
}
