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
)

// Why a record was refused and what would be sent now, in general terms; values
// only sealed to whoever asks.
func TestShowQuarantined(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 4)
	s.Table = refusing(s.Table)
	s.Load()
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(key, map[string]any{"salutation": longName, "lastname": "Quibblethorn"})
	s.Delta()

	public, private, err := box.GenerateKey(rand.Reader)
	require.NoError(t, err)
	field := func(r activities.ShowQuarantinedResult, to string) (activities.ShownField, int) {
		for i, f := range r.Fields {
			if f.To == to {
				return f, i
			}
		}
		require.Fail(t, "no field", to)
		return activities.ShownField{}, 0
	}
	refused := s.ShowQuarantined(key, public[:])
	require.Equal(t, "salutation -> salutation", refused.Rule)
	require.Equal(t, "TooLong", refused.Record.Code)
	require.True(t, refused.Held)
	require.False(t, refused.Record.NextTry.IsZero())
	require.Equal(t, "refuse", refused.Live.Decision)
	f, i := field(refused, "salutation")
	require.Equal(t, activities.ShownField{From: "salutation", To: "salutation", InDynamics: "text of 39", InCampaign: "text of 2"}, f)
	text, err := json.Marshal(refused)
	require.NoError(t, err)
	for _, value := range []string{longName, "Quibblethorn"} {
		require.NotContains(t, string(text), value, "no value in what Temporal keeps")
	}
	values, err := activities.Reveal(refused.Sealed, public, private)
	require.NoError(t, err)
	require.JSONEq(t, `"`+longName+`"`, string(values[i].InDynamics))
	require.JSONEq(t, `"Dr"`, string(values[i].InCampaign))
	stranger, other, err := box.GenerateKey(rand.Reader)
	require.NoError(t, err)
	_, err = activities.Reveal(refused.Sealed, stranger, other)
	require.ErrorContains(t, err, "not sealed to this key")
	require.Empty(t, s.ShowQuarantined(key, nil).Sealed)
	log := activitytest.Call[activities.OperationsResult](s, s.Operator.ListOperations, activities.OperationsInput{What: activities.OpReveal})
	require.Len(t, log.Operations, 1, "showing without values is no reveal")
	require.Equal(t, "ada", log.Operations[0].By)
	require.Equal(t, "contacts", log.Operations[0].Table)
	require.Contains(t, log.Operations[0].Detail, key)

	// Mended in Dynamics since: the newest version is what counts.
	s.Edit(key, map[string]any{"salutation": "Dr"})
	now := s.ShowQuarantined(key, nil)
	require.Equal(t, "update", now.Live.Decision)
	require.NotEqual(t, now.Record.Version, now.Live.Version)
	f, _ = field(now, "lastName")
	require.Equal(t, "text of 12", f.WouldSend)
	f, _ = field(now, "salutation")
	require.Empty(t, f.WouldSend, "Campaign has it")

	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	gone := s.ShowQuarantined(key, nil)
	require.Equal(t, "delete", gone.Live.Decision)
	f, _ = field(gone, "lastName")
	require.Equal(t, "nothing", f.InDynamics)

	s.IngressOptions.HideValues = true
	_, err = ingress.New(s.IngressOptions).ShowQuarantined(t.Context(), activities.ShowQuarantinedInput{Table: "contacts", ID: key, RevealTo: public[:]})
	require.ErrorContains(t, err, "quarantine.reveal is off")
	_, err = s.Env.ExecuteActivity(s.Ingress.ShowQuarantined, activities.ShowQuarantinedInput{Table: "contacts", ID: s.Sandboxes.Dynamics.Keys("contacts")[0]})
	require.ErrorContains(t, err, "was never refused; causeway explain contacts")
	_, err = s.Env.ExecuteActivity(s.Ingress.ShowQuarantined, activities.ShowQuarantinedInput{Table: "contacts", ID: key, RevealTo: []byte("short")})
	require.ErrorContains(t, err, "got 5 bytes, want an X25519 public key of 32")
}
