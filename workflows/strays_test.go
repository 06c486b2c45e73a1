package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// What an operator wants deleted of an audit's strays is taken up between two passes, and
// waits for approval where it is much.
func TestStraysAreTakenUpBetweenPasses(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	ids := []string{"6f0c1d2e-0000-4000-8000-000000000001", "6f0c1d2e-0000-4000-8000-000000000002"}
	o.at(time.Second, func() {
		o.asks(workflows.UpdateDeleteStrays, o.mustRefuse("start it before asking for strays"), workflows.DeleteStraysRequest{IDs: ids})
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(time.Hour, func() {
		o.asks(workflows.UpdateDeleteStrays, o.mustRefuse("got 0 ids, want 1 to 1000"), workflows.DeleteStraysRequest{})
		o.asks(workflows.UpdateDeleteStrays, o.mustAccept, workflows.DeleteStraysRequest{IDs: ids, By: "ada"})
	})
	o.at(time.Hour+2*time.Minute, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Empty(t, st.Queue)
		require.Len(t, st.Approvals, 1)
		require.Equal(t, int64(2), st.Approvals[0].Deletes)
		require.Equal(t, int64(2), st.Strays)
	})
	o.run(2 * time.Hour)
	require.Contains(t, o.f.steps(), "delete strays [6f0c1d2e-0000-4000-8000-000000000001 6f0c1d2e-0000-4000-8000-000000000002]")
	require.True(t, slices.ContainsFunc(o.f.trail, func(op activities.Operation) bool { return op.What == activities.OpStrays && op.By == "ada" }))
}
