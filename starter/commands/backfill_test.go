package commands

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

const backfillUpdate = "Update " + contactsFlow + " RequestBackfill"

var accepted = workflows.BackfillAnswer{Run: "r1", WorkflowID: contactsFlow + "/backfill/r1", Queued: 2}

func TestBackfillWindow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ids.txt")
	require.NoError(t, os.WriteFile(file, []byte("6F0C1D2E-0000-4000-8000-000000000002\r\n6f0c1d2e-0000-4000-8000-000000000001\n\n6f0c1d2e-0000-4000-8000-000000000001"), 0o600))
	both := []string{"6f0c1d2e-0000-4000-8000-000000000001", "6f0c1d2e-0000-4000-8000-000000000002"}
	tests := map[string]struct {
		args  []string
		stdin string
		want  activities.Window
	}{
		"an instant and a day":            {args: []string{"--since", "2026-01-31T08:00:00+01:00", "--until", "2026-02-01"}, want: activities.Window{Since: time.Date(2026, 1, 31, 7, 0, 0, 0, time.UTC), Until: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}},
		"an age":                          {args: []string{"--since", "36h"}, want: activities.Window{Since: noon.Add(-36 * time.Hour)}},
		"ids are sorted and told once":    {args: []string{"--ids", "6f0c1d2e-0000-4000-8000-000000000002,{6F0C1D2E-0000-4000-8000-000000000001}," + both[1]}, want: activities.Window{IDs: both}},
		"ids from a file":                 {args: []string{"--ids", "@" + file}, want: activities.Window{IDs: both}},
		"ids from stdin":                  {args: []string{"--ids", "@-"}, stdin: strings.Join(both, "\n"), want: activities.Window{IDs: both}},
		"the whole table when asked with": {args: []string{"--yes"}, want: activities.Window{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.stdin = tc.stdin
			w.on(backfillUpdate, accepted)
			code, out, stderr := w.run(t, append([]string{"backfill", "contacts"}, tc.args...)...)
			require.Zero(t, code, stderr)
			require.Equal(t, "backfill of contacts accepted after 2 other backfills: run r1; follow it with: causeway status contacts --watch\n", out)
			require.Equal(t, []any{workflows.BackfillRequest{Window: tc.want, By: "ada"}}, w.Requests[backfillUpdate])
		})
	}
}

func TestBackfillRefusesBadInputWithoutAskingTemporal(t *testing.T) {
	t.Parallel()
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprintf("6f0c1d2e-0000-4000-8000-%012d", i)
	}
	tests := map[string]struct {
		args []string
		says string
	}{
		"not a time":             {[]string{"--since", "yesterday"}, `--since: got "yesterday", want an instant like`},
		"an age in the future":   {[]string{"--until", "-3h"}, `--until: got "-3h", want an instant like`},
		"since after until":      {[]string{"--since", "2026-02-01", "--until", "2026-01-01"}, "--since: got 2026-02-01T00:00:00Z, want a time before --until 2026-01-01T00:00:00Z"},
		"ids and a window":       {[]string{"--ids", many[0], "--since", "1h"}, "got both --ids and a window of time, want one of them"},
		"not an id":              {[]string{"--ids", many[0] + ",anna"}, `--ids: got "anna", want record ids like`},
		"no id":                  {[]string{"--ids", ","}, "--ids: got no id, want at least one"},
		"too many ids":           {[]string{"--ids", strings.Join(many, ",")}, "--ids: got 1,001 ids, want at most 1,000 at a time"},
		"a file that is not":     {[]string{"--ids", "@testdata/none.txt"}, "--ids: open testdata/none.txt"},
		"everything, unattended": {nil, "this reads every record of the Dynamics table contact again; say --yes, or narrow it with --since, --until, --where or --ids"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			code, _, stderr := w.run(t, append([]string{"backfill", "contacts"}, tc.args...)...)
			require.Equal(t, exitBadInput, code)
			require.Contains(t, stderr, tc.says)
			require.Empty(t, w.Asked)
		})
	}
}

