package commands

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// passHistory is the beginning of a run's history, as its owner began it.
func passHistory(t *testing.T, in workflows.PassInput) *historypb.History {
	t.Helper()
	h := recordedHistory(t, "initial-load.json")
	data, err := json.Marshal(in)
	require.NoError(t, err)
	started := h.Events[0].GetWorkflowExecutionStartedEventAttributes()
	started.Input = &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: data}}}
	require.NotNil(t, started.ParentWorkflowExecution)
	return h
}

// A workflow that failed goes back to the step that did; a pass that ended is asked
// for again, because its owner has gone on.
func TestReplayDecidesHow(t *testing.T) {
	t.Parallel()
	window := activities.Window{IDs: []string{"6f0c1d2e-0000-4000-8000-000000000001"}}
	backfill := func(state string) func(*activities.RunInfo) {
		return func(r *activities.RunInfo) { r.Kind, r.State = activities.KindBackfill, state }
	}
	owner := func(state workflows.State) workflows.Status { return workflows.Status{Table: "contacts", State: state} }
	tests := map[string]struct {
		run     string
		arrange func(*testing.T, *world)
		how     string
		why     string
		refused string
	}{
		"an audit that failed": {run: auditRun, how: operator.ByReset, why: "its workflow is Failed: EndAudit failed"},
		"an owner whose code fails": {run: "contacts", arrange: func(_ *testing.T, w *world) { w.Runs[0].TaskAttempt = 3 },
			how: operator.ByReset, why: "its code fails (attempt 3 of its task): its last task (event"},
		"an owner whose history this build does not do again": {run: "contacts", arrange: func(t *testing.T, w *world) {
			w.Runs[0].TaskAttempt = 3
			h := w.Histories["run-owner"]
			h.Events[eventOf(t, h, "ActivityTaskScheduled Preflight")-1].GetActivityTaskScheduledEventAttributes().ActivityType.Name = "OldPreflight"
		}, how: operator.ByReset, why: "this build does not do again what its history holds: event"},
		"an owner at work": {run: "contacts", refused: "run contacts is at work; there is nothing to replay"},
		"a run that tries again": {run: "contacts", arrange: func(_ *testing.T, w *world) {
			w.Runs[0].Pending = []operator.Pending{{Activity: "FetchPage", Attempt: 4, LastFailure: "503"}}
		}, refused: "tries FetchPage again by itself (attempt 4, last failure: 503)"},
		"a run that completed": {run: loadRun, refused: "is COMPLETED, so there is nothing to replay; to have its records read again: causeway backfill contacts"},
		"a run that was stopped": {run: loadRun, arrange: func(_ *testing.T, w *world) { w.knows(backfill("STOPPED")) },
			refused: "goes on by itself at the next start"},
		"an audit beside another": {run: auditRun, arrange: func(_ *testing.T, w *world) {
			w.Runs = append([]operator.Execution{{WorkflowID: contactsFlow + "/audit", RunID: "run-other", Type: "Audit", Status: "Running"}}, w.Runs...)
		}, refused: "another audit of contacts is running; a reset would end it"},
		"a backfill that failed": {run: loadRun, arrange: func(t *testing.T, w *world) {
			w.knows(backfill("FAILED"))
			w.Histories["run-load"] = passHistory(t, workflows.PassInput{Ref: activities.RunRef{Run: loadRun, Kind: activities.KindBackfill}, Window: window})
			w.on("Query "+contactsFlow+" Status", owner(workflows.StateRunning))
		}, how: operator.ByBackfill, why: "its owner has gone on without it; the same records are read again"},
		"a backfill that failed, of a flow that did too": {run: loadRun, arrange: func(t *testing.T, w *world) {
			w.knows(backfill("FAILED"))
			w.Histories["run-load"] = passHistory(t, workflows.PassInput{Ref: activities.RunRef{Run: loadRun, Kind: activities.KindBackfill}, Window: window})
			w.on("Query "+contactsFlow+" Status", owner(workflows.StateFailed))
		}, how: operator.ByBackfill},
		"a backfill whose history is gone": {run: loadRun, arrange: func(_ *testing.T, w *world) {
			w.on("Run "+activities.ShowRun, activities.ShowRunResult{Found: true, Info: runInfo(backfill("FAILED")), Window: &window})
			w.Runs = w.Runs[:1]
			w.on("Query "+contactsFlow+" Status", owner(workflows.StateRunning))
		}, how: operator.ByBackfill, why: "its history is gone from Temporal"},
		"a backfill nobody knows the window of": {run: loadRun, arrange: func(_ *testing.T, w *world) {
			w.knows(backfill("FAILED"))
			w.Runs = w.Runs[:1]
			w.on("Query "+contactsFlow+" Status", owner(workflows.StateRunning))
		}, refused: "what run " + loadRun + " was asked to read is not known any more"},
		"a run that failed before the ledger knew it": {run: loadRun, arrange: func(t *testing.T, w *world) {
			w.on("Run "+activities.ShowRun, activities.ShowRunResult{})
			w.Histories["run-load"] = passHistory(t, workflows.PassInput{Ref: activities.RunRef{Run: loadRun, Kind: activities.KindBackfill}, Window: window})
			w.on("Query "+contactsFlow+" Status", owner(workflows.StateRunning))
		}, how: operator.ByBackfill},
		"a load that failed": {run: loadRun, arrange: func(_ *testing.T, w *world) {
			w.knows(func(r *activities.RunInfo) { r.State = "FAILED" })
			w.on("Query "+contactsFlow+" Status", owner(workflows.StateFailed))
		}, how: operator.ByStart, why: "a start reads again from where the watermark is"},
		"a load that failed, of a flow that was started since": {run: loadRun, arrange: func(_ *testing.T, w *world) {
			w.knows(func(r *activities.RunInfo) { r.State = "FAILED" })
			w.on("Query "+contactsFlow+" Status", owner(workflows.StateRunning))
		}, refused: "contacts runs since then"},
		"a load of a flow that was never started": {run: loadRun, arrange: func(_ *testing.T, w *world) {
			w.knows(func(r *activities.RunInfo) { r.State = "FAILED" })
			w.Runs = w.Runs[1:]
		}, how: operator.ByStart},
		"changes of a flow that runs": {run: loadRun, arrange: func(_ *testing.T, w *world) {
			w.knows(func(r *activities.RunInfo) { r.Kind, r.State = activities.KindDelta, "FAILED" })
			w.on("Query "+contactsFlow+" Status", owner(workflows.StateRunning))
		}, how: operator.BySyncNow, why: "the watermark did not move"},
		"changes of a flow that is paused": {run: loadRun, arrange: func(_ *testing.T, w *world) {
			w.knows(func(r *activities.RunInfo) { r.Kind, r.State = activities.KindDelta, "FAILED" })
			w.on("Query "+contactsFlow+" Status", owner(workflows.StatePaused))
		}, refused: "causeway resume contacts"},
		"a run whose owner fails": {run: loadRun, arrange: func(_ *testing.T, w *world) {
			w.knows(func(r *activities.RunInfo) { r.State = "FAILED" })
			w.Runs[0].TaskAttempt = 9
		}, refused: "replay that first: causeway runs replay contacts"},
		"an owner that somebody terminated": {run: "contacts", arrange: func(_ *testing.T, w *world) { w.Runs[0].Status = "Terminated" },
			how: operator.ByReset, why: "its workflow is Terminated: its last task (event"},
		"events of a flow that is switched off": {run: "egress-20260302T100000.000Z", arrange: func(_ *testing.T, w *world) {
			w.knows(func(r *activities.RunInfo) {
				r.Run, r.Flow, r.Table, r.Kind, r.State = "egress-20260302T100000.000Z", activities.FlowEgress, activities.FlowEgress, activities.KindDelta, "FAILED"
			})
		}, refused: "what began it has gone on without it"},
		"a rollback that failed": {run: "rollback-" + loadRun + "-20260302T110000.000Z", arrange: func(_ *testing.T, w *world) {
			w.knows(func(r *activities.RunInfo) {
				r.Run, r.Flow, r.Kind, r.State = "rollback-"+loadRun+"-20260302T110000.000Z", activities.FlowRollback, activities.KindRollback, "FAILED"
				r.Workflow = contactsFlow + "/rollback/" + r.Run
			})
		}, how: operator.ByRollback, why: "the same run is undone again"},
		"a release that failed": {run: loadRun, arrange: func(_ *testing.T, w *world) {
			w.knows(func(r *activities.RunInfo) { r.Kind, r.State = activities.KindRelease, "FAILED" })
		}, refused: "to try it now: causeway quarantine release contacts"},
		"an audit whose history is gone": {run: auditRun, arrange: func(_ *testing.T, w *world) {
			w.knows(func(r *activities.RunInfo) {
				r.Flow, r.Kind, r.State = activities.FlowAudit, activities.KindAudit, "FAILED"
			})
			w.Runs = w.Runs[:1]
		}, refused: "to audit again: causeway audit contacts"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := runsWorld(t)
			w.knows(nil)
			if tc.run == auditRun {
				w.on("Run "+activities.ShowRun, operator.ErrNoWorker) // whoever replays may have no worker that lives
			}
			if tc.arrange != nil {
				tc.arrange(t, w)
			}
			code, out, stderr := w.run(t, "runs", "replay", tc.run, "--dry-run", "-o", "json")
			if tc.refused != "" {
				require.Equal(t, 2, code, stderr)
				require.Contains(t, stderr, tc.refused)
				return
			}
			require.Zero(t, code, stderr)
			var answer operator.Replay
			require.NoError(t, json.Unmarshal([]byte(out), &answer))
			require.Equal(t, tc.how, answer.How)
			require.Contains(t, answer.Why, tc.why)
			if tc.how == operator.ByBackfill {
				require.Equal(t, &window, answer.Window)
			}
			if tc.how == operator.ByRollback {
				require.Equal(t, loadRun, answer.Undoes)
			}
			require.NotContains(t, w.Asked, "Later "+activities.LogOperation)
		})
	}
}

