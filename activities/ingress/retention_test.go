package ingress_test

import (
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

// imagesOf is how many before-images of a run the ledger has.
func imagesOf(t *testing.T, s *activitytest.World, run string) int {
	t.Helper()
	images, err := s.Ledger.BeforeImages(t.Context(), run, s.Table.Name, "", 0)
	require.NoError(t, err)
	return len(images)
}

// What a contact held before its deletion is forgotten with it, and the deletion can still
// be undone.
func TestADeletedContactKeepsWhatARollbackNeeds(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.Edit(keys[0], map[string]any{"lastname": "Quibblethorn"})
	s.Edit(keys[1], map[string]any{"lastname": "Brougham"})
	s.Delta()
	edited := s.LastRun()
	require.Equal(t, 2, imagesOf(t, s, edited))
	before := s.Profiles()

	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[0]))
	require.Equal(t, int64(1), s.Delta().Deleted)
	deleted := s.LastRun()
	require.Equal(t, 1, imagesOf(t, s, edited), "that of the contact which is still there")
	require.Equal(t, 1, imagesOf(t, s, deleted))
	s.Rollback(deleted)
	require.Equal(t, before, s.Profiles())
}

// What was kept long enough goes, but for what a rollback at work needs. What went is counted.
func TestWhatWasKeptLongEnoughIsForgotten(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Load()
	s.Edit(s.Sandboxes.Dynamics.Keys("contacts")[0], map[string]any{"lastname": "Quibblethorn"})
	s.Delta()
	edited := s.LastRun()
	_, err := s.Ledger.Log(t.Context(), ledger.Operation{ID: "1", At: time.Now(), What: "start"})
	require.NoError(t, err)
	_, err = s.Ledger.AskSecond(t.Context(), ledger.AccessRequest{ID: "ask-1", Until: time.Now().Add(11 * 24 * time.Hour)})
	require.NoError(t, err)
	_, err = s.Ledger.AskSecond(t.Context(), ledger.AccessRequest{ID: "ask-2", What: "another", Until: time.Now().Add(13 * 24 * time.Hour)})
	require.NoError(t, err)
	undo := activities.RollbackPrefix(edited) + "9"
	_, err = s.Ledger.BeginRun(t.Context(), ledger.Run{ID: undo, Flow: activities.FlowRollback, Table: s.Table.Name, Kind: ledger.RunKind(activities.KindRollback)})
	require.NoError(t, err)

	scope := tally.NewTestScope("", nil)
	day := 24 * time.Hour
	pruner := &run.Pruner{Ledger: s.Ledger, Metrics: scope, Logger: slog.New(slog.DiscardHandler), Retention: run.Retention{
		BeforeImages: 14 * day, ClosedQuarantine: day, Returned: day, Audits: day, Events: day, Evidence: day, Runs: day, Operations: 60 * day}}
	pruned := func(kind string) int64 {
		counter := scope.Snapshot().Counters()["rows_pruned+kind="+kind]
		require.NotNil(t, counter, kind)
		return counter.Value()
	}
	require.NoError(t, pruner.Prune(t.Context(), time.Now().Add(13*day)))
	require.Zero(t, pruned("before_images"), "the run can still be rolled back")
	require.EqualValues(t, 1, pruned("requests"), "the other has not expired for a day")
	require.NoError(t, pruner.Prune(t.Context(), time.Now().Add(30*day)))
	require.Equal(t, 1, imagesOf(t, s, edited), "the rollback at work needs it")
	require.Zero(t, pruned("before_images"))

	require.NoError(t, s.Ledger.SetRunState(t.Context(), undo, ledger.RunFailed, ""))
	require.NoError(t, pruner.Prune(t.Context(), time.Now().Add(30*day)))
	require.Zero(t, imagesOf(t, s, edited))
	require.EqualValues(t, 1, pruned("before_images"))
	require.Zero(t, pruned("operations"))
	require.NoError(t, pruner.Prune(t.Context(), time.Now().Add(61*day)))
	require.EqualValues(t, 1, pruned("operations"))
	_, err = s.Ledger.Run(t.Context(), edited)
	require.NoError(t, err, "the last run of a table stays")
}
