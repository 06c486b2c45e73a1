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

	for range 2 { // it is kept once
		_, err = s.Env.ExecuteActivity("Acknowledge", activities.AcknowledgeInput{Text: "privacy-1", By: "cleo", At: at})
		require.NoError(t, err)
	}
	_, err = s.Env.ExecuteActivity("Acknowledge", activities.AcknowledgeInput{Text: "privacy-1", At: at})
	require.ErrorContains(t, err, "who acknowledges it")
	kept := activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{By: "cleo", What: activities.OpAcknowledge})
	require.Equal(t, []activities.Operation{{ID: "acknowledge/privacy-1/cleo", At: at, By: "cleo", What: activities.OpAcknowledge, Flow: "console", Detail: "privacy-1"}}, kept.Operations)

	got := activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{Flow: activities.FlowIngress})
	require.Equal(t, []activities.Operation{start, stop}, got.Operations)
	got = activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{By: "ada", What: "stop"})
	require.NotNil(t, got.Operations)
	require.Empty(t, got.Operations)
	_, err = s.Env.ExecuteActivity("ListOperations", activities.OperationsInput{Limit: 1001})
	require.ErrorContains(t, err, "limit: got 1001, want 1 to 1000")
}
