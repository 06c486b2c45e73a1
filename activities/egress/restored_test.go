package egress_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/ledger"
	"causeway.dev/sandbox/eventlog"
)

// The flow of events tells a restored ledger, too. A start ends that, and the runs whose
// workflow is gone: an event that comes again is recognised.
func TestARestoredLedgerReadsEventsOn(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 5)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.begin()
	s.push(eventlog.Pushed{Kind: "send", ExternalID: contact})
	s.events(activities.KindDelta, activities.Window{})
	_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: "egress-lost", Flow: activities.FlowEgress, Table: activities.FlowEgress, Kind: "delta", Revision: s.checked.Revision})
	require.NoError(t, err)
	look := func(known activities.LedgerKnown) error {
		_, err := s.Env.ExecuteActivity(s.eg.FetchEvents, activities.FetchInput{RunRef: s.ref(activities.KindDelta), Page: 1, Phase: activities.PhaseEvents, Lanes: 4, Known: &known})
		return err
	}
	require.ErrorContains(t, look(activities.LedgerKnown{Run: "egress-99"}), "LedgerRestored")
	_, err = s.Env.ExecuteActivity(s.eg.OpenEventRun, activities.OpenRunInput{RunRef: s.ref(activities.KindBackfill), Known: &activities.LedgerKnown{Run: "egress-99"}})
	require.ErrorContains(t, err, "LedgerRestored", "a backfill does not begin in it")
	s.begin()
	lost, err := s.Ledger.Run(t.Context(), "egress-lost")
	require.NoError(t, err)
	require.Equal(t, ledger.RunFailed, lost.State)
	require.NoError(t, look(activities.LedgerKnown{}), "it is told once")

	activitytest.Call[activities.MarkRestoredResult](s.World, s.Operator.MarkRestored, activities.MarkRestoredInput{Egress: true})
	require.ErrorContains(t, look(activities.LedgerKnown{}), "an operator says that the ledger was restored")
	s.begin()
	s.push(eventlog.Pushed{Kind: "click", ExternalID: contact, URL: "https://shop.example.test/a"})
	s.events(activities.KindDelta, activities.Window{})
	require.EqualValues(t, 1, s.Sandboxes.Dynamics.Count("adobe_emailsends"))
	require.EqualValues(t, 1, s.Sandboxes.Dynamics.Count("adobe_emailurlclicks"))
}
