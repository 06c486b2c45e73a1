package console_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// describes is a worker that describes both systems, with one problem of the first field.
func (w *world) describes() { w.acme.On("Run "+activities.DescribeMapping, described()) }

func described() activities.DescribeMappingResult {
	return activities.DescribeMappingResult{
		TableLabel: "Contact", Key: "contactid", Tracked: true, At: noon,
		Columns: []activities.ModelColumn{{Name: "emailaddress1", Label: "E-mail", Type: "String", Kind: mapping.FromText, Length: 100, Takes: mapping.Takes(mapping.FromText), Comparisons: mapping.Comparisons(mapping.FromText)},
			{Name: "lastname", Type: "String", Kind: mapping.FromText, Length: 100, Takes: mapping.Takes(mapping.FromText), Comparisons: mapping.Comparisons(mapping.FromText)},
			{Name: "statecode", Type: "State", Kind: "choice", Options: []activities.ModelOption{{Value: "0", Label: "Active"}, {Value: "1", Label: "Inactive"}}, Takes: mapping.Takes("choice"), Comparisons: mapping.Comparisons("choice")},
			{Name: "gendercode", Type: "Picklist", Kind: "choice", Options: []activities.ModelOption{{Value: "1", Label: "Unknown"}}, Takes: mapping.Takes("choice")}},
		Fields: []activities.ModelField{{Name: "email", Type: "string", Kind: mapping.ToText, Length: 30}, {Name: "externalId", Type: "string", Kind: mapping.ToText, Length: 50},
			{Name: "lastName", Type: "string", Kind: mapping.ToText, Length: 30}, {Name: "birthDate", Type: "date", Kind: "date"}, {Name: "location.city", Type: "string", Kind: mapping.ToText, Length: 50}, {Name: "created", Type: "datetime", Kind: "datetime", ReadOnly: true}},
		Problems: []mapping.Problem{{Path: "ingress.tables.contacts.fields[0].to", Got: "an odd field", Want: "another", Remedy: "did you mean email?"}, {Path: "ingress.tables.contacts.dynamics.table", Got: "a table without change tracking", Want: "one with it"}},
	}
}

func TestTheMappingsAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, as(access.Viewer))
	w.describes()
	w.runs(func(st *workflows.Status) { st.Revision, st.FiledRevision = "aaaaaaaaaaaa", "bbbbbbbbbbbb" })
	w.signIn()
	require.Contains(t, w.get("/i/acme/").body, `href="/i/acme/mappings"`)
	p := w.get("/i/acme/mappings")
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{`href="/i/acme/mappings/contacts"`, "<code>contact</code>", "<code>profile</code>", "edits on file do not run yet", `hx-trigger="load"`, `href="/i/acme/flows/contacts"`} {
		require.Contains(t, p.body, want)
	}
	require.NotContains(t, p.body, "addmapping", "an operator adds mappings")
	require.NotContains(t, w.acme.Asked, "Run "+activities.DescribeMapping, "the list does not wait for both systems")

	p = w.get("/i/acme/mappings", "HX-Request", "true")
	require.Contains(t, p.body, "2 problems")
	require.NotContains(t, p.body, "<html")
	require.NotContains(t, p.body, `hx-trigger="load"`, "it does not ask for ever")
	w.acme.On("Run "+activities.DescribeMapping, operator.ErrNoWorker)
	require.Contains(t, w.get("/i/acme/mappings", "HX-Request", "true").body, "No worker answers.")
	w.acme.On("Run "+activities.DescribeMapping, activities.DescribeMappingResult{})
	require.Contains(t, w.get("/i/acme/mappings", "HX-Request", "true").body, "fits both systems")
}

func TestOneMapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, as(access.Viewer), withMapping)
	w.describes()
	w.runs(nil)
	w.signIn()
	p := w.get("/i/acme/mappings/contacts")
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.NotContains(t, p.body, "Pumpkin", "a text of a filter may name a person")
	require.Contains(t, p.body, "lastname is not (text of 7)")
	for _, want := range []string{
		"<code>contactid</code>", "<code>externalId</code>", `id="to-email"`, "text, up to 100", "text, up to 30", "E-mail", "too long: refused", "when created or replayed only", "1 replaced",
		`to: got an odd field, want another; did you mean email?`, "dynamics.table: got a table without change tracking", "2 problems",
		"<code>statecode is Active</code>", "when one of these holds", "Unknown", "What is deleted in Dynamics is deleted in Campaign.", "Choices are written as their labels.",
		"so it needs the role support", "so it needs the role operator",
	} {
		require.Contains(t, p.body, want)
	}
	require.NotContains(t, p.body, `action="/i/acme/mappings/contacts/try"`)
	require.Equal(t, http.StatusForbidden, w.post("/i/acme/mappings/contacts/try", url.Values{"q": {refusedID}}).status)
	require.Equal(t, http.StatusForbidden, w.get("/i/acme/mappings/contacts/try/"+refusedID).status)
	require.Equal(t, http.StatusForbidden, w.post("/i/acme/mappings/contacts/plan", url.Values{"sample": {"100"}}).status)
	require.Equal(t, http.StatusForbidden, w.get("/i/acme/addmapping").status)
	require.Equal(t, http.StatusNotFound, w.get("/i/acme/mappings/nothing").status)

	// What is saved and does not run yet is said in words.
	require.NotContains(t, p.body, `id="pending"`)
	w.runs(func(st *workflows.Status) { st.Revision, st.FiledRevision = "aaaaaaaaaaaa", "bbbbbbbbbbbb" })
	w.acme.On("Run "+activities.CompareMapping, activities.CompareMappingResult{Known: true, Differences: []activities.MappingDifference{{Sentence: "gendercode is written to gender"}}})
	p = w.get("/i/acme/mappings/contacts")
	require.Contains(t, p.body, "Saved edits are not running yet.")
	require.Contains(t, p.body, "<li>gendercode is written to gender</li>")

	w.get("/i/acme/mappings/contacts?fresh=yes")
	asked := w.acme.Requests["Run "+activities.DescribeMapping]
	require.True(t, asked[len(asked)-1].(activities.DescribeMappingInput).Fresh)
	require.False(t, asked[0].(activities.DescribeMappingInput).Fresh)

	// Without a worker the page says what is on file, and that the rest is not known.
	w.acme.On("Run "+activities.DescribeMapping, operator.ErrNoWorker)
	p = w.get("/i/acme/mappings/contacts")
	require.Equal(t, http.StatusOK, p.status)
	for _, want := range []string{"No worker answers", "are not known: nobody answered who could ask them", "<code>emailaddress1</code>", "<code>statecode is (text of 6)</code>"} {
		require.Contains(t, p.body, want)
	}
	require.NotContains(t, p.body, "fits both systems")
}

// withMapping gives the first instance a mapping with all that a page shows.
func withMapping(w *world) {
	w.mapping = `
      apply_deletes: true
      filter: {match: any, where: [{column: statecode, is: equals, value: Active}, {column: lastname, is: not_equals, value: Pumpkin}]}
      fields:
        - {from: emailaddress1, to: email}
        - {from: gendercode, to: gender, apply_updates: false, replace: {Unknown: other}}
`
}

