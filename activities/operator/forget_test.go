package operator_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

func forgetting(s *activitytest.World, id string) activities.ForgetResult {
	s.T.Helper()
	return activitytest.Call[activities.ForgetResult](s, s.Operator.Forget, activities.ForgetInput{Table: s.Table, ID: id, By: "ada"})
}

func where(s *activitytest.World, id string) activities.TracesResult {
	s.T.Helper()
	return activitytest.Call[activities.TracesResult](s, s.Operator.FindTraces, activities.TracesInput{Table: s.Table, ID: id})
}

// A person who is still in one of the systems is not forgotten, because a run would write
// them again. Afterwards nothing is left but a hash, and a contact of the same address
// starts clean.
func TestAPersonIsForgotten(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 6)
	s.Load()
	id := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(id, map[string]any{"lastname": "Ravenscroft", "emailaddress1": "quill@example.org"})
	s.Delta()
	was := where(s, strings.ToUpper(id))
	require.True(t, was.InDynamics && was.InCampaign)
	require.Equal(t, []activities.Trace{{Where: "record", Rows: 1}, {Where: "before_image", Rows: 1}}, was.Ledger)
	in := activities.ForgetInput{Table: s.Table, ID: id, By: "ada"}
	_, err := s.Env.ExecuteActivity(s.Operator.Forget, in)
	require.ErrorContains(t, err, "Dynamics still has it, and the next run would write it again, and Campaign still has it")

	row := s.Sandboxes.Dynamics.Row("contacts", id)
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", id))
	_, err = s.Env.ExecuteActivity(s.Operator.Forget, in)
	require.ErrorContains(t, err, "is not forgotten: Campaign still has it")
	s.Delta()
	require.Equal(t, []activities.Trace{{Where: "record", Rows: 1}, {Where: "before_image", Rows: 1}}, where(s, id).Ledger)

	done := forgetting(s, id)
	require.True(t, done.Done)
	require.Empty(t, done.Left)
	require.Empty(t, where(s, id).Ledger)
	require.WithinDuration(t, time.Now(), where(s, id).Forgotten, time.Minute)
	log := activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{What: activities.OpForget})
	require.Len(t, log.Operations, 1)
	require.Equal(t, "erasure "+done.Erasure, log.Operations[0].Detail)
	require.Equal(t, "ada", log.Operations[0].By)
	require.NotContains(t, log.Operations[0].ID, id)

	// Another contact with the same address is a new one, and the same id is as well.
	s.Delta()
	same := map[string]any{"lastname": row["lastname"], "emailaddress1": row["emailaddress1"]}
	fresh := s.InsertRow("contacts", same)
	require.EqualValues(t, 1, s.Delta().Created)
	require.Equal(t, []activities.Trace{{Where: "record", Rows: 1}}, where(s, fresh).Ledger)
	same["contactid"] = id
	require.Equal(t, id, s.InsertRow("contacts", same))
	require.EqualValues(t, 1, s.Delta().Created)
	require.Empty(t, s.Differences())
}

// A rollback of a run finds nothing of somebody who was forgotten since, and brings nothing
// back of them.
func TestARollbackBringsNobodyBackWhoWasForgotten(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 6)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[0]))
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[1]))
	s.Delta()
	deletion := s.LastRun()
	require.True(t, forgetting(s, keys[0]).Done)
	s.Rollback(deletion)
	require.Nil(t, s.Sandboxes.Campaign.Profile(keys[0]))
	require.NotNil(t, s.Sandboxes.Campaign.Profile(keys[1]))
}

// workerForgets takes the step that a worker takes by itself.
func workerForgets(s *activitytest.World) {
	s.T.Helper()
	_, err := s.Ledger.ForgetStep(s.T.Context(), optout.Chosen, s.Ingress.StillThere)
	require.NoError(s.T, err)
}

// Somebody who came back while forgetting waited is not forgotten: both systems are asked
// again right before. Nor is one of whom they cannot be asked.
func TestForgettingAsksAgainAfterItWaited(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 6)
	s.Load()
	id := s.Sandboxes.Dynamics.Keys("contacts")[0]
	row := s.Sandboxes.Dynamics.Row("contacts", id)
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", id))
	s.Delta()
	_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: "audit-contacts-7", Flow: activities.FlowAudit, Table: "contacts", Kind: "audit", Started: time.Now().Add(-time.Minute)})
	require.NoError(t, err)
	require.False(t, forgetting(s, id).Done)
	require.NoError(t, s.Ledger.SetRunState(t.Context(), "audit-contacts-7", ledger.RunFailed, ""))

	s.InsertRow("contacts", map[string]any{"contactid": id, "lastname": row["lastname"]})
	s.InsertProfile(map[string]any{"externalId": id, "lastName": "Again"})
	workerForgets(s)
	require.NotEmpty(t, where(s, id).Ledger)
	require.Equal(t, "Dynamics, which has it again, and Campaign, which has it again", where(s, id).Waits)
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", id))
	workerForgets(s)
	require.Equal(t, "Campaign, which has it again", where(s, id).Waits)
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", id))

	_, err = s.Ledger.ForgetStep(t.Context(), optout.Chosen, func(context.Context, string, string) (string, error) { return "", errors.New("no answer") })
	require.NoError(t, err)
	require.Equal(t, "an answer of Dynamics and Campaign, whether one of them has it again", where(s, id).Waits)
	workerForgets(s)
	require.Empty(t, where(s, id).Ledger)
	require.NotZero(t, where(s, id).Forgotten)
}