// A flow without records is refused with what serves instead, before anything is asked:
// Temporal only knows which updates there are.
func TestBackfillOfAFlowWithoutRecords(t *testing.T) {
	t.Parallel()
	for flow, says := range map[string]string{"optout": "causeway sync-now optout", "egress": "causeway events backfill"} {
		for _, args := range [][]string{nil, {"--yes"}, {"--since", "1h"}} {
			w := newWorld()
			code, _, stderr := w.run(t, append([]string{"backfill", flow}, args...)...)
			require.Equal(t, exitBadInput, code)
			require.Contains(t, stderr, says)
			require.Empty(t, w.Asked)
		}
	}
}

func TestBackfillOfEverythingAsks(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]int{"y\n": exitDone, "Yes\n": exitDone, "\n": exitFailed, "no\n": exitFailed, "": exitFailed} {
		w := newWorld()
		w.terminal, w.stdin = true, answer
		w.on(backfillUpdate, accepted)
		code, _, stderr := w.run(t, "backfill", "contacts")
		require.Equal(t, want, code, "answer %q", answer)
		require.Contains(t, stderr, "This reads every record of the Dynamics table contact again")
		require.Contains(t, stderr, "is not known: no worker answers")
		require.Equal(t, want == exitDone, len(w.Requests[backfillUpdate]) > 0, "answer %q", answer)
	}
}

// Before it asks, it says what the ledger foretells.
func TestBackfillForetellsWhatItCosts(t *testing.T) {
	t.Parallel()
	few := int64(1200)
	for name, tc := range map[string]struct {
		result activities.EstimateResult
		says   string
	}{
		"of a table that was read again before": {activities.EstimateResult{Records: 400_000, Calls: &few, Runs: 3, Quick: 600, Slow: 1500, PerHour: 4000},
			"It is about 400,000 records.\nIt costs about 1,200 engine calls as the last runs did, and 400,000 if every record differs.\nLoads may make 4,000 an hour; what is more waits for the next.\nIt takes about 10 min to 25 min at the pace of the last 3 runs over the whole table."},
		"of a table with an initial load only": {activities.EstimateResult{Records: 1, Runs: 1, Quick: 1, Slow: 1},
			"It is about 1 record.\nIt costs up to 1 engine call, if every record differs.\nIt takes about 1 s at the pace of the last 1 run over the whole table."},
		"of a table whose load has not ended": {activities.EstimateResult{Records: 5000},
			"It is about 5,000 records.\nIt costs up to 5,000 engine calls, if every record differs.\nHow long it takes is not known: no run over the whole table has ended yet."},
		"of a table that never ran": {activities.EstimateResult{}, "is not known: no run has read them yet."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.terminal, w.stdin = true, "no\n"
			w.on("Run "+activities.EstimateBackfill, tc.result)
			code, _, stderr := w.run(t, "backfill", "contacts")
			require.Equal(t, exitFailed, code)
			require.Contains(t, stderr, tc.says)
			require.Equal(t, []any{activities.EstimateInput{Flow: "ingress", Table: "contacts"}}, w.Requests["Run "+activities.EstimateBackfill])
			require.Empty(t, w.Requests[backfillUpdate])
		})
	}
}

