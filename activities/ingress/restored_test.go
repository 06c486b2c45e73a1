package ingress_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
)

// A ledger that is not the one that the flow knew is told apart, and deletes wait until an
// audit has looked.
func TestDeletesWaitAfterTheLedgerWasRestored(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 30)
	s.Load()
	look := func(known *activities.LedgerKnown) (*activities.FetchResult, error) {
		ref := activities.RunRef{Run: "contacts-9", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindDelta}
		value, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4, Known: known})
		if err != nil {
			return nil, err
		}
		var out activities.FetchResult
		require.NoError(t, value.Get(&out))
		return &out, nil
	}
	first, err := look(nil)
	require.NoError(t, err)
	require.NotEmpty(t, first.Ledger)
	same, err := look(&activities.LedgerKnown{Ledger: first.Ledger, Run: s.LastRun()})
	require.NoError(t, err)
	require.Equal(t, first.Ledger, same.Ledger)
	_, err = look(&activities.LedgerKnown{Ledger: "another", Run: s.LastRun()})
	require.ErrorContains(t, err, "it was replaced")
	_, err = look(&activities.LedgerKnown{Ledger: first.Ledger, Run: "contacts-77"})
	require.ErrorContains(t, err, "LedgerRestored")
	require.ErrorContains(t, err, "the ledger lacks what run contacts-77 did: it was restored from a backup")
	_, err = look(&activities.LedgerKnown{Ledger: first.Ledger, Run: "contacts-77", Latest: s.LastRun()})
	require.ErrorContains(t, err, "the ledger lacks what run contacts-77 did", "a run that came after does not make up for it")
	_, err = look(&activities.LedgerKnown{Ledger: first.Ledger, Run: s.LastRun(), Latest: "contacts-78"})
	require.ErrorContains(t, err, "the ledger lacks what run contacts-78 did")

	keys := s.Sandboxes.Dynamics.Keys("contacts")
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[0]))
	baseline := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(1), baseline.Counts.Parked)
	require.NotNil(t, s.Sandboxes.Campaign.Profile(keys[0]))
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[1]))
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, s.Delta())

	_, err = s.Env.ExecuteActivity(s.Ingress.ApplyFindings, activities.ApplyFindingsInput{Table: "contacts", Run: "lost"})
	require.ErrorContains(t, err, "LedgerLost", "the ledger was restored since that audit")
	s.Audit("audit")
	s.ApplyFindings("audit")
	require.Equal(t, activities.Counts{Read: 2, Deleted: 2}, s.Delta())
	require.Empty(t, s.Differences())
}

// A run that the ledger does not know is not waited for.
func TestALaneThatTheLedgerLostIsFinal(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Load()
	ref := activities.RunRef{Run: "contacts-77", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindDelta}
	_, err := s.Env.ExecuteActivity(s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.ErrorContains(t, err, "LedgerLost")
	_, err = s.Env.ExecuteActivity(s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
	require.ErrorContains(t, err, "LedgerLost")
	require.ErrorContains(t, err, "retryable: false")
}

// What an operator says of a restored ledger reaches a flow that runs, and one that does not
// know because Temporal was lost too. Loads that are open are as old as the backup.
func TestAnOperatorSaysThatTheLedgerWasRestored(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Load()
	open, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	said := activitytest.Call[activities.MarkRestoredResult](s, s.Operator.MarkRestored, activities.MarkRestoredInput{Tables: []string{"contacts"}, Egress: true, OptOut: true, By: "ada"})
	require.Equal(t, []string{"contacts", "egress", "optout"}, said.Flows)

	const why = "ada says that the ledger was restored"
	look := activities.FetchInput{RunRef: s.Ref(activities.KindDelta), Page: 1, Phase: activities.PhaseDelta, Lanes: 4, Known: &activities.LedgerKnown{}}
	_, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, look)
	require.ErrorContains(t, err, "LedgerRestored")
	require.ErrorContains(t, err, why)
	look.Known.Comparing = true
	activitytest.Call[activities.FetchResult](s, s.Ingress.FetchPage, look)

	begun := s.Preflight()
	require.Equal(t, why, begun.Restored)
	require.True(t, begun.NeedsBaseline)
	require.Empty(t, begun.UnfinishedRun)
	lost, err := s.Ledger.Run(t.Context(), open.Run)
	require.NoError(t, err)
	require.EqualValues(t, "CANCELLED", lost.State)
	comparing := activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table, Comparing: true})
	require.Empty(t, comparing.Restored, "it is told once")

	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", s.Sandboxes.Dynamics.Keys("contacts")[0]))
	require.Equal(t, int64(1), s.Delta().Parked, "deletes wait")
}

