package ingress_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/apierr"
	"causeway.dev/sandbox/kit"
)

// waitForChanges is one look of a flow that waits.
func waitForChanges(s *activitytest.World, plan string) (activities.FetchResult, error) {
	s.T.Helper()
	ref := activities.RunRef{Run: "contacts-x", Table: "contacts", Revision: s.Table.Revision(), Plan: plan, Kind: activities.KindDelta}
	value, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4,
		Wait: activities.Duration(time.Millisecond), Poll: activities.Duration(time.Second)})
	var out activities.FetchResult
	if err == nil {
		require.NoError(s.T, value.Get(&out))
	}
	return out, err
}

// changing is a desk of which the models are looked at in every wait.
func changing(t *testing.T, every time.Duration) (*activitytest.World, *desk, string) {
	s, d := newDesk(t, 5)
	s.IngressOptions.CheckModelsEvery = every
	s.Ingress = ingress.New(s.IngressOptions)
	s.Env = activitytest.NewEnv()
	s.Register()
	s.Load()
	return s, d, s.Preflight().Plan
}

// R11.14: a change of the data models that does no harm is told while the flow runs, and
// not only at its next start. The flow goes on.
func TestAHarmlessChangeOfTheModelsIsToldWhileTheFlowRuns(t *testing.T) {
	t.Parallel()
	s, d, plan := changing(t, time.Nanosecond)
	gauge := func() float64 {
		return s.Scope.Snapshot().Gauges()["causeway.model_changes+flow=contacts"].Value()
	}
	out, err := waitForChanges(s, plan)
	require.NoError(t, err)
	require.Equal(t, &activities.ModelChanges{}, out.Models)
	require.Zero(t, gauge())

	d.hidden = map[int]bool{3: true}
	out, err = waitForChanges(s, plan)
	require.NoError(t, err)
	require.True(t, out.Nothing)
	require.Equal(t, []string{`familystatuscode -> salutation: the choice has a new option 4, "Widowed"`}, out.Models.Changes)
	require.EqualValues(t, 1, gauge())

	// A worker that did not look shows the same.
	scope, another := tally.NewTestScope("", nil), s.IngressOptions
	another.Metrics = scope
	other := ingress.New(another)
	shown := func() float64 {
		require.NoError(t, other.RefreshGauges(t.Context(), "contacts"))
		return activitytest.Gauges(scope)["model_changes"]
	}
	require.EqualValues(t, 1, shown())

	// What is known ends no wait: changes are read.
	s.Edit(s.Sandboxes.Dynamics.Keys("contacts")[0], map[string]any{"address1_city": "Nebelheim"})
	out, err = waitForChanges(s, plan)
	require.NoError(t, err)
	require.Equal(t, 1, out.Read)

	// The next start takes it up.
	s.Preflight()
	require.Zero(t, gauge())
	require.Zero(t, shown())
}

// Between two looks the models are not read, and a start counts as a look.
func TestTheModelsAreLookedAtOnceInAWhile(t *testing.T) {
	t.Parallel()
	s, d, plan := changing(t, 24*time.Hour)
	reads := d.reads.Load()
	for range 3 {
		out, err := waitForChanges(s, plan)
		require.NoError(t, err)
		require.Nil(t, out.Models)
	}
	require.Equal(t, reads, d.reads.Load())

	// A worker that was started since does not know when the last look was.
	s.Ingress = ingress.New(s.IngressOptions)
	s.Env = activitytest.NewEnv()
	s.Register()
	for range 3 {
		_, err := waitForChanges(s, plan)
		require.NoError(t, err)
	}
	require.Equal(t, reads+1, d.reads.Load())
}

// R8.18: a change with which the mapping does not fit any more fails the flow with the
// name of the field, before a record meets it; nothing is set aside.
func TestAChangeThatBreaksTheMappingFailsTheFlowBeforeARecordMeetsIt(t *testing.T) {
	t.Parallel()
	s, d, plan := changing(t, time.Nanosecond)
	d.deleted = "address1_city"
	_, err := waitForChanges(s, plan)
	fail, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok, "%v", err)
	require.True(t, fail.NonRetryable())
	require.Equal(t, apierr.ReasonSchema, fail.Type(), "the flow tries again by itself")
	require.ErrorContains(t, err, "the data models changed while it ran: the mapping does not fit: ingress.tables.contacts.fields[4].from")
	require.ErrorContains(t, err, "address1_city")

	d.deleted = "" // it was mended
	require.False(t, s.Preflight().NeedsBaseline)
	_, err = waitForChanges(s, plan)
	require.NoError(t, err)
}

// Metadata that cannot be read, or may not be, fails no flow: what it has to do shows
// what is the matter.
func TestModelsThatCannotBeReadFailNothing(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]kit.Rule{
		"a fault":   {Status: 503, Body: "{}"},
		"forbidden": {Status: 403, Body: `{"error":{"code":"0x80040220","message":"no"}}`},
		"a page":    {Status: 404, Body: "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, plan := changing(t, time.Nanosecond)
			answer.Service, answer.Action, answer.Path = "dataverse", kit.Respond, "EntityDefinitions"
			_, err := s.Sandboxes.Faults.Add(answer)
			require.NoError(t, err)
			out, err := waitForChanges(s, plan)
			require.NoError(t, err)
			require.Nil(t, out.Models)
		})
	}
}
