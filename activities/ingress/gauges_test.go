package ingress_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/egress"
	"causeway.dev/activities/ingress"
	"causeway.dev/activities/optout"
	"causeway.dev/internal/ledger"
)

// A worker that was just started shows what others did before it.
func TestAnotherWorkersGaugesShowTheSame(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 300)
	s.Load()
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts")[:150] { // more than may be deleted unasked
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	first := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(first, map[string]any{"emailaddress1": "no address"})
	out := s.Pass(activities.KindDelta, activities.PhaseDelta)
	require.Equal(t, int64(150), out.Approvals[0].Deletes)
	require.Equal(t, int64(1), out.Quarantined)
	events, choices := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for flow, at := range map[string]time.Time{activities.FlowEgress: events, activities.FlowOptOut: choices} {
		require.NoError(t, s.Ledger.SaveWatermark(t.Context(), ledger.Watermark{Flow: flow, Table: flow, Link: "x", ObtainedAt: at}))
	}

	scope := tally.NewTestScope("", nil)
	opts := s.IngressOptions
	opts.Metrics = scope
	in, eg, opt := ingress.New(opts), egress.New(egress.Options{Ledger: s.Ledger, Metrics: scope}), optout.New(optout.Options{Ledger: s.Ledger, Metrics: scope})
	refresh := func() {
		t.Helper()
		for _, table := range []string{"contacts", "orders"} {
			require.NoError(t, in.RefreshGauges(t.Context(), table))
		}
		require.NoError(t, eg.RefreshGauges(t.Context(), 120*time.Hour))
		require.NoError(t, opt.RefreshGauges(t.Context()))
	}
	refresh()

	ofContacts := map[string]float64{}
	for _, g := range scope.Snapshot().Gauges() {
		if g.Tags()["table"] == "contacts" {
			ofContacts[g.Name()] = g.Value()
		} else if g.Tags()["table"] == "orders" {
			require.Zero(t, g.Value(), g.Name())
		}
	}
	require.Equal(t, map[string]float64{
		"ingress.watermark_timestamp_seconds": float64(out.Watermark.Unix()), "ingress.quarantine_open": 1, "ingress.deletes_waiting": 150, "ingress.records_returned": 0, "ingress.records_erased": 0, "ingress.ledger_restored": 0,
	}, ofContacts)
	require.Equal(t, float64(events.Unix()), activitytest.Gauges(scope)["egress.watermark_timestamp_seconds"])
	require.Equal(t, float64(choices.Unix()), activitytest.Gauges(scope)["optout.watermark_timestamp_seconds"])

	require.Equal(t, 1.0, activitytest.Gauges(scope)["egress.lag_alarm"])
	require.NoError(t, s.Ledger.SaveWatermark(t.Context(), ledger.Watermark{Flow: activities.FlowEgress, Table: activities.FlowEgress, Link: "x", ObtainedAt: time.Now()}))
	refresh()
	require.Zero(t, activitytest.Gauges(scope)["egress.lag_alarm"], "whichever worker raised it")

	activitytest.Call[activities.MarkRestoredResult](s, s.Operator.MarkRestored, activities.MarkRestoredInput{Tables: []string{"contacts"}, OptOut: true})
	refresh()
	require.Equal(t, 1.0, activitytest.Gauges(scope)["optout.ledger_restored"])
	require.Zero(t, activitytest.Gauges(scope)["egress.ledger_restored"])
	require.True(t, slices.ContainsFunc(slices.Collect(maps.Values(scope.Snapshot().Gauges())), func(g tally.GaugeSnapshot) bool {
		return g.Name() == "ingress.ledger_restored" && g.Tags()["table"] == "contacts" && g.Value() == 1
	}))

	approved := activitytest.Call[activities.ApproveResult](s, s.Ingress.ApproveDeletes, activities.ApproveInput{Table: "contacts", Run: out.Approvals[0].Run})
	require.Equal(t, int64(150), approved.Approved)
	refresh()
	for _, g := range scope.Snapshot().Gauges() {
		require.False(t, g.Name() == "ingress.deletes_waiting" && g.Value() != 0, "approved")
	}
}

// R22: what is left of the hour's budget is shown, also before anything is taken
// of the hour, and by a worker that took nothing.
func TestWhatIsLeftOfTheBudgetIsShown(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 0)
	clock := activitytest.NewBudgetClock()
	scope := tally.NewTestScope("", nil)
	calls := budget.New(budget.Options{Ledger: s.Ledger, PerHour: 1000, Now: clock.Now, Metrics: scope})
	left := func() float64 {
		require.NoError(t, calls.RefreshGauges(t.Context()))
		return activitytest.Gauges(scope)["campaign.engine_calls_left"]
	}
	require.Equal(t, 1000.0, activitytest.Gauges(scope)["campaign.engine_calls_budget"])
	require.Equal(t, 1000.0, left())
	require.NoError(t, s.Ledger.AddEngineCalls(t.Context(), clock.Now(), "changes", 950))
	require.Equal(t, 50.0, left(), "made by another worker")
	clock.Advance(time.Hour)
	require.Equal(t, 1000.0, left(), "another hour")
}
