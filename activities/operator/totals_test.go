package operator_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// What a flow did is the sum of its runs; a rollback counts nothing, because the run that
// it undoes has counted.
func TestTotalsOfAFlow(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 30)
	totals := func() []activities.FlowTotals {
		return activitytest.Call[activities.TotalsResult](s, s.Operator.Totals, activities.TotalsInput{}).Flows
	}
	require.NotNil(t, totals())
	require.Empty(t, totals())
	s.Load()
	load := s.LastRun()
	want := []activities.FlowTotals{{Flow: "ingress", Table: "contacts", Runs: 1, Counts: activities.Counts{Read: 30, Created: 30}}}
	require.Equal(t, want, totals())
	s.Rollback(load)
	require.Equal(t, want, totals())
}