func TestBackfillWaitShowsProgressAndTheAccount(t *testing.T) {
	t.Parallel()
	inHand := contacts(func(st *workflows.Status) {
		loading(st)
		st.Phase, st.Run = "backfill", "r1"
	})
	queued := contacts(func(st *workflows.Status) {
		loading(st)
		st.Queue = []workflows.QueuedRequest{{Kind: workflows.RequestBackfill, Run: "r1"}}
	})
	done := contacts(func(st *workflows.Status) {
		st.LastRun = &workflows.RunSummary{Run: "r1", Kind: activities.KindBackfill, State: "COMPLETED",
			Counts: activities.Counts{Read: 20_000, Updated: 3, Unchanged: 19_997}, Start: noon, End: noon.Add(8 * time.Second)}
	})
	script := func(terminal bool) *world {
		w := newWorld()
		w.terminal = terminal
		w.on(backfillUpdate, accepted)
		statuses := []any{queued}
		progress := []any{progressOf(0, 0)}
		for i := range int64(24) {
			statuses = append(statuses, inHand)
			progress = append(progress, progressOf(i*400, i/8))
		}
		w.on("Query "+contactsFlow+" Status", append(statuses, done)...)
		w.on("Query "+inHand.RunWorkflow+" Progress", progress...)
		return w
	}
	t.Run("plain lines", func(t *testing.T) {
		code, out, stderr := script(false).run(t, "backfill", "contacts", "--yes", "--wait")
		require.Zero(t, code)
		golden(t, "backfill-wait.txt", out+"--- stderr\n"+stderr)
	})
	t.Run("a bar on a terminal", func(t *testing.T) {
		code, out, stderr := script(true).run(t, "backfill", "contacts", "--yes", "--wait")
		require.Zero(t, code)
		golden(t, "backfill-wait-terminal.txt", out+"--- stderr\n"+strings.ReplaceAll(stderr, "\r\x1b[K", "\n<rewrite>"))
	})
	t.Run("json", func(t *testing.T) {
		code, out, _ := script(false).run(t, "backfill", "contacts", "--yes", "--wait", "-o", "json")
		require.Zero(t, code)
		golden(t, "backfill-wait.json", out)
	})
}

func TestBackfillWaitEndsAsTheRunDid(t *testing.T) {
	t.Parallel()
	query, result := "Query "+contactsFlow+" Status", "Result "+accepted.WorkflowID
	tests := map[string]struct {
		prepare func(*world)
		code    int
		says    string
	}{
		"incomplete is no success": {func(w *world) {
			w.on(query, contacts(func(st *workflows.Status) {
				st.LastRun = &workflows.RunSummary{Run: "r1", State: "INCOMPLETE", Reason: "2 records are not accounted for"}
			}))
		}, exitFailed, "run r1 of contacts is INCOMPLETE after 0 s: 2 records are not accounted for\n"},
		"another run was faster than the looks": {func(w *world) {
			w.on(query, contacts(nil))
			w.on(result, workflows.PassResult{Summary: workflows.RunSummary{Run: "r1", State: "COMPLETED"}})
		}, exitDone, "run r1 of contacts is COMPLETED after 0 s\n"},
		"cancelled while queued": {func(w *world) { w.on(query, contacts(nil)) },
			exitFailed, "causeway: run r1 was taken off the queue before it began\n"},
		"the run failed": {func(w *world) {
			w.on(query, contacts(nil))
			w.on(result, badInput("Campaign refuses the credentials"))
		}, exitFailed, "causeway: run r1 did not finish: Campaign refuses the credentials\n"},
		"the flow was stopped": {func(w *world) {
			w.on(query, contacts(func(st *workflows.Status) {
				st.State, st.Queue = workflows.StateStopped, []workflows.QueuedRequest{{Kind: workflows.RequestBackfill, Run: "r1"}}
			}))
		}, exitFailed, "causeway: contacts is STOPPED; run r1 is queued and goes on at the next start: causeway start contacts\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.on(backfillUpdate, accepted)
			tc.prepare(w)
			code, out, stderr := w.run(t, "backfill", "contacts", "--yes", "--wait")
			require.Equal(t, tc.code, code)
			require.Contains(t, out+stderr, tc.says)
		})
	}
}

func TestBackfillAsJSONWithoutWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on(backfillUpdate, accepted)
	code, out, _ := w.run(t, "backfill", "contacts", "--since", "1h", "-o", "json")
	require.Zero(t, code)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, map[string]any{"run": "r1", "workflow_id": accepted.WorkflowID, "queued": 2.0}, got)
}

