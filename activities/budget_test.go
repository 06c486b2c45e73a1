package activities_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
)

// budgetClock is a clock that tests move.
type budgetClock struct{ at atomic.Int64 }

func newBudgetClock() *budgetClock {
	c := &budgetClock{}
	c.at.Store(time.Date(2026, 3, 1, 12, 10, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *budgetClock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *budgetClock) advance(d time.Duration) { c.at.Add(int64(d)) }

// withBudget is the same world with a budget of engine calls.
func (s *spine) withBudget(perHour int64, clock *budgetClock) (*spine, *activities.Budget) {
	b := activities.NewBudget(activities.BudgetOptions{Ledger: s.books, PerHour: perHour, Reserved: 0.2, Now: clock.now, Metrics: s.scope})
	out := *s
	out.opts.Budget = b
	out.in = activities.NewIngress(out.opts)
	out.env = newActivityEnv()
	out.register()
	return &out, b
}

// calls sums what the ledger counted.
func (s *spine) counted() (n int64) {
	s.t.Helper()
	calls, err := s.books.EngineCalls(s.t.Context(), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	require.NoError(s.t, err)
	for _, c := range calls {
		n += c.Calls
	}
	return n
}

// R22.2: a load that uses up its share waits for the next hour, changes go on;
// nothing is sent meanwhile and nothing is doubled.
func TestALoadWaitsForTheNextHoursBudget(t *testing.T) {
	t.Parallel()
	base := newSpine(t, 100)
	clock := newBudgetClock()
	s, b := base.withBudget(100, clock) // 80 for loads
	call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	ref := activities.RunRef{Run: "contacts-1", Table: "contacts", Revision: s.table.Revision(), Kind: activities.KindInitial}
	call[activities.OpenRunResult](s, s.in.OpenRun, activities.OpenRunInput{RunRef: ref})
	page := call[activities.FetchResult](s, s.in.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseBaseline, Lanes: 1})
	require.Equal(t, []int{100}, page.Lanes)
	lane := activities.LaneInput{RunRef: ref, Page: 1, Lane: 0}
	_, err := s.env.ExecuteActivity(s.in.WriteLane, lane)
	fail, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "Quota", fail.Type())
	require.False(t, fail.NonRetryable())
	require.Equal(t, 50*time.Minute, fail.NextRetryDelay())
	require.ErrorContains(t, err, "80 of 100 engine calls of this hour are used, the most for loads; goes on at 13:00 UTC")
	require.Equal(t, int64(80), s.engineCalls())
	require.Equal(t, int64(79), s.boxes.Campaign.Count("profile"), "one look at the key before the start")

	clock.advance(50 * time.Minute)
	call[activities.LaneResult](s, s.in.WriteLane, lane)
	require.Equal(t, int64(100+1), s.engineCalls(), "each record once")
	require.Equal(t, int64(100), s.boxes.Campaign.Count("profile"))
	require.NoError(t, b.Close(t.Context()))
	require.Equal(t, s.engineCalls(), s.counted(), "our meter and Campaign's agree (R22.1)")
}

func TestChangesHaveAReservedShare(t *testing.T) {
	t.Parallel()
	base := newSpine(t, 90)
	base.load()
	clock := newBudgetClock()
	s, b := base.withBudget(100, clock)
	for _, key := range s.boxes.Dynamics.Keys("contacts") {
		s.edit(key, map[string]any{"address1_city": "Nebelheim"})
	}
	before := s.engineCalls()
	s.runs = base.runs
	require.Equal(t, activities.Counts{Read: 90, Updated: 90}, s.delta(), "more than loads may have")
	require.Equal(t, int64(90), s.engineCalls()-before)
	require.NoError(t, b.Close(t.Context()))
	require.Equal(t, int64(90), s.counted())
}

// R15.8: what status shows right after a load is what Campaign counted, budget or not.
func TestTheMeterAgreesWithCampaign(t *testing.T) {
	t.Parallel()
	s, _ := newSpine(t, 60).withBudget(0, newBudgetClock())
	s.load()
	require.Equal(t, int64(60), s.engineCalls())
	require.Equal(t, int64(60)+*s.probe, s.counted(), "with the look at the key before the start")
}