// While a run holds the record it waits, says for whom, and needs no second request.
func TestForgettingWaitsForARun(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 6)
	s.Load()
	id := s.Sandboxes.Dynamics.Keys("contacts")[0]
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", id))
	s.Delta()
	_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: "audit-contacts-7", Flow: activities.FlowAudit, Table: "contacts", Kind: "audit", Started: time.Now().Add(-time.Minute)})
	require.NoError(t, err)
	got := forgetting(s, id)
	require.False(t, got.Done)
	require.Equal(t, "run audit-contacts-7, which is RUNNING", got.Waits)
	require.NotEmpty(t, where(s, id).Ledger)
	require.NotZero(t, where(s, id).Asked)
	meter := activitytest.Call[activities.MeterResult](s, s.Operator.Meter, activities.MeterInput{})
	require.EqualValues(t, 1, meter.Erasures.Waiting)
	require.Equal(t, got.Waits, meter.Erasures.Waits)

	require.NoError(t, s.Ledger.SetRunState(t.Context(), "audit-contacts-7", ledger.RunFailed, ""))
	workerForgets(s)
	require.Empty(t, where(s, id).Ledger)
	require.Len(t, activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{What: activities.OpForget}).Operations, 1)
}

// Somebody may restore a contact in Dynamics while its erasure waits. What is known of the
// restored one stays, or its next deletion would not reach Campaign. The old values go.
func TestAContactThatComesBackWhileItsErasureWaitsIsKnown(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 6)
	s.Load()
	id := s.Sandboxes.Dynamics.Keys("contacts")[0]
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", id))
	s.Delta()
	hold := func(run string) {
		_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: run, Flow: activities.FlowAudit, Table: "contacts", Kind: "audit", Started: time.Now().Add(-time.Minute)})
		require.NoError(t, err)
	}
	goOn := func(run string) {
		require.NoError(t, s.Ledger.SetRunState(t.Context(), run, ledger.RunFailed, ""))
		_, err := s.Ledger.ForgetStep(t.Context(), nil, nil)
		require.NoError(t, err)
	}
	hold("audit-contacts-7")
	require.False(t, forgetting(s, id).Done)
	s.InsertRow("contacts", map[string]any{"contactid": id, "lastname": "Back", "emailaddress1": "back@example.org"})
	require.EqualValues(t, 1, s.Delta().Created)
	goOn("audit-contacts-7")
	require.Zero(t, where(s, id).Asked)
	require.Equal(t, []activities.Trace{{Where: "record", Rows: 1}}, where(s, id).Ledger)

	// The same while a search of a ledger that was restored waits.
	require.NoError(t, s.Ledger.SearchErased(t.Context()))
	for more := true; more; {
		var err error
		more, err = s.Ledger.ForgetStep(t.Context(), nil, nil)
		require.NoError(t, err)
	}
	_, err := s.Ledger.ForgetStep(t.Context(), nil, nil)
	require.NoError(t, err)
	require.Equal(t, []activities.Trace{{Where: "record", Rows: 1}}, where(s, id).Ledger)

	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", id))
	require.EqualValues(t, 1, s.Delta().Deleted)
	require.Nil(t, s.Sandboxes.Campaign.Profile(id))
	require.True(t, forgetting(s, id).Done)
	require.Empty(t, where(s, id).Ledger)
}

// A file of erasures that cannot be used keeps the request waiting, and the answer says why.
func TestForgettingWaitsForTheFileOfErasures(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 6)
	s.Load()
	id := s.Sandboxes.Dynamics.Keys("contacts")[0]
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", id))
	s.Delta()
	is, err := s.Ledger.Erasures(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(is.File, 0o700))
	got := forgetting(s, id)
	require.False(t, got.Done)
	require.Contains(t, got.Waits, "ledger.erasures: "+is.File+" cannot be used, and nobody is forgotten before it can")
	require.NotContains(t, got.Waits, "ledger: ")
	require.NotEmpty(t, where(s, id).Ledger)

	require.NoError(t, os.Remove(is.File))
	require.True(t, forgetting(s, id).Done)
	require.Empty(t, where(s, id).Ledger)
}
