package ingress_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/kit"
)

// More deletes than a run may make unasked wait for an operator; everything else
// of the run goes on.
func TestTooManyDeletesWaitForApproval(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 300)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[:150] { // two pages of changes
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	s.Edit(keys[200], map[string]any{"address1_city": "Nebelheim"})
	calls := s.EngineCalls()
	out := s.Pass(activities.KindDelta, activities.PhaseDelta)
	require.Equal(t, activities.Counts{Read: 151, Updated: 1, Parked: 150}, out.Counts)
	require.Len(t, out.Approvals, 1)
	require.Equal(t, int64(150), out.Approvals[0].Deletes)
	require.Equal(t, calls+1, s.EngineCalls(), "stopped before the first delete")
	require.Equal(t, int64(300), s.Sandboxes.Campaign.Count("profile"))

	// What happens meanwhile changes nothing about what waits.
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[299]))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, s.Delta())
	checked := activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	require.Equal(t, out.Approvals, checked.Approvals, "nor does a restart")

	approved := activitytest.Call[activities.ApproveResult](s, s.Ingress.ApproveDeletes, activities.ApproveInput{Table: "contacts", Run: out.Approvals[0].Run})
	require.Equal(t, activities.ApproveResult{Approved: 150}, approved)
	require.Equal(t, activities.Counts{Read: 150, Deleted: 150}, s.Delta())
	require.Empty(t, s.Differences())
	require.Equal(t, calls+1+1+150, s.EngineCalls())
}

// A filter that would empty Campaign is a mistake until somebody says otherwise.
func TestAFilterThatWouldDeleteTooMuchWaits(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	s.Load()
	s.Table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "lastname", Is: "equals", Value: "Nobody"}}}
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	out := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(250), out.Approvals[0].Deletes)
	require.Equal(t, int64(250), s.Sandboxes.Campaign.Count("profile"))

	// The mistake is undone: what waited lives on.
	s.Table.Filter = mapping.Filter{}
	checked := activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	require.True(t, checked.NeedsBaseline)
	again := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(250), again.Counts.Unchanged)
	require.Empty(t, again.Approvals)
	require.Empty(t, s.Differences())
}

// A sweep that finds nearly everything gone does not believe it.
func TestASweepThatFindsTooMuchGoneWaits(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	s.Load()
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts")[:180] {
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	out := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(180), out.Approvals[0].Deletes)
	require.Equal(t, int64(250), s.Sandboxes.Campaign.Count("profile"))
}

// R14.2: a mapping that no longer applies deletes lets go of those that wait, once.
func TestDeletesThatWaitAreLetGoWhenTheyAreNotAppliedAnyMore(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 150)
	s.Load()
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts")[:120] {
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	out := s.Pass(activities.KindDelta, activities.PhaseDelta)
	require.Equal(t, int64(120), out.Approvals[0].Deletes)

	s.Table.ApplyDeletes = false
	require.False(t, s.Preflight().NeedsBaseline)
	activitytest.Call[activities.ApproveResult](s, s.Ingress.ApproveDeletes, activities.ApproveInput{Table: "contacts", Run: out.Approvals[0].Run})
	require.Equal(t, activities.Counts{Read: 120, Filtered: 120}, s.Delta())
	require.Equal(t, int64(150), s.Sandboxes.Campaign.Count("profile"))
	require.Zero(t, s.Delta(), "and not with every pass")
}

// deleteSome deletes contacts in Dynamics, and carries that out as one run.
func deleteSome(t *testing.T, s *activitytest.World, keys []string) activities.SaveWatermarkResult {
	t.Helper()
	for _, key := range keys {
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	return s.Pass(activities.KindDelta, activities.PhaseDelta)
}

// Many small runs delete no more unasked than one large run may.
func TestManySmallDeletesAreAskedAbout(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 300)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for n := range 2 {
		out := deleteSome(t, s, keys[n*45:(n+1)*45])
		require.EqualValues(t, 45, out.Counts.Deleted)
	}
	out := deleteSome(t, s, keys[90:135])
	require.EqualValues(t, 45, out.Counts.Parked)
	require.Equal(t, []activities.Approval{{Run: out.Approvals[0].Run, Deletes: 45, Before: 90}}, out.Approvals)
	require.EqualValues(t, 210, s.Sandboxes.Campaign.Count("profile"))

	// Whoever approves has seen what went before: counting begins anew.
	approved := activitytest.Call[activities.ApproveResult](s, s.Ingress.ApproveDeletes, activities.ApproveInput{Table: "contacts", Run: out.Approvals[0].Run})
	require.Equal(t, activities.ApproveResult{Approved: 45}, approved)
	require.EqualValues(t, 45, s.Delta().Deleted)
	out = deleteSome(t, s, keys[135:225])
	require.EqualValues(t, 90, out.Counts.Deleted)
	require.Empty(t, out.Approvals)
	require.Empty(t, s.Differences())
}

// Deletes that a run held back until they were counted, and then let go, count as well.
func TestDeletesThatWereHeldBackAndLetGoAreCounted(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 300)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[100:] { // a first page without deletes, so that those of the second are not the only ones
		s.Edit(key, map[string]any{"address1_city": "Nebelheim"})
	}
	out := deleteSome(t, s, keys[:80])
	require.Empty(t, out.Approvals)
	s.Delta()
	require.EqualValues(t, 220, s.Sandboxes.Campaign.Count("profile"))
	out = deleteSome(t, s, keys[80:110])
	require.Equal(t, []activities.Approval{{Run: out.Approvals[0].Run, Deletes: 30, Before: 80}}, out.Approvals)
}