// tries is a worker that tries a mapping.
func (w *world) tries() {
	w.acme.On("Run "+activities.TryMapping, func(request any) any {
		in := request.(activities.TryMappingInput)
		out := activities.TryMappingResult{ID: in.ID, At: noon, Live: activities.ExplainLive{InDynamics: true, InCampaign: true, Decision: "refuse", Why: "TooLong"},
			Fields: []activities.TriedField{
				{From: "contactid", To: "externalId", InDynamics: "text of 36", WouldSend: "text of 36", InCampaign: "text of 36"},
				{From: "emailaddress1", To: "email", InDynamics: "text of 34", InCampaign: "text of 9", Problem: "text of 34 characters, want at most 30"},
				{From: "lastname", To: "lastName", InDynamics: "text of 12", WouldSend: "text of 8", InCampaign: "text of 7", Changes: true, Notes: []string{"too long: cut to fit"}},
			}}
		if in.RevealTo != nil {
			doc, err := json.Marshal([]activities.TriedValues{{}, {}, {InDynamics: json.RawMessage(`"` + secretName + `"`)}})
			require.NoError(w.t, err)
			out.Sealed, err = box.SealAnonymous(nil, doc, (*[32]byte)(in.RevealTo), rand.Reader)
			require.NoError(w.t, err)
		}
		return out
	})
}

func TestAMappingIsTried(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/mappings/contacts"
	w := newWorld(t, as(access.Support))
	w.describes()
	w.tries()
	asked := w.finds(false, hit(1))
	w.signIn()
	require.Contains(t, w.get(at).body, "Id in Dynamics, or e-mail address")
	p := w.post(at+"/try", url.Values{"q": {" " + soughtAddress}})
	require.Equal(t, at+"/try/"+hit(1).ID, p.header.Get("Location"), p.body)
	require.Equal(t, soughtAddress, asked.Text)
	w.finds(true, hit(1), hit(2))
	p = w.post(at+"/try", url.Values{"q": {soughtAddress}})
	require.Contains(t, p.body, "Several records fit")
	require.Contains(t, p.body, at+"/try/"+hit(2).ID)
	require.NotContains(t, p.body, soughtAddress)
	require.Equal(t, http.StatusBadRequest, w.post(at+"/try", url.Values{"q": {"quill"}}).status)

	p = w.get(at + "/try/" + refusedID)
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{"A run would: refuse", "text of 34 characters, want at most 30", "cannot be written", "too long: cut to fit", "changes", `href="/i/acme/people/` + refusedID + `"`} {
		require.Contains(t, p.body, want)
	}
	require.NotContains(t, p.body, secretName)
	require.Contains(t, w.get(at+"/try/"+refusedID+"/reveal", "HX-Request", "true").body, "are written to the operations log")
	require.Equal(t, http.StatusBadRequest, w.post(at+"/try/"+refusedID+"/reveal", url.Values{"reason": {" "}}).status)
	p = w.post(at+"/try/"+refusedID+"/reveal", url.Values{"reason": {"ticket 4711"}})
	require.Contains(t, p.body, secretName)
	require.Equal(t, "no-store", p.header.Get("Cache-Control"))
	requests := w.acme.Requests["Run "+activities.TryMapping]
	last := requests[len(requests)-1].(activities.TryMappingInput)
	require.Equal(t, "ticket 4711", last.Reason)
	require.Equal(t, "ada", last.By)
	require.Equal(t, "contact", last.Table.Dynamics.Table)
	require.NotContains(t, w.get(at+"/try/"+refusedID).body, secretName, "each look is hidden again")
}

