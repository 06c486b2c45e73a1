package optout_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/ledger"
	rules "causeway.dev/internal/optout"
)

// After the ledger was restored, what its backup knew of choices is not trusted: an opt-out
// on either side wins, and one that was cleared on both since does not come back.
func TestAfterARestoreOnlyWhatBothSystemsHoldCounts(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 3, rules.Bidirectional, rules.SourceSFTP)
	chosen, cleared := s.keys[0], s.keys[1]
	s.startOptOut()
	carry := func(name string, out bool) {
		for _, id := range []string{chosen, cleared} {
			s.inCampaign(id, "blackListEmail", out)
		}
		s.export(name, exportHeader+s.exportRow(chosen)+s.exportRow(cleared))
		s.settle()
		require.Equal(t, [2]bool{out, out}, s.both(cleared))
	}
	carry("optout_20260301_020000.csv", true)
	backup := filepath.Join(t.TempDir(), "backup.db")
	s.backUp(backup)
	carry("optout_20260302_020000.csv", false)
	s.inDynamics(chosen, "donotbulkemail", true) // nobody carries it before the restore
	s.restore(backup)

	ref := s.ref
	ref.Run, ref.Kind = "optout-look", activities.KindDelta
	_, err := s.Env.ExecuteActivity(s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4, Known: &activities.LedgerKnown{Run: "optout-lost"}})
	require.ErrorContains(t, err, "LedgerRestored")
	ref.Run, ref.Kind = "optout-begun", activities.KindInitial
	_, err = s.Env.ExecuteActivity(s.opt.OpenOptOutRun, activities.OpenRunInput{RunRef: ref, Known: &activities.LedgerKnown{Run: "optout-lost", Comparing: true}})
	require.ErrorContains(t, err, "LedgerRestored", "a look at everybody does not begin in it")
	saved := s.optRun(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, "COMPLETED", saved.State)
	require.Equal(t, [2]bool{true, true}, s.both(chosen), "the opt-out wins")
	require.Equal(t, [2]bool{false, false}, s.both(cleared), "it was cleared")

	// From then on choices have an age again.
	carry("optout_20260303_020000.csv", false)
	require.Equal(t, [2]bool{false, false}, s.both(chosen))
}

// A start closes the runs that the ledger has as running and whose workflow is gone, and
// begins anew when an operator has said that the ledger was restored.
func TestAStartClosesLostRunsOfOptOuts(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 2, rules.Bidirectional, rules.SourceSFTP)
	s.startOptOut()
	for id, kind := range map[string]activities.Kind{"optout-lost": activities.KindDelta, "optout-load": activities.KindInitial} {
		_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: id, Flow: activities.FlowOptOut, Table: activities.FlowOptOut, Kind: ledger.RunKind(kind), Revision: s.ref.Revision})
		require.NoError(t, err)
	}
	begin := func() activities.PreflightOptOutResult {
		return activitytest.Call[activities.PreflightOptOutResult](s.World, s.opt.PreflightOptOut, activities.PreflightOptOutInput{Settings: s.settings})
	}
	begun := begin()
	require.False(t, begun.NeedsBaseline, "it goes on from the watermark")
	require.Empty(t, begun.Restored)
	for _, id := range []string{"optout-lost", "optout-load"} {
		lost, err := s.Ledger.Run(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, ledger.RunFailed, lost.State, id)
	}

	activitytest.Call[activities.MarkRestoredResult](s.World, s.Operator.MarkRestored, activities.MarkRestoredInput{OptOut: true})
	begun = begin()
	require.True(t, begun.NeedsBaseline)
	require.Equal(t, "an operator says that the ledger was restored", begun.Restored)
}
