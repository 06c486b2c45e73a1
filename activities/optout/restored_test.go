package optout_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
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
	saved := s.optRun(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, "COMPLETED", saved.State)
	require.Equal(t, [2]bool{true, true}, s.both(chosen), "the opt-out wins")
	require.Equal(t, [2]bool{false, false}, s.both(cleared), "it was cleared")

	// From then on choices have an age again.
	carry("optout_20260303_020000.csv", false)
	require.Equal(t, [2]bool{false, false}, s.both(chosen))
}
