package commands

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
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
