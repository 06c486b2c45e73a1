package ingress_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// What runs is compared with what is on file by what the ledger keeps of each start.
func TestWhatRunsIsComparedWithWhatIsOnFile(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	compare := func(table activities.Table, revision string) activities.CompareMappingResult {
		return activitytest.Call[activities.CompareMappingResult](s, s.Ingress.CompareMapping, activities.CompareMappingInput{Table: table, Revision: revision})
	}
	runs := s.Table.Revision()
	require.False(t, compare(s.Table, runs).Known, "never started")
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	same := compare(s.Table, runs)
	require.True(t, same.Known)
	require.Empty(t, same.Differences)

	edited := s.Table
	edited.Fields = slices.Clone(s.Table.Fields)
	edited.Fields[0].ApplyUpdates = new(bool)
	edited.ApplyDeletes = !edited.ApplyDeletes
	got := compare(edited, runs)
	require.Equal(t, edited.Revision(), got.Revision)
	require.Len(t, got.Differences, 2)
	require.Contains(t, got.Differences[1].Sentence, ": apply updates is now off")
}
