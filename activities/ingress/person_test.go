package ingress_test

import (
	"crypto/rand"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/ledger"
)

func whatHappened(r activities.ShowPersonResult) (out []string) {
	for _, h := range r.History {
		out = append(out, h.What)
	}
	return out
}

func showPerson(s *activitytest.World, id string) activities.ShowPersonResult {
	s.T.Helper()
	return activitytest.Call[activities.ShowPersonResult](s, s.Ingress.ShowPerson, activities.ShowPersonInput{Table: s.Table, ID: id, By: "ada"})
}

// Both systems are shown side by side, and what happened is told, without a value.
func TestAPersonInBothSystems(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	s.Load()
	id := s.Sandboxes.Dynamics.Keys("contacts")[0]
	require.Equal(t, []string{activities.HappenedCreated}, whatHappened(showPerson(s, id)))
	s.Edit(id, map[string]any{"lastname": "Quillfeather"})
	s.Delta()
	s.EditProfile(id, `{"firstName":"Zoralda"}`)
	s.Edit(id, map[string]any{"emailaddress1": "not an address"})
	s.Delta()

	got := showPerson(s, id)
	require.Equal(t, []string{activities.HappenedRefused, activities.HappenedWritten, activities.HappenedCreated}, whatHappened(got))
	require.Equal(t, "email", got.History[0].Field)
	require.True(t, got.Record.Live.InDynamics && got.Record.Live.InCampaign)
	fields := map[string]activities.SideField{}
	for _, f := range got.Fields {
		fields[f.To] = f
	}
	require.Equal(t, activities.SideField{From: "lastname", To: "lastName", InDynamics: "text of 12", InCampaign: "text of 12", Compared: true}, fields["lastName"])
	require.Equal(t, "text of 7", fields["firstName"].InCampaign)
	require.True(t, fields["firstName"].Differs)
	require.True(t, fields["email"].Differs)
	doc, err := json.Marshal(got)
	require.NoError(t, err)
	for _, value := range []string{"Quillfeather", "Zoralda", "not an address"} {
		require.NotContains(t, string(doc), value)
	}

	// Revealed: sealed to who asks, after the log has it.
	public, private, err := box.GenerateKey(rand.Reader)
	require.NoError(t, err)
	in := activities.ShowPersonInput{Table: s.Table, ID: id, By: "ada", RevealTo: public[:], Reason: "ticket 4711"}
	got = activitytest.Call[activities.ShowPersonResult](s, s.Ingress.ShowPerson, in)
	doc, err = json.Marshal(got)
	require.NoError(t, err)
	require.NotContains(t, string(doc), "Quillfeather")
	values, err := activities.RevealPerson(got.Sealed, public, private)
	require.NoError(t, err)
	require.Len(t, values, len(got.Fields))
	for n, f := range got.Fields {
		if f.To == "firstName" {
			require.JSONEq(t, `"Zoralda"`, string(values[n].InCampaign))
			require.NotEqual(t, string(values[n].InCampaign), string(values[n].InDynamics))
		}
	}
	log, err := s.Ledger.Operations(t.Context(), ledger.OperationFilter{What: activities.OpReveal})
	require.NoError(t, err)
	require.Len(t, log, 1)
	require.Equal(t, "ticket 4711", log[0].Reason)
	require.Contains(t, log[0].Detail, id)
	require.NotContains(t, log[0].Detail, "Quill")

	options := s.IngressOptions
	options.HideValues = true
	hiding := ingress.New(options)
	s.Env = activitytest.NewEnv()
	hiding.Register(s.Env)
	_, err = s.Env.ExecuteActivity(hiding.ShowPerson, in)
	require.ErrorContains(t, err, "quarantine.reveal is off")
}

func TestAPersonWhoIsGone(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	s.Load()
	id := s.Sandboxes.Dynamics.Keys("contacts")[0]
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", id))
	s.Delta()
	got := showPerson(s, id)
	require.Equal(t, activities.HappenedDeleted, got.History[0].What)
	require.False(t, got.Record.Live.InDynamics || got.Record.Live.InCampaign)
	for _, f := range got.Fields {
		require.Equal(t, "nothing", f.InDynamics)
		require.False(t, f.Compared)
	}
}
