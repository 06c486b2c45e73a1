package commands

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"causeway.dev/activities"
	"causeway.dev/internal/histories"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// resetFrom makes a history one that was reset from another execution.
func resetFrom(h *historypb.History, base string) *historypb.History {
	out := proto.Clone(h).(*historypb.History)
	out.Events = out.Events[:4]
	out.Events[3] = &historypb.HistoryEvent{EventId: 4, EventTime: h.Events[3].EventTime, EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED,
		Attributes: &historypb.HistoryEvent_WorkflowTaskFailedEventAttributes{WorkflowTaskFailedEventAttributes: &historypb.WorkflowTaskFailedEventAttributes{
			Cause: enumspb.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW, BaseRunId: base}}}
	return out
}

// All executions of a run are written, those it was reset from as well, and can be
// verified from the files.
func TestRunsExportAndVerify(t *testing.T) {
	t.Parallel()
	w := runsWorld(t)
	w.knows(nil)
	id := contactsFlow + "/backfill/" + loadRun
	w.Histories["run-reset"] = resetFrom(w.Histories["run-load"], "run-load")
	w.Runs = append([]operator.Execution{{WorkflowID: id, RunID: "run-reset", Type: "Backfill", Status: "Running", Started: noon}}, w.Runs...)
	dir := filepath.Join(t.TempDir(), "out")
	code, out, stderr := w.run(t, "runs", "export", loadRun, "--to", dir)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "2 history files written; check them with: causeway runs verify "+dir)
	code, out, _ = w.run(t, "runs", "export", loadRun, "--to", dir, "-o", "json") // over what is there
	require.Zero(t, code)
	var answer exported
	require.NoError(t, json.Unmarshal([]byte(out), &answer))
	require.Len(t, answer.Files, 2)
	require.Equal(t, filepath.Join(dir, "001-run-load.json"), answer.Files[0].File)
	require.Equal(t, "run-reset", answer.Files[1].RunID)
	f, err := os.Open(answer.Files[0].File)
	require.NoError(t, err)
	defer f.Close()
	got, err := histories.Read(f)
	require.NoError(t, err)
	require.True(t, proto.Equal(w.Histories["run-load"], got))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2, "nothing half written is left")

	code, out, stderr = w.run(t, "runs", "verify", dir)
	require.Zero(t, code, stderr)
	require.Equal(t, 2, strings.Count(out, "deterministic: Backfill"))
	code, out, stderr = w.run(t, "runs", "verify", answer.Files[0].File)
	require.Zero(t, code, stderr)
	require.Contains(t, out, fmt.Sprintf("deterministic: Backfill, %d events", len(w.Histories["run-load"].Events)))

	w.Runs = nil
	code, _, stderr = w.run(t, "runs", "export", loadRun, "--to", dir)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "Temporal has no history of it any more")
	code, _, stderr = w.run(t, "runs", "verify", loadRun)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "so it cannot be checked")
}

// Where a history differs, it says at which event, and what is on either side.
func TestRunsVerifyNamesThePlace(t *testing.T) {
	t.Parallel()
	w := runsWorld(t)
	w.on("Run "+activities.ShowRun, operator.ErrNoWorker)
	code, out, stderr := w.run(t, "runs", "verify", auditRun)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "deterministic: Audit")
	code, _, stderr = w.run(t, "runs", "verify", "contacts")
	require.Zero(t, code, stderr)

	h := w.Histories["run-audit"]
	at := eventOf(t, h, "ActivityTaskScheduled AuditMissing")
	changed := h.Events[at-1].GetActivityTaskScheduledEventAttributes()
	changed.ActivityType = &commonpb.ActivityType{Name: "AuditAgain"}
	code, out, _ = w.run(t, "runs", "verify", auditRun)
	require.Equal(t, 1, code)
	golden(t, "runs-verify.txt", out)
	code, out, _ = w.run(t, "runs", "verify", auditRun, "-o", "json")
	require.Equal(t, 1, code)
	var answer verification
	require.NoError(t, json.Unmarshal([]byte(out), &answer))
	require.False(t, answer.Deterministic)
	require.Equal(t, at, answer.Histories[0].Difference.Event)
	require.Equal(t, "ActivityTaskScheduled AuditAgain", answer.Histories[0].Difference.History)
	require.Equal(t, "does ScheduleActivityTask AuditMissing", answer.Histories[0].Difference.Code)

	file := filepath.Join(t.TempDir(), "x.json")
	require.NoError(t, os.WriteFile(file, []byte("[]"), 0o600))
	code, out, _ = w.run(t, "runs", "verify", file)
	require.Equal(t, 1, code)
	require.Contains(t, out, "not checked: it is not a JSON object")
}

func TestRunsCancel(t *testing.T) {
	t.Parallel()
	const ask = "Update " + contactsFlow + " " + workflows.UpdateCancelBackfill
	running := func(w *world, kind activities.Kind, typ string) {
		w.knows(func(r *activities.RunInfo) { r.Kind, r.State = kind, "RUNNING" })
		for i := range w.Runs {
			w.Runs[i].Status = "Running"
			if w.Runs[i].RunID == "run-load" {
				w.Runs[i].Type, w.Runs[i].WorkflowID = typ, workflows.TableFlow("acme", "contacts").PassID(kind, loadRun)
			}
		}
	}
	tests := map[string]struct {
		run     string
		arrange func(*world)
		asked   string
		refused string
	}{
		"a backfill at work": {run: loadRun, arrange: func(w *world) { running(w, activities.KindBackfill, "Backfill") }, asked: ask},
		"a backfill that is queued": {run: "contacts-20260302T115959.000Z", arrange: func(w *world) {
			w.on("Run "+activities.ShowRun, activities.ShowRunResult{})
		}, asked: ask},
		"a pass of changes": {run: loadRun, arrange: func(w *world) { running(w, activities.KindDelta, "DeltaPass") },
			refused: "applies changes and ends by itself"},
		"an audit": {run: auditRun, arrange: func(w *world) {
			running(w, activities.KindBackfill, "Backfill")
			w.on("Run "+activities.ShowRun, operator.ErrNoWorker)
		}, asked: "Cancel " + contactsFlow + "/audit"},
		"a run that has ended": {run: loadRun, arrange: func(w *world) { w.knows(nil) }, refused: "has ended already (Completed)"},
		"a run whose history is gone": {run: loadRun, arrange: func(w *world) {
			w.knows(nil)
			w.Runs = nil
		}, refused: "has ended already (COMPLETED)"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := runsWorld(t)
			w.on(ask, contacts(nil))
			w.on("Cancel "+contactsFlow+"/audit", true)
			tc.arrange(w)
			code, out, stderr := w.run(t, "runs", "cancel", tc.run)
			if tc.refused != "" {
				require.Equal(t, 2, code)
				require.Contains(t, stderr, tc.refused)
				return
			}
			require.Zero(t, code, stderr)
			require.Contains(t, w.Asked, tc.asked)
			require.Equal(t, "run "+tc.run+" is given up; what it wrote is kept\n", out)
			if tc.asked == ask {
				require.Equal(t, []any{workflows.CancelBackfillRequest{Run: tc.run, By: "ada"}}, w.Requests[ask])
			}
			code, out, _ = w.run(t, "runs", "cancel", tc.run, "-o", "json")
			require.Zero(t, code)
			require.True(t, json.Valid([]byte(out)))
		})
	}
}
