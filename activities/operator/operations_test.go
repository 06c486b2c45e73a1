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
	start := activities.Operation{ID: "1", At: at, By: "Ada <6f0c>", What: activities.OpStart, Flow: activities.FlowIngress, Table: "contacts", Revision: "r2", Was: "r1"}
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
	require.Equal(t, []activities.Operation{{Seq: 3, ID: "acknowledge/privacy-1/cleo", At: at, By: "cleo", What: activities.OpAcknowledge, Flow: "console", Detail: "privacy-1"}}, kept.Operations)

	// One person looks at the typology rules for all, and status knows who.
	require.Nil(t, activitytest.Call[activities.TotalsResult](s, s.Operator.Totals, activities.TotalsInput{}).Typology)
	for _, who := range []string{"dan", "eve"} {
		_, err = s.Env.ExecuteActivity("Acknowledge", activities.AcknowledgeInput{Text: activities.TextTypology, By: who, At: at, Once: true})
		require.NoError(t, err)
	}
	require.Equal(t, "dan", activitytest.Call[activities.TotalsResult](s, s.Operator.Totals, activities.TotalsInput{}).Typology.By)

	got := activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{Flow: activities.FlowIngress})
	start.Seq, start.Verified, start.Subject, stop.Seq = 1, true, "6f0c", 2
	require.Equal(t, []activities.Operation{start, stop}, got.Operations)
	got = activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{By: "Ada <6f0c>", What: "stop"})
	require.NotNil(t, got.Operations)
	require.Empty(t, got.Operations)
	_, err = s.Env.ExecuteActivity("ListOperations", activities.OperationsInput{Limit: 1001})
	require.ErrorContains(t, err, "limit: got 1001, want 1 to 1000")
}

// The trail is compared with what flows remember of it. A ledger from before that is known
// to be restored explains what it lacks; nothing explains a trail that was changed.
func TestTheAuditTrailIsVerified(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 0)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	end := activitytest.Call[activities.LogEnd](s, s.Operator.LogOperation, activities.LogInput{Operations: []activities.Operation{{ID: "1", At: at, What: "start"}, {ID: "2", At: at, What: "stop"}}})
	mine := activities.RememberedEnd{Flow: "contacts", LogEnd: end}
	cut := activities.RememberedEnd{Flow: "optout", LogEnd: activities.LogEnd{Seq: 7, At: at.Add(time.Hour), Hash: []byte("x")}}
	verify := func(ends ...activities.RememberedEnd) activities.VerifyLogResult {
		return activitytest.Call[activities.VerifyLogResult](s, s.Operator.VerifyLog, activities.VerifyLogInput{Remembered: ends})
	}
	require.Equal(t, activities.VerifyLogResult{Agrees: true, Entries: 2, From: at, To: at, Remembered: []string{"contacts"}}, verify(mine))
	got := verify(mine, cut)
	require.False(t, got.Agrees)
	require.Equal(t, []activities.RememberedEnd{cut}, got.Lacking)

	activitytest.Call[activities.MarkRestoredResult](s, s.Operator.MarkRestored, activities.MarkRestoredInput{By: "ada"})
	got = verify(mine, cut)
	require.True(t, got.Agrees)
	require.Equal(t, "ada", got.Restored.By)
	require.Equal(t, []activities.RememberedEnd{cut}, got.Lacking, "it is said all the same")
	cut.At = time.Now().Add(time.Hour)
	require.False(t, verify(cut).Agrees, "it was remembered after the restore")
}
