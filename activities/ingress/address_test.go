package ingress_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// moveLinks has the ledger hold the position of a table under an earlier address of the
// organisation.
func moveLinks(s *activitytest.World, flow, table string) {
	s.T.Helper()
	mark, err := s.Ledger.Watermark(s.T.Context(), flow, table)
	require.NoError(s.T, err)
	mark.Link = strings.Replace(mark.Link, s.Sandboxes.DynamicsURL, "https://earlier.crm4.example.test", 1)
	require.Contains(s.T, mark.Link, "earlier")
	require.NoError(s.T, s.Ledger.SaveWatermark(s.T.Context(), *mark))
}

// A position under an earlier address calls for a new baseline, which costs no call for
// what is as it was.
func TestAnOrganisationMayChangeItsAddress(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 120)
	s.Preflight()
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	moveLinks(s, activities.FlowIngress, "contacts")
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))

	_, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: activities.RunRef{Run: "contacts-9", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindDelta}, Page: 1, Phase: activities.PhaseDelta, Lanes: 4})
	require.ErrorContains(t, err, "LinkExpired")
	require.ErrorContains(t, err, "the position was kept under another address")
	calls := s.EngineCalls()
	again := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, "COMPLETED", again.State)
	require.Equal(t, int64(1), again.Counts.Deleted)
	require.Equal(t, calls+1, s.EngineCalls())
	require.Empty(t, s.Differences())
}

// Another organisation under the address is a mistake: all records would count as deleted.
func TestAnotherOrganisationIsRefused(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 10)
	s.Preflight()
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.NoError(t, s.Ledger.SaveFact(t.Context(), "organization", "the-one-before"))
	_, err := s.Env.ExecuteActivity(s.Ingress.OpenRun, activities.OpenRunInput{RunRef: activities.RunRef{Run: "contacts-9", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindInitial}})
	require.ErrorContains(t, err, "and the ledger has the records of organisation the-one-before; correct it")
}
