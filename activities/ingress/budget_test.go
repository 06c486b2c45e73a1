package ingress_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// R22.2: a load that uses up its share waits for the next hour, changes go on;
// nothing is sent meanwhile and nothing is doubled.
func TestALoadWaitsForTheNextHoursBudget(t *testing.T) {
	t.Parallel()
	base := activitytest.NewWorld(t, 100)
	clock := activitytest.NewBudgetClock()
	s, b := base.WithBudget(100, clock) // 80 for loads
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	ref := activities.RunRef{Run: "contacts-1", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindInitial}
	activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
	page := activitytest.Call[activities.FetchResult](s, s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseBaseline, Lanes: 1})
	require.Equal(t, []int{100}, page.Lanes)
	lane := activities.LaneInput{RunRef: ref, Page: 1, Lane: 0}
	_, err := s.Env.ExecuteActivity(s.Ingress.WriteLane, lane)
	fail, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "Quota", fail.Type())
	require.False(t, fail.NonRetryable())
	require.Equal(t, 50*time.Minute, fail.NextRetryDelay())
	require.ErrorContains(t, err, "80 of 100 engine calls of this hour are used, the most for loads; goes on at 13:00 UTC")
	require.Equal(t, int64(80), s.EngineCalls())
	require.Equal(t, int64(79), s.Sandboxes.Campaign.Count("profile"), "one look at the key before the start")

	clock.Advance(50 * time.Minute)
	activitytest.Call[activities.LaneResult](s, s.Ingress.WriteLane, lane)
	require.Equal(t, int64(100+1), s.EngineCalls(), "each record once")
	require.Equal(t, int64(100), s.Sandboxes.Campaign.Count("profile"))
	require.NoError(t, b.Close(t.Context()))
	require.Equal(t, s.EngineCalls(), s.CountedCalls(), "our meter and Campaign's agree (R22.1)")
}

func TestChangesHaveAReservedShare(t *testing.T) {
	t.Parallel()
	base := activitytest.NewWorld(t, 90)
	base.Load()
	clock := activitytest.NewBudgetClock()
	s, b := base.WithBudget(100, clock)
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts") {
		s.Edit(key, map[string]any{"address1_city": "Nebelheim"})
	}
	before := s.EngineCalls()
	s.Runs = base.Runs
	require.Equal(t, activities.Counts{Read: 90, Updated: 90}, s.Delta(), "more than loads may have")
	require.Equal(t, int64(90), s.EngineCalls()-before)
	require.NoError(t, b.Close(t.Context()))
	require.Equal(t, int64(90), s.CountedCalls())
}

// R15.8: what status shows right after a load is what Campaign counted, budget or not.
func TestTheMeterAgreesWithCampaign(t *testing.T) {
	t.Parallel()
	s, _ := activitytest.NewWorld(t, 60).WithBudget(0, activitytest.NewBudgetClock())
	s.Load()
	require.Equal(t, int64(60), s.EngineCalls())
	require.Equal(t, int64(60)+*s.ProbeCalls, s.CountedCalls(), "with the look at the key before the start")
}
