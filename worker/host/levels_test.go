package host

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
	"causeway.dev/internal/mapping"
)

// A flow at work has a backlog, and is behind by the time since its watermark; an idle one is
// not behind; of one that is stopped, or has not loaded, nobody knows.
func TestLevelsOfTheFlowsAreKept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 30, 0, time.UTC)
	l := ledgertest.Open(t, ledgertest.SQLite(t))
	scope := tally.NewTestScope("", nil)
	v := &levels{ledger: l, scope: scope, config: &config.Config{Ingress: config.Ingress{Tables: map[string]mapping.Table{"contacts": {}}}}}
	last := func(running bool) ledger.SeriesPoint {
		t.Helper()
		now = now.Add(time.Minute)
		require.NoError(t, v.keep(t.Context(), map[string]bool{"contacts": running}, now))
		points, err := l.Series(t.Context(), ledger.SeriesFilter{Flow: activities.FlowIngress, Table: "contacts", From: now.Add(-time.Minute), To: now, Step: time.Minute})
		require.NoError(t, err)
		require.NotEmpty(t, points)
		return points[len(points)-1]
	}
	require.Negative(t, last(true).Lag, "it has not loaded")

	mark := ledger.Watermark{Flow: activities.FlowIngress, Table: "contacts", ObtainedAt: now.Add(-time.Hour), Link: "x"}
	require.NoError(t, l.SaveWatermark(t.Context(), mark))
	require.Zero(t, last(true).Lag)
	require.Negative(t, last(false).Lag)

	_, err := l.BeginRun(t.Context(), ledger.Run{ID: "r1", Flow: activities.FlowIngress, Table: "contacts", Kind: "delta", Started: mark.ObtainedAt.Add(90 * time.Second)})
	require.NoError(t, err)
	_, err = l.StagePage(t.Context(), ledger.PageInput{Run: "r1", Table: "contacts", Number: 1, Lanes: [][]ledger.Entry{{{Key: "a", Raw: []byte("{}")}, {Key: "b", Raw: []byte("{}")}}}})
	require.NoError(t, err)
	at := last(true)
	require.EqualValues(t, 2, at.Backlog)
	require.Equal(t, 90*time.Second, at.Lag)
	require.Equal(t, map[string]float64{"contacts": 2}, named(scope, "flow_backlog"))
	require.Equal(t, map[string]float64{"contacts": 90}, named(scope, "flow_lag_seconds"))
	require.Equal(t, map[string]float64{"contacts": float64(mark.ObtainedAt.Unix() + 90)}, named(scope, "flow_checked_timestamp_seconds"), "the source was asked then")
	last(false)
	require.True(t, math.IsNaN(named(scope, "flow_lag_seconds")["contacts"]), "a flow that is stopped")
}
