package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

// docs/protocol/integration.md §26 "audit": user, time, old and new revision.
func TestLog(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run "+activities.ListOperations, activities.OperationsResult{Operations: []activities.Operation{
		{ID: "1", At: noon.Add(-2 * time.Hour), By: "ada", What: "start", Flow: "ingress", Table: "contacts", Revision: "2d711642b726b044"},
		{ID: "2", At: noon.Add(-time.Hour), By: "bob", What: "pause", Flow: "ingress", Table: "contacts", Revision: "2d711642b726b044", Reason: "Campaign\nrelease"},
		{ID: "3", At: noon.Add(-time.Minute), What: "backfill", Flow: "ingress", Table: "contacts", Run: "contacts-20260302T115900.000Z", Revision: "2d711642b726b044", Detail: "the whole table"},
		{ID: "4", At: noon, By: "ada", What: "apply", Flow: "ingress", Table: "contacts", Revision: "8b1a9953c4611296", Was: "2d711642b726b044"},
	}})
	code, out, stderr := w.run(t, "log", "--table", "contacts", "--since", "24h", "--by", "ada", "--what", "apply", "--run", "r", "--limit", "4")
	require.Zero(t, code, stderr)
	golden(t, "log.txt", out)
	require.Equal(t, []any{activities.OperationsInput{Table: "contacts", Run: "r", By: "ada", What: "apply", Since: noon.Add(-24 * time.Hour), Limit: 4}},
		w.Requests["Run "+activities.ListOperations])
	code, out, stderr = w.run(t, "log", "-o", "json")
	require.Zero(t, code, stderr)
	golden(t, "log.json", out)

	w.on("Run "+activities.ListOperations, activities.OperationsResult{})
	code, out, _ = w.run(t, "log", "-o", "json")
	require.Zero(t, code)
	require.JSONEq(t, `{"operations": []}`, out)
	code, out, _ = w.run(t, "log")
	require.Zero(t, code)
	require.Equal(t, "Nothing was asked for that fits.\n", out)
}

func TestLogRefusesWhatItCannotShow(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args   []string
		answer any
		code   int
		says   string
	}{
		"a limit out of range":    {[]string{"--limit", "0"}, nil, 2, "--limit: got 0, want 1 to 1000"},
		"a time that is none":     {[]string{"--since", "yesterday"}, nil, 2, `--since: got "yesterday", want an instant`},
		"an argument":             {[]string{"contacts"}, nil, 2, "want none"},
		"a table that is unknown": {[]string{"--table", "kontakte"}, activities.OperationsResult{}, 2, `no table mapping "kontakte"`},
		"no worker":               {nil, operator.ErrNoWorker, 3, "no worker answered within 1m0s"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.on("Run "+activities.ListOperations, tc.answer)
			code, _, stderr := w.run(t, append([]string{"log"}, tc.args...)...)
			require.Equal(t, tc.code, code)
			require.Contains(t, stderr, tc.says)
		})
	}
}