func TestReplayByReset(t *testing.T) {
	t.Parallel()
	w := runsWorld(t)
	w.on("Run "+activities.ShowRun, operator.ErrNoWorker)
	task := w.Histories["run-audit"].Events[eventOf(t, w.Histories["run-audit"], "ActivityTaskScheduled EndAudit")-1].
		GetActivityTaskScheduledEventAttributes().WorkflowTaskCompletedEventId
	require.EqualValues(t, 28, task)
	const reset = "Reset acme/ingress/contacts/audit run-audit 28"
	w.on(reset, "run-new")
	code, _, stderr := w.run(t, "runs", "replay", auditRun)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "say --yes")
	require.NotContains(t, w.Asked, reset)

	code, out, stderr := w.run(t, "runs", "replay", auditRun, "--yes")
	require.Zero(t, code, stderr)
	golden(t, "runs-replay.txt", out+"--- stderr\n"+stderr)
	require.Equal(t, []any{"causeway runs replay, by ada"}, w.Requests[reset])
	logged := w.Requests["Later "+activities.LogOperation][0].(activities.LogInput).Operations[0]
	require.NotEmpty(t, logged.ID)
	logged.ID = ""
	require.Equal(t, activities.Operation{At: noon, By: "ada", What: "replay", Flow: "ingress", Table: "contacts", Run: auditRun, Detail: "reset to before event 28"}, logged)

	w.Down = unreachable("lost the Temporal server")
	code, out, stderr = w.run(t, "runs", "replay", auditRun, "--yes", "-o", "json")
	require.Zero(t, code, stderr)
	golden(t, "runs-replay.json", out)
	require.Contains(t, stderr, "not in the audit trail: lost the Temporal server")

	w.on(reset, failed("Temporal answered: no"))
	code, _, stderr = w.run(t, "runs", "replay", auditRun, "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "Temporal answered: no")
	w.terminal, w.stdin = true, "n\n"
	code, _, stderr = w.run(t, "runs", "replay", auditRun)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "nothing was done")
}

