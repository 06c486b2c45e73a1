package dataverse_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/transport"
	sandbox "causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/kit"
)

type anyToken struct{}

func (anyToken) Valid(string) bool { return true }

// organisation is a client of the sandbox.
func organisation(t *testing.T, faults *kit.Faults) *dataverse.Client {
	t.Helper()
	server := sandbox.New(sandbox.Options{Clock: &kit.Clock{}, Faults: faults, Tokens: anyToken{}})
	var rec *recorder
	rec = record(t, func(w http.ResponseWriter, r *http.Request) {
		r.Body = body(rec.last().Body)
		server.ServeHTTP(w, r)
	})
	c, err := dataverse.New(dataverse.Options{OrgURL: rec.url, PageSize: 100, Transport: transport.New(transport.Options{Service: "dataverse", RootCAs: rec.pool, Tokens: &tokens{}})})
	require.NoError(t, err)
	return c
}

func TestTheLifeOfARow(t *testing.T) {
	t.Parallel()
	c := organisation(t, &kit.Faults{})
	made, err := c.Create(t.Context(), dataverse.Write{Row: contact(""), Body: []byte(`{"lastname":"Lovelace"}`)})
	require.NoError(t, err)
	first, err := c.Get(t.Context(), contacts, made.ID)
	require.NoError(t, err)
	require.Equal(t, made.ID, first.Key)

	row := contact(made.ID)
	changed, err := c.Update(t.Context(), dataverse.Write{Row: row, Body: []byte(`{"firstname":"Ada"}`), IfMatch: first.Version,
		Return: []string{"contactid", "firstname"}, KeyColumn: "contactid"})
	require.NoError(t, err)
	require.Equal(t, "Ada", gjson.GetBytes(changed.Raw, "firstname").String())
	require.False(t, changed.Created)
	require.NotEqual(t, first.Version, changed.Version)

	_, err = c.Update(t.Context(), dataverse.Write{Row: row, Body: []byte(`{"firstname":"A"}`), IfMatch: first.Version})
	require.Equal(t, apierr.ReasonConflict, apierr.ReasonOf(err))
	_, err = c.Upsert(t.Context(), dataverse.Write{Row: row, Body: []byte(`{"firstname":"A"}`), CreateOnly: true})
	require.Equal(t, apierr.ReasonExists, apierr.ReasonOf(err))
	require.Equal(t, apierr.ReasonConflict, apierr.ReasonOf(c.Delete(t.Context(), dataverse.Write{Row: row, IfMatch: first.Version})))

	require.NoError(t, c.Delete(t.Context(), dataverse.Write{Row: row, IfMatch: changed.Version}))
	_, err = c.Update(t.Context(), dataverse.Write{Row: row, Body: []byte(`{"firstname":"A"}`)})
	require.Equal(t, apierr.ReasonNotFound, apierr.ReasonOf(err), "an update never creates")
	require.Equal(t, apierr.ReasonNotFound, apierr.ReasonOf(c.Delete(t.Context(), dataverse.Write{Row: row})))
	again, err := c.Upsert(t.Context(), dataverse.Write{Row: row, Body: []byte(`{"lastname":"L"}`), CreateOnly: true})
	require.NoError(t, err)
	require.Equal(t, &dataverse.Result{ID: made.ID, Created: true}, again)
}

// A create that was committed but not answered is told apart by its own id.
func TestALostAnswerIsAmbiguousAndTheRepeatFindsTheRow(t *testing.T) {
	t.Parallel()
	faults := &kit.Faults{}
	c := organisation(t, faults)
	_, err := faults.Add(kit.Rule{Service: "dataverse", Method: http.MethodPatch, Action: kit.ResetAfter, Times: 1})
	require.NoError(t, err)
	w := dataverse.Write{Row: contact(ada), Body: []byte(`{"lastname":"L"}`), CreateOnly: true}
	_, err = c.Upsert(t.Context(), w)
	require.True(t, failure(t, err).Ambiguous)
	_, err = c.Upsert(t.Context(), w)
	require.Equal(t, apierr.ReasonExists, failure(t, err).Reason)
}

func TestTheSandboxDescribesContacts(t *testing.T) {
	t.Parallel()
	e, err := organisation(t, &kit.Faults{}).Entity(t.Context(), "contact")
	require.NoError(t, err)
	require.Equal(t, "contacts", e.EntitySetName)
	require.False(t, e.Attributes["contactid"].Updatable)
	require.NotEmpty(t, e.Attributes["statuscode"].StateOf)
	require.Equal(t, "Do Not Allow", e.Attributes["donotemail"].TrueLabel)
}