// Conditions are checked by a worker, without their values at first: a value of
// text never reaches Temporal.
func TestBackfillOfAFilter(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Update "+contactsFlow+" RequestBackfill", workflows.BackfillAnswer{Run: "contacts-1"})
	w.on("Run "+activities.CheckFilter, activities.CheckFilterResult{})
	code, _, stderr := w.run(t, "backfill", "contacts", "--where", "statecode equals  Not yet", "--where", "lastname empty")
	require.Zero(t, code, stderr)
	checks := w.Requests["Run "+activities.CheckFilter]
	require.Equal(t, []string{"statecode", "lastname"}, checks[0].(activities.CheckFilterInput).Columns)
	require.Empty(t, checks[0].(activities.CheckFilterInput).Where)
	want := []activities.Condition{{Column: "statecode", Is: "equals", Value: "Not yet"}, {Column: "lastname", Is: "empty"}}
	require.Equal(t, want, checks[1].(activities.CheckFilterInput).Where)
	require.Equal(t, want, w.Requests["Update "+contactsFlow+" RequestBackfill"][0].(workflows.BackfillRequest).Window.Where)

	w.on("Run "+activities.CheckFilter, activities.CheckFilterResult{Text: []string{"lastname"}})
	code, _, stderr = w.run(t, "backfill", "contacts", "--where", "lastname equals Quibblethorn")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "--where: lastname is text, which may be personal")
	require.NotContains(t, stderr, "Quibblethorn")
	require.Len(t, w.Requests["Update "+contactsFlow+" RequestBackfill"], 1)

	w.on("Run "+activities.CheckFilter, activities.CheckFilterResult{Misfit: `"statecod equals": got a column that contact does not have`})
	code, _, stderr = w.run(t, "backfill", "contacts", "--where", "statecod equals Active")
	require.Equal(t, exitBadInput, code)
	require.Equal(t, "causeway: --where: \"statecod equals\": got a column that contact does not have\n", stderr)
	require.Len(t, w.Requests["Update "+contactsFlow+" RequestBackfill"], 1)

	for where, sentence := range map[string]string{
		"statecode": `--where: got "statecode", want a column, a comparison and a value`,
	} {
		code, _, stderr = w.run(t, "backfill", "contacts", "--where", where)
		require.Equal(t, 2, code)
		require.Contains(t, stderr, sentence)
	}
	code, _, stderr = w.run(t, "backfill", "contacts", "--where", "statecode empty", "--ids", "6f0c1d2e-0000-4000-8000-000000000001")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "got both --ids and --where")
}

// With --dry-run it is only said which records Dynamics has.
func TestADryBackfillOfIDs(t *testing.T) {
	t.Parallel()
	there, gone := "6f0c1d2e-0000-4000-8000-000000000001", "6f0c1d2e-0000-4000-8000-000000000002"
	w := newWorld()
	w.on("Run "+activities.CheckNamed, activities.CheckNamedResult{Found: 1, NotFound: []string{gone}})
	code, out, stderr := w.run(t, "backfill", "contacts", "--ids", there+","+gone, "--dry-run")
	require.Zero(t, code, stderr)
	require.Equal(t, "found 1 of 2; nothing was begun\nnot found: "+gone+"\nthose are gone from Dynamics, or hidden from the application user; a backfill does nothing about them\n", out)
	require.Equal(t, []string{there, gone}, w.Requests["Run "+activities.CheckNamed][0].(activities.CheckNamedInput).IDs)
	require.Empty(t, w.Requests[backfillUpdate])

	w.on("Run "+activities.CheckNamed, activities.CheckNamedResult{Found: 2})
	code, out, stderr = w.run(t, "backfill", "contacts", "--ids", there+","+gone, "--dry-run", "-o", "json")
	require.Zero(t, code, stderr)
	require.JSONEq(t, `{"found": 2, "not_found": []}`, out)
	for _, args := range [][]string{{"backfill", "contacts", "--dry-run"}, {"backfill", "contacts", "--dry-run", "--since", "1h"}} {
		code, _, stderr = w.run(t, args...)
		require.Equal(t, exitBadInput, code)
		require.Contains(t, stderr, "got --dry-run without --ids")
	}
	require.Len(t, w.Requests["Run "+activities.CheckNamed], 2)
}