// What the owner is asked is what an operator would ask it.
func TestReplayByTheOwner(t *testing.T) {
	t.Parallel()
	window := activities.Window{Since: noon.Add(-time.Hour)}
	w := runsWorld(t)
	w.on("Run "+activities.ShowRun, activities.ShowRunResult{Found: true, Window: &window, Info: runInfo(func(r *activities.RunInfo) {
		r.Kind, r.State = activities.KindBackfill, "FAILED"
	})})
	w.on("Query "+contactsFlow+" Status", workflows.Status{State: workflows.StateFailed})
	w.on("Start "+contactsFlow, contacts(nil))
	const ask = "Update " + contactsFlow + " " + workflows.UpdateRequestBackfill
	w.on(ask, workflows.BackfillAnswer{Run: "contacts-20260302T120000.000Z"})
	code, out, stderr := w.run(t, "runs", "replay", loadRun, "-y")
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "after a start of contacts with the mapping in testdata/causeway.yaml")
	require.Equal(t, loadRun+": run contacts-20260302T120000.000Z reads it again; follow it with: causeway status contacts --watch\n", out)
	require.Equal(t, []any{workflows.BackfillRequest{Window: window, By: "ada"}}, w.Requests[ask])
	require.Equal(t, revision("contacts"), w.Requests["Start "+contactsFlow][0].(workflows.StartRequest).Revision)

	w.on("Start "+contactsFlow, workflows.Status{State: workflows.StateFailed, Reason: "no such field"})
	code, _, stderr = w.run(t, "runs", "replay", loadRun, "-y")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "contacts is FAILED: no such field")

	const undo = "Update " + contactsFlow + " " + workflows.UpdateRequestRollback
	w.knows(func(r *activities.RunInfo) {
		r.Run, r.Flow, r.Kind, r.State = "rollback-"+loadRun+"-20260302T110000.000Z", activities.FlowRollback, activities.KindRollback, "FAILED"
	})
	w.on(undo, contacts(nil))
	code, _, stderr = w.run(t, "runs", "replay", "rollback-"+loadRun+"-20260302T110000.000Z", "-y")
	require.Zero(t, code, stderr)
	require.Equal(t, []any{workflows.RollbackRequest{Run: loadRun, By: "ada"}}, w.Requests[undo])

	const look = "Update " + contactsFlow + " " + workflows.UpdateSyncNow
	w.knows(func(r *activities.RunInfo) { r.Kind, r.State = activities.KindDelta, "FAILED" })
	w.on("Query "+contactsFlow+" Status", workflows.Status{State: workflows.StateRunning})
	w.on(look, contacts(nil))
	code, _, stderr = w.run(t, "runs", "replay", loadRun, "-y")
	require.Zero(t, code, stderr)
	require.Equal(t, []any{workflows.SyncNowRequest{By: "ada"}}, w.Requests[look])
}
