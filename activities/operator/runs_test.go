package operator_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// What ran is listed newest first; a run tells what it was asked, what it left
// behind, and whether it can be undone.
func TestRunsAreListedAndShown(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 30)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.Load()
	load := s.LastRun()
	s.Window = activities.Window{IDs: keys[:2], Since: time.Time{}}
	s.Pass(activities.KindBackfill, activities.PhaseIDs)
	some := s.LastRun()
	_, err := s.Env.ExecuteActivity("LogOperation", activities.LogInput{Operations: []activities.Operation{{ID: "1", At: time.Now(), By: "ada", What: activities.OpBackfill, Run: some}}})
	require.NoError(t, err)

	list := activitytest.Call[activities.RunListResult](s, s.Operator.ListRuns, activities.RunListInput{Table: "contacts"})
	require.Len(t, list.Runs, 2)
	require.Equal(t, []string{some, load}, []string{list.Runs[0].Run, list.Runs[1].Run})
	require.Equal(t, activities.Counts{Read: 2, Unchanged: 2}, list.Runs[0].Counts)
	list = activitytest.Call[activities.RunListResult](s, s.Operator.ListRuns, activities.RunListInput{States: []string{"FAILED"}})
	require.NotNil(t, list.Runs)
	require.Empty(t, list.Runs)
	_, err = s.Env.ExecuteActivity("ListRuns", activities.RunListInput{Limit: -1})
	require.ErrorContains(t, err, "limit: got -1, want 1 to 1000")

	show := activitytest.Call[activities.ShowRunResult](s, s.Operator.ShowRun, activities.ShowRunInput{Run: some})
	require.True(t, show.Found)
	require.Equal(t, keys[:2], show.Window.IDs)
	require.Equal(t, "ada", show.Asked[0].By)
	require.Empty(t, show.NoRollback)

	show = activitytest.Call[activities.ShowRunResult](s, s.Operator.ShowRun, activities.ShowRunInput{Run: load})
	require.Nil(t, show.Window)
	require.EqualValues(t, 30, show.Rollback.Created)
	require.Equal(t, show.Info.Ended.Add(14*24*time.Hour), show.Until)
	require.Empty(t, show.UndoneBy)
	s.Window = activities.Window{}
	s.Rollback(load)
	show = activitytest.Call[activities.ShowRunResult](s, s.Operator.ShowRun, activities.ShowRunInput{Run: load})
	require.Equal(t, s.LastRollback(load), show.UndoneBy)
	show = activitytest.Call[activities.ShowRunResult](s, s.Operator.ShowRun, activities.ShowRunInput{Run: show.UndoneBy})
	require.Contains(t, show.NoRollback, "only runs that write what Dynamics says can be rolled back")

	show = activitytest.Call[activities.ShowRunResult](s, s.Operator.ShowRun, activities.ShowRunInput{Run: "contacts-99"})
	require.False(t, show.Found)
}

// A pass of changes that was put together with others of its hour is found by its name, and
// cannot be undone.
func TestAPassThatWasPutTogetherIsFound(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	for i := range 4 {
		id := fmt.Sprintf("contacts-20260102T03040%d.000Z", i)
		_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: id, Flow: activities.FlowIngress, Table: "contacts", Kind: ledger.RunKind(activities.KindDelta), Started: time.Now().Add(time.Duration(i) * time.Millisecond)})
		require.NoError(t, err)
		require.NoError(t, s.Ledger.SetRunState(t.Context(), id, ledger.RunCompleted, ""))
	}
	scope := tally.NewTestScope("", nil)
	day, rests := 24*time.Hour, 0
	pruner := &run.Pruner{Ledger: s.Ledger, Metrics: scope, Logger: slog.New(slog.DiscardHandler), Rest: func(context.Context, time.Duration) { rests++ },
		Retention: run.Retention{BeforeImages: 14 * day, Passes: 14 * day, Runs: 365 * day}}
	require.NoError(t, pruner.Prune(t.Context(), time.Now().Add(15*day)))
	require.EqualValues(t, 3, scope.Snapshot().Counters()["rows_pruned+kind=passes"].Value(), "the last run of a table stays")
	require.Positive(t, rests, "flows have the ledger between two steps")

	list := activitytest.Call[activities.RunListResult](s, s.Operator.ListRuns, activities.RunListInput{Table: "contacts"})
	require.Len(t, list.Runs, 2)
	require.Equal(t, "contacts-20260102T03", list.Runs[1].Run)
	require.EqualValues(t, 3, list.Runs[1].Passes)
	require.Equal(t, "runs of that hour, put together: 3", list.Runs[1].Reason)
	show := activitytest.Call[activities.ShowRunResult](s, s.Operator.ShowRun, activities.ShowRunInput{Run: "contacts-20260102T030401.000Z"})
	require.True(t, show.Found)
	require.Equal(t, list.Runs[1], show.Info)
	require.Contains(t, show.NoRollback, "cannot be rolled back any more")
}
