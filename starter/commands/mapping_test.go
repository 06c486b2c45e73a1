package commands

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

func TestMappingInit(t *testing.T) {
	t.Parallel()
	question := "Run " + activities.ProposeMapping
	w := newWorld()
	var answer activities.ProposeResult
	require.NoError(t, json.Unmarshal([]byte(`{"yaml": "vehicles:\n  fields: []\n",
		"proposal": {"pairs": [{"source": "a", "target": "b"}, {"source": "a", "target": "b", "doubts": ["x"]}], "unused": ["c"]}}`), &answer))
	w.on(question, answer)
	code, out, stderr := w.run(t, "mapping", "init", "new_vehicle", "cusVehicle")
	require.Zero(t, code, stderr)
	require.Equal(t, "    vehicles:\n      fields: []\n", out)
	require.Contains(t, stderr, "2 pairs, 1 of them doubtful; 1 field of Campaign without a partner")
	require.Equal(t, []any{activities.ProposeInput{Name: "vehicles", Table: "new_vehicle", Resource: "cusVehicle"}}, w.Requests[question])

	code, _, _ = w.run(t, "mapping", "init", "contact", "profile", "--name", "people", "--api", "profileAndServices")
	require.Zero(t, code)
	require.Equal(t, activities.ProposeInput{Name: "people", Table: "contact", Resource: "profile", API: "profileAndServices"}, w.Requests[question][1])
	code, _, _ = w.run(t, "mapping", "init", "contact")
	require.Equal(t, 2, code)
}

// What is saved and does not run yet is said in words.
func TestMappingDiff(t *testing.T) {
	t.Parallel()
	question := "Run " + activities.CompareMapping
	w := newWorld()
	w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) { st.Revision = "0123456789ab" }))
	w.on(question, activities.CompareMappingResult{Revision: revision("contacts"), Runs: "0123456789ab", Known: true,
		Differences: []activities.MappingDifference{{Path: "ingress.tables.contacts.fields[0].apply_updates", Kind: "changed", Before: "true", After: "false", Sentence: "Field emailaddress1 -> email: apply updates is now off"}}})
	code, out, stderr := w.run(t, "mapping", "diff", "contacts")
	require.Equal(t, 1, code, stderr)
	require.Equal(t, "Revision 0123456789ab runs, "+revision("contacts")+" is on file:\n  Field emailaddress1 -> email: apply updates is now off\n", out)
	require.Equal(t, "0123456789ab", w.Requests[question][0].(activities.CompareMappingInput).Revision)

	_, out, _ = w.run(t, "status", "contacts")
	require.Contains(t, out, "Not running yet")
	require.Contains(t, out, "Field emailaddress1 -> email: apply updates is now off")
	asked := len(w.Requests[question])
	_, _, _ = w.run(t, "status")
	require.Len(t, w.Requests[question], asked, "an overview does not ask about each")

	w.on(question, activities.CompareMappingResult{Revision: revision("contacts"), Runs: revision("contacts"), Known: true})
	code, out, _ = w.run(t, "mapping", "diff", "contacts")
	require.Zero(t, code)
	require.Equal(t, "Revision "+revision("contacts")+" runs and is on file.\n", out)

	w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) { st.Revision, st.FiledRevision = "", "" }))
	code, _, stderr = w.run(t, "mapping", "diff", "contacts")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "has not run yet")
}
