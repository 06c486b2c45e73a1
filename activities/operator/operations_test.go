package operator_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// What is logged twice is in the trail once, and what cannot be told apart is refused.
func TestTheAuditTrail(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 0)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	start := activities.Operation{ID: "1", At: at, By: "ada", What: activities.OpStart, Flow: activities.FlowIngress, Table: "contacts", Revision: "r2", Was: "r1"}
	stop := activities.Operation{ID: "2", At: at.Add(time.Hour), By: "bob", What: activities.OpStop, Flow: activities.FlowIngress, Table: "contacts", Reason: "release"}
	for range 2 {
		_, err := s.Env.ExecuteActivity("LogOperation", activities.LogInput{Operations: []activities.Operation{start, stop}})
		require.NoError(t, err)
	}
	_, err := s.Env.ExecuteActivity("LogOperation", activities.LogInput{Operations: []activities.Operation{{What: "stop"}}})
	require.ErrorContains(t, err, "needs an id")

	got := activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{})
	require.Equal(t, []activities.Operation{start, stop}, got.Operations)
	got = activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{By: "ada", What: "stop"})
	require.NotNil(t, got.Operations)
	require.Empty(t, got.Operations)
	_, err = s.Env.ExecuteActivity("ListOperations", activities.OperationsInput{Limit: 1001})
	require.ErrorContains(t, err, "limit: got 1001, want 1 to 1000")
}
