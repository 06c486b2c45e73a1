package ingress_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/ledger"
)

// A new baseline that was stopped goes on at the next start, as an initial load
// does, although the delta link that it replaces is still there.
func TestAStoppedNewBaselineGoesOn(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	s.Load()
	ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	require.NoError(t, s.Ingress.EndRun(t.Context(), activities.EndRunInput{RunRef: ref, State: string(ledger.RunStopped)}))

	checked := s.Preflight()
	require.True(t, checked.NeedsBaseline)
	require.Equal(t, ref.Run, checked.UnfinishedRun)

	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	checked = s.Preflight()
	require.False(t, checked.NeedsBaseline, "a younger one is complete")
	require.Empty(t, checked.UnfinishedRun)
}

// A run whose workflow was terminated together with its owner is closed by the next
// start, with what it had staged; a load goes on.
func TestAStartClosesRunsThatLostTheirWorkflow(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	s.Preflight()
	load, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	require.Equal(t, load.Run, s.Preflight().UnfinishedRun)
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)

	scan, _ := s.StageFirstPage(activities.KindBackfill, activities.PhaseScan)
	undo := activities.RunRef{Run: "rollback-1", Table: "contacts", Kind: activities.KindRollback, Undoes: s.LastRun(), Revision: s.Table.Revision()}
	_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: undo.Run, Flow: activities.FlowRollback, Table: undo.Table, Kind: ledger.RunKind(undo.Kind)})
	require.NoError(t, err)
	require.Empty(t, s.Preflight().UnfinishedRun)
	for id, state := range map[string]ledger.RunState{load.Run: ledger.RunCancelled, scan.Run: ledger.RunFailed, undo.Run: ledger.RunFailed} {
		run, err := s.Ledger.Run(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, state, run.State, id)
		require.NotEmpty(t, run.Error)
		at, err := s.Ledger.Resume(t.Context(), id)
		require.NoError(t, err)
		require.Nil(t, at.LastPage, id)
	}
}