// What an operator rejects stays in Campaign, until its next change or a new baseline.
func TestRejectedDeletesAreKept(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	run := deleteSome(t, s, keys[:150]).Approvals[0].Run
	list := activitytest.Call[activities.DeleteListResult](s, s.Operator.ListDeletes, activities.DeleteListInput{Table: "contacts", Run: run, Limit: 2})
	require.EqualValues(t, 150, list.Total)
	require.Len(t, list.Deletes, 2)
	require.Equal(t, activities.WaitingDelete{Table: "contacts", ID: keys[0], Run: run, Why: activities.DeleteGone, Since: list.Deletes[0].Since}, list.Deletes[0])

	rejected := activitytest.Call[activities.RejectResult](s, s.Ingress.RejectDeletes, activities.ApproveInput{Table: "contacts", Run: run})
	require.Equal(t, activities.RejectResult{Rejected: 150}, rejected)
	require.Zero(t, activitytest.Call[activities.RejectResult](s, s.Ingress.RejectDeletes, activities.ApproveInput{Table: "contacts", Run: run}), "rejected once")
	require.Zero(t, activitytest.Call[activities.DeleteListResult](s, s.Operator.ListDeletes, activities.DeleteListInput{}).Total)
	require.Zero(t, s.Delta(), "nothing of them goes on")
	require.EqualValues(t, 250, s.Sandboxes.Campaign.Count("profile"))
	told := activitytest.Call[activities.ExplainResult](s, s.Ingress.Explain, activities.ExplainInput{Table: s.Table, ID: keys[0]})
	require.Contains(t, told.Meaning, "an operator rejected that")

	// A new baseline finds them gone once more, and asks once more.
	out := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Len(t, out.Approvals, 1)
	require.EqualValues(t, 150, out.Approvals[0].Deletes)
	require.EqualValues(t, 250, s.Sandboxes.Campaign.Count("profile"))
}

// A record whose delete was rejected goes on as before once it matches the filter again.
func TestARejectedRecordThatMatchesAgainGoesOn(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 130)
	s.Table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "address1_city", Is: "not_equals", Value: "Nebelheim"}}}
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")[:110]
	for _, key := range keys {
		s.Edit(key, map[string]any{"address1_city": "Nebelheim"})
	}
	run := s.Pass(activities.KindDelta, activities.PhaseDelta).Approvals[0].Run
	list := activitytest.Call[activities.DeleteListResult](s, s.Operator.ListDeletes, activities.DeleteListInput{Limit: 1})
	require.Equal(t, activities.DeleteFiltered, list.Deletes[0].Why)
	activitytest.Call[activities.RejectResult](s, s.Ingress.RejectDeletes, activities.ApproveInput{Table: "contacts", Run: run})

	told := s.Explain(keys[2])
	require.Equal(t, "delete", told.Live.Decision)
	require.Contains(t, told.Live.Why, "; an operator rejected its delete, so Campaign keeps it until it changes in Dynamics")

	s.Edit(keys[0], map[string]any{"address1_city": "Hellheim"})
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Delta())
	s.Edit(keys[1], map[string]any{"firstname": "Ada"})
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, s.Delta(), "one that changes and still does not match is one delete")
	require.EqualValues(t, 129, s.Sandboxes.Campaign.Count("profile"))
}

// saysItHas makes Dynamics say how many records a table has.
func saysItHas(t *testing.T, s *activitytest.World, n int) {
	t.Helper()
	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "dataverse", Path: "RetrieveTotalRecordCount", Action: kit.Replace, Status: 200,
		Headers: map[string]string{"Content-Type": "application/json; odata.metadata=minimal", "OData-Version": "4.0"},
		Body:    fmt.Sprintf(`{"EntityRecordCountCollection":{"Count":1,"IsReadOnly":false,"Keys":["contact"],"Values":[%d]}}`, n)})
	require.NoError(t, err)
}

// A baseline that is shown far fewer records than Dynamics says there are does not
// believe that the others are gone, however few its deletes are.
func TestABaselineThatIsShownTooFewRecordsAsks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		min, says int
		want      *activities.ShortLoad
	}{
		"far fewer":      {1000, 1200, &activities.ShortLoad{Expected: 1200, Listed: 110}},
		"a small table":  {1000, 999, nil},
		"less than half": {100, 221, &activities.ShortLoad{Expected: 221, Listed: 110}},
		"half":           {100, 220, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := activitytest.NewWorld(t, 120)
			s.IngressOptions.ShortLoadMin = c.min
			s.Ingress = ingress.New(s.IngressOptions)
			s.Register()
			s.Load()
			for _, key := range s.Sandboxes.Dynamics.Keys("contacts")[:10] {
				require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
			}
			saysItHas(t, s, c.says)
			out := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
			if c.want == nil {
				require.EqualValues(t, 10, out.Counts.Deleted)
				return
			}
			require.Equal(t, []activities.Approval{{Run: out.Approvals[0].Run, Deletes: 10, Short: c.want}}, out.Approvals)
			require.EqualValues(t, 120, s.Sandboxes.Campaign.Count("profile"))
			require.Zero(t, s.Delta().Deleted, "they wait, and nothing but an operator lets them go")
			activitytest.Call[activities.ApproveResult](s, s.Ingress.ApproveDeletes, activities.ApproveInput{Table: "contacts", Run: out.Approvals[0].Run})
			require.EqualValues(t, 10, s.Delta().Deleted)
		})
	}
}
