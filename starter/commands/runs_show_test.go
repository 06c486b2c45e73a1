package commands

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func TestRunsShow(t *testing.T) {
	t.Parallel()
	w := runsWorld(t)
	shown := activities.ShowRunResult{
		Found: true, Info: runInfo(nil), Quarantined: 100, Until: noon.Add(12 * 24 * time.Hour),
		Rollback: &activities.MayRollbackResult{Run: loadRun, Created: 9_900, Since: 12, Bytes: 120_000},
		Asked:    []activities.Operation{{ID: "1", At: noon.Add(-2 * time.Hour), By: "ada", What: activities.OpBackfill, Run: loadRun}},
	}
	w.on("Run "+activities.ShowRun, shown)
	code, out, stderr := w.run(t, "runs", "show", loadRun)
	require.Zero(t, code, stderr)
	golden(t, "runs-show.txt", out)
	code, out, _ = w.run(t, "runs", "show", loadRun, "-o", "json")
	require.Zero(t, code)
	golden(t, "runs-show.json", out)

	// A history that is gone leaves what the ledger knows, and says so.
	w.Runs = nil
	shown.Rollback, shown.NoRollback = nil, "run x ended long ago"
	w.on("Run "+activities.ShowRun, shown)
	code, out, _ = w.run(t, "runs", "show", loadRun)
	require.Zero(t, code)
	golden(t, "runs-show-gone.txt", out)

	shown.NotFound = []string{"6f0c1d2e-0000-4000-8000-000000000001"}
	w.on("Run "+activities.ShowRun, shown)
	_, out, _ = w.run(t, "runs", "show", loadRun)
	require.Contains(t, out, "6f0c1d2e-0000-4000-8000-000000000001 is not in Dynamics; nothing was done about it")

	// A few changes are carried out by the flow: their history is the flow's.
	shown.Info.Kind = activities.KindDelta
	w.on("Run "+activities.ShowRun, shown)
	_, out, _ = w.run(t, "runs", "show", loadRun)
	require.Contains(t, out, "carries out a few changes itself")
	require.Contains(t, out, "acme/ingress/contacts")
	_, out, _ = w.run(t, "runs", "show", loadRun, "-o", "json")
	var report operator.RunReport
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Empty(t, report.Executions)
	require.Nil(t, report.History)
	require.Contains(t, report.Problem, "no history of it any more")
}

// Without a worker, and for a workflow that is no run, Temporal tells what it can.
func TestRunsShowWithoutTheLedger(t *testing.T) {
	t.Parallel()
	w := runsWorld(t)
	w.on("Run "+activities.ShowRun, operator.ErrNoWorker)
	code, out, stderr := w.run(t, "runs", "show", auditRun)
	require.Zero(t, code, stderr)
	golden(t, "runs-show-audit.txt", out+"--- stderr\n"+stderr)

	w.Runs[0].TaskAttempt = 7
	w.Runs[0].Pending = []operator.Pending{{Activity: "FetchPage", Attempt: 3, LastFailure: "503"}}
	for _, name := range []string{"contacts", contactsFlow} {
		code, out, stderr = w.run(t, "runs", "show", name)
		require.Zero(t, code, stderr)
		require.Contains(t, out, "TableSync, Running in Temporal")
		require.Contains(t, out, "the workflow's own code fails (attempt 7 of its task)")
		require.Contains(t, out, "503")
	}
}

// The executions of a run that continued as new, or was reset, are one story.
func TestRunsShowFollowsTheChain(t *testing.T) {
	t.Parallel()
	w := runsWorld(t)
	w.knows(nil)
	id := contactsFlow + "/backfill/" + loadRun
	later := recordedHistory(t, "backfill.json")
	later.Events[0].GetWorkflowExecutionStartedEventAttributes().ContinuedExecutionRunId = "run-load"
	w.Histories["run-later"] = later
	w.Runs = append([]operator.Execution{{WorkflowID: id, RunID: "run-later", Type: "Backfill", Status: "Running", Started: noon}}, w.Runs...)
	code, out, stderr := w.run(t, "runs", "show", loadRun, "-o", "json")
	require.Zero(t, code, stderr)
	var report operator.RunReport
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, 2, report.History.Executions)
	require.Equal(t, []string{"run-load", "run-later"}, []string{report.Executions[0].RunID, report.Executions[1].RunID})
	require.EqualValues(t, len(later.Events)+len(w.Histories["run-load"].Events), report.History.Events)

	w.Histories["run-gone"] = &historypb.History{}
	later.Events[0].GetWorkflowExecutionStartedEventAttributes().ContinuedExecutionRunId = "run-gone" // not there any more
	code, out, stderr = w.run(t, "runs", "show", loadRun, "-o", "json")
	require.Zero(t, code, stderr)
	report = operator.RunReport{}
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, 1, report.History.Executions)
}

// With --lanes each lane is listed, in the order of the pages.
func TestRunsShowLanes(t *testing.T) {
	t.Parallel()
	const recordedRun = "contacts-20261130T120400.340Z"
	w := runsWorld(t)
	w.knows(func(r *activities.RunInfo) {
		r.Run, r.Workflow = recordedRun, contactsFlow+"/backfill/"+recordedRun
	})
	w.Histories["run-lanes"] = recordedHistory(t, "backfill.json")
	w.Runs = []operator.Execution{{WorkflowID: contactsFlow + "/backfill/" + recordedRun, RunID: "run-lanes", Type: "Backfill", Status: "Completed", Started: noon}}
	code, out, stderr := w.run(t, "runs", "show", recordedRun, "--lanes")
	require.Zero(t, code, stderr)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 25)
	require.Regexp(t, `^ *1 +1 +done +\d+ +1 +20\d\d-`, lines[1])
	code, out, stderr = w.run(t, "runs", "show", recordedRun, "--lanes", "-o", "json")
	require.Zero(t, code, stderr)
	var lanes operator.Lanes
	require.NoError(t, json.Unmarshal([]byte(out), &lanes))
	require.Len(t, lanes.Lanes, 24)
	code, out, stderr = w.run(t, "runs", "show", contactsFlow+"/backfill/"+recordedRun, "--lanes")
	require.Zero(t, code, stderr)
	require.Equal(t, 25, strings.Count(out, "\n"), "a run is found by its workflow, too")
}