// A page of a run that the ledger does not hold is final too, also the first one.
func TestAPageOfARunThatTheLedgerLostIsFinal(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Load()
	ref := activities.RunRef{Run: "contacts-77", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindInitial}
	_, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseBaseline, Lanes: 4})
	require.ErrorContains(t, err, "LedgerLost")
	require.ErrorContains(t, err, "retryable: false")
	_, err = s.Env.ExecuteActivity(s.Ingress.EndAudit, activities.AuditInput{Run: "audit-77", Table: s.Table})
	require.ErrorContains(t, err, "LedgerLost")
}

// A load or a backfill does not begin in an older ledger: its own run would then be the
// last that the flow knows, and hide what was lost.
func TestARunDoesNotBeginInAnOlderLedger(t *testing.T) {
	t.Parallel()
	for _, kind := range []activities.Kind{activities.KindInitial, activities.KindBackfill, activities.KindRelease} {
		s := activitytest.NewWorld(t, 3)
		s.Load()
		open := func(known activities.LedgerKnown) error {
			_, err := s.Env.ExecuteActivity(s.Ingress.OpenRun, activities.OpenRunInput{RunRef: s.Ref(kind), Known: &known})
			return err
		}
		require.NoError(t, open(activities.LedgerKnown{}), "%s", kind)
		err := open(activities.LedgerKnown{Comparing: true, Marked: true})
		require.ErrorContains(t, err, "it was restored again", "%s", kind)
		require.NoError(t, open(activities.LedgerKnown{Comparing: true, Marked: true}), "it holds now that it was restored")
		err = open(activities.LedgerKnown{Run: "contacts-77", Comparing: true})
		require.ErrorContains(t, err, "LedgerRestored", "%s", kind)
		require.ErrorContains(t, err, "the ledger lacks what run contacts-77 did")
		require.ErrorContains(t, err, "retryable: false")
	}
}

// A run whose pages the ledger lost is not completed: nobody would know what it wrote.
func TestARunOfWhichTheLedgerLostPagesIsNotSaved(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Load()
	ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	_, err := s.Env.ExecuteActivity(s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref, Pages: 2})
	require.ErrorContains(t, err, "LedgerLost")
	require.ErrorContains(t, err, "page 2 is not in the ledger")
	held, err := s.Ledger.Run(t.Context(), ref.Run)
	require.NoError(t, err)
	require.EqualValues(t, "RUNNING", held.State)
	saved := activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref, Pages: 1})
	require.NotEmpty(t, saved.Unfinished, "the page that is there is still to be written")
}

// The next audit closes one that a restored ledger has as running.
func TestAnAuditThatNobodyDrivesIsClosedByTheNext(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Load()
	for _, id := range []string{"audit-1", "audit-2"} {
		activitytest.Call[activities.OpenAuditResult](s, s.Ingress.OpenAudit, activities.AuditInput{Run: id, Table: s.Table})
	}
	for id, state := range map[string]string{"audit-1": "FAILED", "audit-2": "RUNNING"} {
		run, err := s.Ledger.Run(t.Context(), id)
		require.NoError(t, err)
		require.EqualValues(t, state, run.State)
	}
}

// A rollback whose run and settings the ledger lost ends; it is not tried for ever.
func TestARollbackThatTheLedgerLostIsFinal(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Load()
	ref := activities.RunRef{Run: activities.RollbackPrefix("contacts-77") + "1", Table: "contacts", Revision: "000000000000", Kind: activities.KindRollback, Undoes: "contacts-77"}
	_, err := s.Env.ExecuteActivity(s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.ErrorContains(t, err, "LedgerLost")
	require.ErrorContains(t, err, "retryable: false")
}

// A run is not stopped or cancelled as if all was well where the ledger is older than it.
func TestARunOfWhichTheLedgerLostPagesDoesNotEndWell(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Load()
	ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	unknown := ref
	unknown.Run = "contacts-77"
	end := func(of activities.RunRef, state string, pages int) error {
		_, err := s.Env.ExecuteActivity(s.Ingress.EndRun, activities.EndRunInput{RunRef: of, State: state, Pages: pages})
		return err
	}
	require.ErrorContains(t, end(ref, "STOPPED", 2), "LedgerLost")
	require.ErrorContains(t, end(unknown, "CANCELLED", 1), "LedgerLost")
	require.NoError(t, end(unknown, "CANCELLED", 0), "it never began")
	require.NoError(t, end(unknown, "FAILED", 1), "its own failure says why")
	require.NoError(t, end(ref, "STOPPED", 1))
}
