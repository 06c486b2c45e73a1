package ingress_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// A ledger that lacks a run that was opened is an older one, however the run ended, and so is
// one that holds less of it than the flow has seen.
func TestALedgerThatLacksAnOpenedRunIsAnOlderOne(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 4)
	s.Preflight()
	ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	look := func(known activities.RunKnown) error {
		defer forget(s)
		of := s.Ref(activities.KindBackfill)
		_, err := s.Env.ExecuteActivity(s.Ingress.OpenRun, activities.OpenRunInput{RunRef: of, Known: &activities.LedgerKnown{Opened: &known}})
		return err
	}
	for _, state := range []string{"RUNNING", "FAILED", "STOPPED", "CANCELLED", "COMPLETED"} {
		err := look(activities.RunKnown{Run: "contacts-77", State: state})
		require.ErrorContains(t, err, "the ledger lacks what run contacts-77 did", state)
		require.ErrorContains(t, err, activities.FailureLedgerRestored)
	}
	for state, older := range map[string]bool{"RUNNING": false, "FAILED": false, "STOPPED": true, "CANCELLED": true, "COMPLETED": true} {
		err := look(activities.RunKnown{Run: ref.Run, State: state})
		require.Equal(t, older, err != nil, "the flow saw it %s, and the ledger has it as RUNNING: %v", state, err)
	}
	require.ErrorContains(t, look(activities.RunKnown{Run: ref.Run, State: "RUNNING", Settled: 1}), activities.FailureLedgerRestored)
}

// forget has the ledger count as not restored again.
func forget(s *activitytest.World) {
	s.T.Helper()
	require.NoError(s.T, s.Ledger.SaveFact(s.T.Context(), "restored/ingress/contacts", ""))
}

// A run is neither saved nor stopped in a ledger that lacks a lane of it: what the lane wrote
// would be written again.
func TestARunOfWhichTheLedgerLostALaneIsNotSaved(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Preflight()
	ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	_, err := s.Env.ExecuteActivity(s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref, Pages: 1, Settled: 1})
	require.ErrorContains(t, err, "LedgerLost")
	require.ErrorContains(t, err, "1 records were settled, and the ledger knows of 0")
	_, err = s.Env.ExecuteActivity(s.Ingress.EndRun, activities.EndRunInput{RunRef: ref, State: "STOPPED", Settled: 1})
	require.ErrorContains(t, err, "LedgerLost")
}

// A rollback does not begin in a ledger that lacks what its run did: it would undo less.
func TestARollbackDoesNotBeginInAnOlderLedger(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Load()
	undone := s.LastRun()
	ref := activities.RunRef{Run: activities.RollbackPrefix(undone) + "1", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindRollback, Undoes: undone}
	_, err := s.Env.ExecuteActivity(s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref, Known: &activities.LedgerKnown{Opened: &activities.RunKnown{Run: undone, State: "COMPLETED", Settled: 4}}})
	require.ErrorContains(t, err, activities.FailureLedgerRestored)
	require.NotNil(t, s.Sandboxes.Campaign.Profile(s.Sandboxes.Dynamics.Keys("contacts")[0]))
	forget(s)
	_, err = s.Env.ExecuteActivity(s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref, Known: &activities.LedgerKnown{Opened: &activities.RunKnown{Run: undone, State: "COMPLETED", Settled: 3}}})
	require.NoError(t, err)
}

// The ledger keeps the mark of a flow's last start. A flow that knows of a later one runs in
// an older ledger. One that knows of an earlier one, with other settings, was restored with
// Temporal, and would bring an old mapping back.
func TestTheMarkOfAStartTellsWhichIsOlder(t *testing.T) {
	t.Parallel()
	const first, second, other = "2026-11-30T10:00:00.000Z a", "2026-11-30T11:00:00.000Z a", "2026-11-30T12:00:00.000Z b"
	s := activitytest.NewWorld(t, 3)
	s.Load()
	begin := func(start, after string) error {
		_, err := s.Env.ExecuteActivity(s.Ingress.Preflight, activities.PreflightInput{Table: s.Table, StartMark: activities.StartMark{Start: start, After: after}})
		return err
	}
	look := func(start string) error {
		defer forget(s)
		_, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: s.Ref(activities.KindDelta), Page: 1, Phase: activities.PhaseDelta, Lanes: 4, Known: &activities.LedgerKnown{Start: start}})
		return err
	}
	require.ErrorContains(t, look(first), "the ledger lacks the last start of the flow: it was restored from a backup")
	require.NoError(t, begin(first, ""))
	require.NoError(t, look(first))
	require.NoError(t, begin(second, first), "it starts again by itself")
	require.NoError(t, begin(second, first), "another attempt at it")
	require.NoError(t, look(first), "the settings are the same")
	require.NoError(t, begin(other, ""), "an operator starts it")
	for _, err := range []error{look(second), begin("2026-11-30T13:00:00.000Z a", second)} {
		require.ErrorContains(t, err, activities.FailureTemporalRestored)
		require.ErrorContains(t, err, "Temporal was restored from a backup; start it with those on file: causeway start contacts")
		require.ErrorContains(t, err, "retryable: false")
	}
	require.NoError(t, look(other))
}
