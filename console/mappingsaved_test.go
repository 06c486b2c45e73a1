package console_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/mapping"
	"causeway.dev/workflows"
)

// proposes is a worker that proposes a mapping of vehicles.
func (w *world) proposes() {
	w.acme.On("Run "+activities.ListModels, activities.ListModelsResult{At: noon,
		Tables: []activities.ModelName{{Name: "contact", Tracked: true}, {Name: "new_vehicle", Label: "Vehicle", Tracked: true}}, Resources: []activities.ModelName{{Name: "profile"}, {Name: "cusVehicle"}}})
	proposal := &mapping.Proposal{Key: "guessed by its name", Pairs: []mapping.ProposedField{{Doubts: []string{"the names are only alike"}}}}
	proposal.Table = mapping.Table{Name: "vehicles", Dynamics: mapping.SourceTable{Table: "new_vehicle"}, Campaign: mapping.TargetTable{API: mapping.DefaultAPI, Resource: "cusVehicle", Key: "vin"}, Fields: []mapping.Field{{From: "emailaddress1", To: "email"}}}
	w.acme.On("Run "+activities.ProposeMapping, activities.ProposeResult{Proposal: proposal, YAML: "vehicles:\n  dynamics: { table: new_vehicle }\n"})
}

func TestAMappingIsAdded(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/addmapping/edit"
	w := editor(t)
	w.proposes()
	p := w.get("/i/acme/addmapping?table=new_vehicle&resource=cusVehicle")
	require.Contains(t, p.body, `action="/i/acme/addmapping/edit"`)
	before := w.text()
	p = w.post(at, url.Values{"do": {"begin"}, "table": {"new_vehicle"}, "resource": {"cusVehicle"}})
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{"A new mapping", `name="key"`, `value="vin"`, "guessed by its name", "the names are only alike", "is new"} {
		require.Contains(t, p.body, want)
	}
	require.Contains(t, w.sends(at, draftForm(t, p.body), "check").body, "the names are only alike", "a doubt goes along")

	// Names that there cannot be, and tables that are mapped, are refused.
	for field, value := range map[string]string{"name": "../../etc/vehicles", "table": "contact", "resource": "profile", "key": ""} {
		bad := w.sends(at, draftForm(t, p.body), "save", field, value)
		require.Equal(t, http.StatusUnprocessableEntity, bad.status, field)
		require.Contains(t, bad.body, "problem", field)
	}
	require.Equal(t, http.StatusUnprocessableEntity, w.sends(at, draftForm(t, p.body), "save", "name", "").status)
	require.Equal(t, before, w.text())

	p = w.sends(at, draftForm(t, p.body), "save", "reason", "vehicles, too")
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Contains(t, p.header.Get("Location"), "/i/acme/mappings/vehicles?saved=")
	require.Contains(t, w.text(), "new_vehicle")
	p = w.get(p.header.Get("Location"))
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, `action="/i/acme/flows/vehicles/start"`)

	// It can be started at once, by the console that saved it.
	w.acme.On("Start acme/ingress/vehicles", workflows.Status{State: workflows.StateRunning})
	require.Equal(t, http.StatusSeeOther, w.post("/i/acme/flows/vehicles/start", nil).status)
	require.Equal(t, "cusVehicle", w.acme.Requests["Start acme/ingress/vehicles"][0].(workflows.StartRequest).Table.Campaign.Resource)
	require.NotContains(t, w.get("/i/acme/addmapping").body, `<option value="new_vehicle">`)
}

func TestAMappingIsRemoved(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/mappings/contacts/remove"
	w := editor(t)
	p := w.get(at)
	require.Contains(t, p.body, "all records in Campaign that were written by it")
	p = w.post(at, url.Values{"reason": {"no more"}})
	require.Equal(t, http.StatusBadRequest, p.status)
	require.Contains(t, p.body, "stop it first")
	require.Contains(t, w.text(), "emailaddress1")
	w.runs(func(st *workflows.Status) { st.State = workflows.StateStopped })
	p = w.post(at, url.Values{"reason": {"no more"}})
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.NotContains(t, w.text(), "emailaddress1")
	require.Equal(t, http.StatusNotFound, w.get("/i/acme/mappings/contacts").status)
	require.Contains(t, w.get(p.header.Get("Location")).body, "What it wrote stays in Campaign")
}

