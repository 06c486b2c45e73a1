package operator_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// What charts show adds up to what the runs did; calls come with the whole instance.
func TestSeriesOfAFlow(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 30)
	now := time.Now()
	in := activities.SeriesInput{Flow: activities.FlowIngress, Table: "contacts", From: now.Add(-time.Hour).Truncate(time.Hour), To: now.Add(time.Hour), Step: time.Minute}
	counts := func() (c activities.Counts) {
		for _, p := range activitytest.Call[activities.SeriesResult](s, s.Operator.Series, in).Points {
			c.Add(p.Counts)
		}
		return c
	}
	require.Zero(t, counts())
	s.Load()
	want := activities.Counts{Read: 30, Created: 30}
	require.Equal(t, want, counts())
	s.Rollback(s.LastRun())
	require.Equal(t, want, counts(), "a rollback is no record that was carried")
	in.Flow, in.Table = "", ""
	require.Equal(t, want, counts())
	in.Flow, in.Table = activities.FlowEgress, activities.FlowEgress
	require.Zero(t, counts())
}

func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 0)
	now := time.Now()
	for _, in := range []activities.SeriesInput{
		{From: now.Add(-time.Hour), To: now, Step: time.Second}, {From: now.Add(-time.Hour), To: now, Step: 90 * time.Second},
		{From: now, To: now, Step: time.Minute}, {From: now.Add(-30 * 24 * time.Hour), To: now, Step: time.Minute},
	} {
		_, err := s.Operator.Series(t.Context(), in)
		require.ErrorContains(t, err, "want")
	}
}
