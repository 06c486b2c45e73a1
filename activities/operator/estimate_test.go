package operator_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/ledger"
)

// What a backfill will cost is told by runs over the whole table: not by changes, windows
// or runs that did not complete.
func TestABackfillIsForetoldByWholeRuns(t *testing.T) {
	t.Parallel()
	s, _ := activitytest.NewWorld(t, 40).WithBudget(1000, activitytest.NewBudgetClock())
	in := activities.EstimateInput{Flow: activities.FlowIngress, Table: "contacts"}
	ask := func() activities.EstimateResult {
		return activitytest.Call[activities.EstimateResult](s, s.Operator.EstimateBackfill, in)
	}
	require.Zero(t, ask().Records)

	s.Load()
	got := ask()
	require.Equal(t, int64(40), got.Records)
	require.Equal(t, 1, got.Runs)
	require.Positive(t, got.Quick)
	require.GreaterOrEqual(t, got.Slow, got.Quick)
	require.Nil(t, got.Calls, "a first load says nothing of what differs later")
	require.Positive(t, got.PerHour)
	require.Less(t, got.PerHour, int64(1000), "changes have a share of their own")

	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[:10] {
		s.Edit(key, map[string]any{"address1_city": "Nebelheim"})
	}
	s.Window = activities.Window{Since: time.Now().Add(-time.Hour)}
	s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.Nil(t, ask().Calls, "a window says nothing of the whole")
	for _, key := range keys[:10] {
		s.Edit(key, map[string]any{"address1_city": "Quarrelton"})
	}
	s.Window = activities.Window{}
	done := s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, activities.Counts{Read: 40, Updated: 10, Unchanged: 30}, done.Counts)
	got = ask()
	require.Equal(t, 2, got.Runs)
	require.Equal(t, int64(10), *got.Calls)

	// A run that ended otherwise says nothing.
	_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: "contacts-9", Flow: activities.FlowIngress, Table: "contacts", Kind: ledger.RunKind(activities.KindInitial)})
	require.NoError(t, err)
	require.NoError(t, s.Ledger.SetRunState(t.Context(), "contacts-9", ledger.RunFailed, "no"))
	require.Equal(t, got, ask())
}
