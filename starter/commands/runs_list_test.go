package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func TestRunsList(t *testing.T) {
	t.Parallel()
	w := runsWorld(t)
	runs := []activities.RunInfo{
		runInfo(func(r *activities.RunInfo) {
			r.Run, r.Kind, r.State, r.Workflow = "contacts-20260302T115900.000Z", activities.KindDelta, "RUNNING", contactsFlow
			r.Started, r.Ended, r.Counts = noon.Add(-time.Minute), time.Time{}, activities.Counts{Read: 7, Updated: 5}
		}),
		runInfo(func(r *activities.RunInfo) {
			r.Run, r.Flow, r.Kind, r.State, r.Workflow = auditRun, activities.FlowAudit, activities.KindAudit, "RUNNING", contactsFlow+"/audit"
			r.Started, r.Ended, r.Counts = noon.Add(-time.Hour), time.Time{}, activities.Counts{}
		}),
		runInfo(func(r *activities.RunInfo) {
			r.Run, r.Kind, r.State, r.Reason = "contacts-20260302T103000.000Z", activities.KindBackfill, "FAILED", "too many\nrefused"
		}),
		runInfo(nil),
	}
	w.on("Run "+activities.ListRuns, activities.RunListResult{Runs: runs})
	code, out, stderr := w.run(t, "runs", "list", "--limit", "4")
	require.Zero(t, code, stderr)
	golden(t, "runs-list.txt", out)
	code, out, _ = w.run(t, "runs", "list", "-o", "json")
	require.Zero(t, code)
	golden(t, "runs-list.json", out)

	// What failed includes what was lost, and not what is at work.
	code, out, _ = w.run(t, "runs", "list", "--failed", "--incomplete", "--table", "contacts", "--flow", "ingress", "--kind", "delta", "--since", "1h")
	require.Zero(t, code)
	require.NotContains(t, out, "115900")
	require.Contains(t, out, auditRun)
	asked := w.Requests["Run "+activities.ListRuns]
	require.Equal(t, activities.RunListInput{Flow: "ingress", Table: "contacts", Kind: "delta", States: []string{"FAILED", "RUNNING", "INCOMPLETE"},
		Since: noon.Add(-time.Hour), Limit: 20}, asked[len(asked)-1])

	w.on("Run "+activities.ListRuns, activities.RunListResult{})
	_, out, _ = w.run(t, "runs", "list")
	require.Equal(t, "No run fits.\n", out)
	_, out, _ = w.run(t, "runs", "list", "-o", "json")
	require.JSONEq(t, `{"runs": []}`, out)
}

// Each of the commands refuses what it cannot use with a sentence.
func TestRunsRefuseBadInput(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		code int
		says string
	}{
		"a limit out of range":       {[]string{"list", "--limit", "1001"}, 2, "--limit: got 1001, want 1 to 1000"},
		"a time that is none":        {[]string{"list", "--since", "yesterday"}, 2, `--since: got "yesterday"`},
		"a flow that is none":        {[]string{"list", "--flow", "contacts"}, 2, `--flow: got "contacts", want one of ingress, egress`},
		"a kind that is none":        {[]string{"list", "--kind", "load"}, 2, `--kind: got "load", want one of initial, backfill`},
		"an argument too many":       {[]string{"list", "contacts"}, 2, "want none"},
		"a table that is unknown":    {[]string{"list", "--table", "kontakte"}, 2, `no table mapping "kontakte"`},
		"no run":                     {[]string{"show"}, 2, "got 0 arguments, want a run"},
		"a run that is unknown":      {[]string{"show", "contacts-20990101T000000.000Z"}, 2, "neither the ledger nor Temporal knows"},
		"a workflow that is unknown": {[]string{"show", "acme/ingress/kontakte"}, 2, "Temporal has no such workflow"},
		"a flow that never started":  {[]string{"show", "accounts"}, 2, "accounts was never started"},
		"replay of what is unknown":  {[]string{"replay", "x"}, 2, "neither the ledger nor Temporal knows"},
		"cancel of what is unknown":  {[]string{"cancel", "x"}, 2, "neither the ledger nor Temporal knows"},
		"cancel of a flow":           {[]string{"cancel", "contacts"}, 2, "to end it: causeway stop contacts"},
		"export of what is unknown":  {[]string{"export", "x"}, 2, "neither the ledger nor Temporal knows"},
		"verify of what is unknown":  {[]string{"verify", "x"}, 2, "neither the ledger nor Temporal knows"},
		"verify of no file":          {[]string{"verify", "missing.json"}, 2, "reading missing.json"},
		"verify of an empty folder":  {[]string{"verify", "testdata"}, 2, "a folder without histories"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := runsWorld(t)
			w.on("Run "+activities.ListRuns, activities.RunListResult{})
			w.on("Run "+activities.ShowRun, activities.ShowRunResult{})
			code, _, stderr := w.run(t, append([]string{"runs"}, tc.args...)...)
			require.Equal(t, tc.code, code, stderr)
			require.Contains(t, stderr, tc.says)
		})
	}
	w := newWorld()
	w.on("Run "+activities.ShowRun, operator.ErrNoWorker)
	code, _, stderr := w.run(t, "runs", "show", "contacts-20990101T000000.000Z")
	require.Equal(t, 3, code)
	require.Contains(t, stderr, "no worker answered, and Temporal has no history")
}