// saves is a ledger with two saves, the second of which took the filter away.
func (w *world) saves() (before, after string) {
	before = w.text()
	after = configuration("acme", "      fields: [{from: emailaddress1, to: email}]\n")
	w.acme.On("Run "+activities.ListSaves, activities.ListSavesResult{Saves: []activities.ConfigSave{
		{ID: "a", At: noon.Add(-2 * 3600e9), By: "grace", Verified: true, Reason: "names were refused", Paths: []string{"mappings/other.yaml"}, Differences: []activities.MappingDifference{{Path: "ingress.tables.other.fields[0].to", Sentence: "Mapping other: it is another"}}},
		{ID: "b", At: noon.Add(-3600e9), By: "ada", Reason: "ticket 4711", Paths: []string{"causeway.yaml"}, Differences: []activities.MappingDifference{{Path: "ingress.tables.contacts.filter.where[1]", Sentence: "Mapping contacts: Filter: the condition lastname is not Pumpkin is gone"}, {Path: "ingress.lanes", Sentence: "ingress.lanes is now 4; it was 8"}}},
	}})
	w.acme.On("Run "+activities.ShowSave, activities.ShowSaveResult{Found: true, Files: []activities.SavedFile{{Path: filepath.Base(w.file), Main: true, Before: []byte(before), After: []byte(after)}}})
	return before, after
}

func TestTheHistoryIsShownAndRestored(t *testing.T) {
	t.Parallel()
	w := editor(t)
	before, after := w.saves()
	p := w.get("/i/acme/history")
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{"grace", "signed in", "not verified", "ticket 4711", "Pumpkin is gone", "?file=mappings%2Fother.yaml", `href="/i/acme/history/b/restore"`} {
		require.Contains(t, p.body, want)
	}
	p = w.get("/i/acme/mappings/contacts/history")
	require.Contains(t, p.body, "Pumpkin is gone")
	require.Contains(t, p.body, "and 1 difference of something else")
	require.NotContains(t, p.body, "names were refused")
	require.NotContains(t, w.get("/i/acme/history?file=mappings/other.yaml").body, "ticket 4711")

	p = w.get("/i/acme/history/b/restore", "HX-Request", "true")
	require.Contains(t, p.body, "the condition lastname not equals &#34;Pumpkin&#34; is gone")
	require.Equal(t, before, w.text())
	p = w.post("/i/acme/history/b/restore", url.Values{"reason": {"once more"}})
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Equal(t, after, w.text())
	require.Equal(t, "once more", w.acme.Requests["Later "+activities.RecordSave][0].(activities.RecordSaveInput).Reason)
	require.Contains(t, w.get(p.header.Get("Location")).body, "It was restored, as a new save")
	require.Contains(t, w.post("/i/acme/history/b/restore", nil).body, "That is what is on file")
	require.Equal(t, http.StatusSeeOther, w.post("/i/acme/history/b/undo", nil).status)
	require.Equal(t, before, w.text())

	require.NoError(t, os.Chmod(w.file, 0o400))
	require.Contains(t, w.post("/i/acme/history/b/restore", nil).body, "The console cannot write this file")

	viewer := newWorld(t, as(access.Viewer), withFile, withMapping)
	viewer.signIn()
	viewer.saves()
	p = viewer.get("/i/acme/history")
	require.NotContains(t, p.body, "Pumpkin")
	require.NotContains(t, p.body, "/restore")
	require.Equal(t, http.StatusForbidden, viewer.post("/i/acme/history/b/restore", nil).status)
}
