package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/mapping"
)

// More deletes than a run may make unasked wait for an operator; everything else
// of the run goes on.
func TestTooManyDeletesWaitForApproval(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 300)
	s.load()
	keys := s.boxes.Dynamics.Keys("contacts")
	for _, key := range keys[:150] { // two pages of changes
		require.True(t, s.boxes.Dynamics.Delete("contacts", key))
	}
	s.edit(keys[200], map[string]any{"address1_city": "Nebelheim"})
	calls := s.engineCalls()
	out := s.pass(activities.KindDelta, activities.PhaseDelta)
	require.Equal(t, activities.Counts{Read: 151, Updated: 1, Parked: 150}, out.Counts)
	require.Len(t, out.Approvals, 1)
	require.Equal(t, int64(150), out.Approvals[0].Deletes)
	require.Equal(t, calls+1, s.engineCalls(), "stopped before the first delete")
	require.Equal(t, int64(300), s.boxes.Campaign.Count("profile"))

	// What happens meanwhile changes nothing about what waits.
	require.True(t, s.boxes.Dynamics.Delete("contacts", keys[299]))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, s.delta())
	checked := call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	require.Equal(t, out.Approvals, checked.Approvals, "nor does a restart")

	approved := call[activities.ApproveResult](s, s.in.ApproveDeletes, activities.ApproveInput{Table: "contacts", Run: out.Approvals[0].Run})
	require.Equal(t, activities.ApproveResult{Approved: 150}, approved)
	require.Equal(t, activities.Counts{Read: 150, Deleted: 150}, s.delta())
	require.Empty(t, s.differences())
	require.Equal(t, calls+1+1+150, s.engineCalls())
}

// A filter that would empty Campaign is a mistake until somebody says otherwise.
func TestAFilterThatWouldDeleteTooMuchWaits(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 250)
	s.load()
	s.table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "lastname", Is: "equals", Value: "Nobody"}}}
	call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	out := s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(250), out.Approvals[0].Deletes)
	require.Equal(t, int64(250), s.boxes.Campaign.Count("profile"))

	// The mistake is undone: what waited lives on.
	s.table.Filter = mapping.Filter{}
	checked := call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	require.True(t, checked.NeedsBaseline)
	again := s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(250), again.Counts.Unchanged)
	require.Empty(t, again.Approvals)
	require.Empty(t, s.differences())
}

// A sweep that finds nearly everything gone does not believe it.
func TestASweepThatFindsTooMuchGoneWaits(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 250)
	s.load()
	for _, key := range s.boxes.Dynamics.Keys("contacts")[:180] {
		require.True(t, s.boxes.Dynamics.Delete("contacts", key))
	}
	out := s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(180), out.Approvals[0].Deletes)
	require.Equal(t, int64(250), s.boxes.Campaign.Count("profile"))
}

// R14.2: a mapping that no longer applies deletes lets go of those that wait, once.
func TestDeletesThatWaitAreLetGoWhenTheyAreNotAppliedAnyMore(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 150)
	s.load()
	for _, key := range s.boxes.Dynamics.Keys("contacts")[:120] {
		require.True(t, s.boxes.Dynamics.Delete("contacts", key))
	}
	out := s.pass(activities.KindDelta, activities.PhaseDelta)
	require.Equal(t, int64(120), out.Approvals[0].Deletes)

	s.table.ApplyDeletes = false
	require.False(t, s.start().NeedsBaseline)
	call[activities.ApproveResult](s, s.in.ApproveDeletes, activities.ApproveInput{Table: "contacts", Run: out.Approvals[0].Run})
	require.Equal(t, activities.Counts{Read: 120, Filtered: 120}, s.delta())
	require.Equal(t, int64(150), s.boxes.Campaign.Count("profile"))
	require.Zero(t, s.delta(), "and not with every pass")
}