func TestWhatAMappingWouldDo(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/mappings/contacts"
	w := newWorld(t, as(access.Operator))
	w.acme.On("Run "+activities.Plan, activities.PlanResult{Run: "replay", Sampled: true, Counts: activities.Counts{Read: 100, Updated: 60, Unchanged: 39, Quarantined: 1}, EngineCalls: 1234, NeedApproval: true,
		Fields: []activities.PlanCount{{What: "lastName", Records: 60}}, Refusals: []activities.PlanCount{{What: "TooLong: email", Records: 1}},
		Examples: []activities.PlanExample{{ID: refusedID, Outcome: "updated", Changes: map[string]string{"lastName": "text of 6 -> text of 9"}}}})
	w.signIn()
	p := w.post(at+"/plan", url.Values{"sample": {"100"}})
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{"the first 100 records", "1,234", "lastName", "TooLong: email", refusedID, "text of 6 -&gt; text of 9", "yes"} {
		require.Contains(t, p.body, want)
	}
	in := w.acme.Requests["Run "+activities.Plan][0].(activities.PlanInput)
	require.Equal(t, 100, in.Sample)
	require.Equal(t, "contacts", in.Table.Name)
	w.post(at+"/plan", url.Values{"sample": {"all"}})
	require.Zero(t, w.acme.Requests["Run "+activities.Plan][1].(activities.PlanInput).Sample)
	require.Equal(t, http.StatusBadRequest, w.post(at+"/plan", url.Values{"sample": {"7"}}).status)
	require.Equal(t, http.StatusForbidden, w.post(at+"/plan", url.Values{"sample": {"all"}}, "Sec-Fetch-Site", "cross-site").status)
	w.acme.On("Run "+activities.Plan, operator.ErrNoWorker)
	require.Contains(t, w.post(at+"/plan", url.Values{"sample": {"all"}}).body, "causeway plan contacts")
}

func TestAMappingIsProposed(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/addmapping"
	w := newWorld(t, as(access.Operator))
	w.acme.On("Run "+activities.ListModels, activities.ListModelsResult{At: noon,
		Tables:    []activities.ModelName{{Name: "contact", Label: "Contact", Tracked: true}, {Name: "new_vehicle", Label: "Vehicle", Tracked: true}, {Name: "new_trip"}},
		Resources: []activities.ModelName{{Name: "profile"}, {Name: "cusVehicle", Label: "Vehicle"}}})
	proposal := &mapping.Proposal{Key: "guessed by its name", Unused: []string{"colour"}, Pairs: []mapping.ProposedField{{Source: "String(100)", Target: "string(30)", Doubts: []string{"the names are only alike"}}}}
	proposal.Table.Name, proposal.Table.Campaign.Key, proposal.Table.Fields = "vehicles", "externalId", []mapping.Field{{From: "new_name", To: "name"}}
	w.acme.On("Run "+activities.ProposeMapping, activities.ProposeResult{Proposal: proposal, YAML: "vehicles:\n  dynamics: { table: new_vehicle }\n"})
	w.signIn()
	require.Contains(t, w.get("/i/acme/mappings").body, `href="`+at+`"`)
	p := w.get(at)
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Contains(t, p.body, `<option value="new_vehicle">Vehicle</option>`)
	require.Contains(t, p.body, "change tracking is off")
	require.NotContains(t, p.body, `<option value="contact">`, "R9.4: what is mapped is not offered again")
	require.NotContains(t, p.body, `<option value="profile">`)
	require.NotContains(t, w.acme.Asked, "Run "+activities.ProposeMapping)

	p = w.get(at + "?table=new_vehicle&resource=cusVehicle")
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{"<code>new_name</code>", "String(100)", "the names are only alike", "guessed by its name", "colour", "      dynamics: { table: new_vehicle }", "mapping.yaml?resource=cusVehicle&amp;table=new_vehicle"} {
		require.Contains(t, p.body, want)
	}
	p = w.get(at + "/mapping.yaml?table=new_vehicle&resource=cusVehicle")
	require.Equal(t, "ingress:\n  tables:\n    vehicles:\n      dynamics: { table: new_vehicle }\n", p.body)
	require.Contains(t, p.header.Get("Content-Disposition"), "attachment")

	for _, q := range []string{"?table=contact&resource=cusVehicle", "?table=new_vehicle&resource=profile", "?table=new_vehicle"} {
		before := len(w.acme.Requests["Run "+activities.ProposeMapping])
		p = w.get(at + q)
		require.Equal(t, http.StatusBadRequest, p.status, q)
		require.Len(t, w.acme.Requests["Run "+activities.ProposeMapping], before)
	}
	w.acme.On("Run "+activities.ListModels, operator.ErrNoWorker)
	require.Contains(t, w.get(at).body, "No worker answers")
}
