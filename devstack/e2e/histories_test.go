package e2e

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/workflows"
)

var record = flag.String("record", "", "write histories to this folder, named with this release, as in -record v1")

// Must hold 6: what a real server recorded replays; with -record, the histories
// are kept, and the root module replays them from then on.
func TestHistoriesReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 600, pageSize: 100})
	w.startWorker()
	w.startFlow()
	w.loaded()
	ids := w.ids()
	for _, id := range ids[:40] {
		w.edit(id, map[string]any{"address1_city": "Nebelheim"})
	}
	w.inStep()
	var st workflows.Status
	w.update(workflows.UpdatePause, workflows.PauseRequest{Reason: "maintenance", By: "test"}, &st)
	w.update(workflows.UpdateResume, workflows.ResumeRequest{By: "test"}, &st)
	w.remove(ids[0])
	w.inStep()
	var backfill workflows.BackfillAnswer
	w.update(workflows.UpdateRequestBackfill, workflows.BackfillRequest{By: "test"}, &backfill)
	w.until("the backfill", func(st workflows.Status) bool {
		return st.LastRun != nil && st.LastRun.Run == backfill.Run && st.Run == ""
	})
	require.NoError(t, w.boxes.Campaign.Delete("profile", ids[1]))
	require.True(t, w.audited(w.audit("contacts", true)).Repair)
	w.inStep()
	w.edit(ids[2], map[string]any{"emailaddress1": "not-an-address"})
	w.until("a refusal", func(st workflows.Status) bool { return st.Quarantined == 1 && st.Run == "" })
	var release workflows.ReleaseAnswer
	w.update(workflows.UpdateRelease, workflows.ReleaseRequest{All: true, By: "test"}, &release)
	w.until("the release", func(st workflows.Status) bool { return st.LastRun.Run == release.Run && st.Run == "" })
	w.update(workflows.UpdateStop, workflows.StopRequest{By: "test"}, &st)

	w.replay(workflows.TypeTableSync, workflows.TypeBackfill, workflows.TypeDeltaPass, workflows.TypeAudit, workflows.TypeRelease)
}

// replay shows that what the server recorded replays, and that these kinds of
// workflow are among it; with -record two of each are kept.
func (w *world) replay(kinds ...string) {
	w.t.Helper()
	seen := map[string]int{}
	for _, history := range w.historiesByRun() {
		started := history.Events[0].GetWorkflowExecutionStartedEventAttributes()
		kind := started.WorkflowType.Name
		replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true}) // a slow machine is none
		require.NoError(w.t, err)
		workflows.Register(replayer)
		require.NoError(w.t, replayer.ReplayWorkflowHistoryWithOptions(quiet{}, history, worker.ReplayWorkflowHistoryOptions{
			OriginalExecution: workflow.Execution{ID: started.WorkflowId, RunID: started.OriginalExecutionRunId},
		}), started.WorkflowId)
		if seen[kind]++; *record != "" && seen[kind] <= 2 && slices.Contains(kinds, kind) {
			w.keep(strings.ToLower(kind), seen[kind], history)
		}
	}
	for _, kind := range kinds {
		require.Positive(w.t, seen[kind], kind)
	}
}

func (w *world) keep(kind string, n int, history *historypb.History) {
	w.t.Helper()
	data, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(history)
	require.NoError(w.t, err)
	dir := filepath.Join("..", "..", "workflows", "testdata", "histories")
	require.NoError(w.t, os.MkdirAll(dir, 0o755))
	name := *record + "-" + kind + "-" + string(rune('0'+n)) + ".json"
	require.NoError(w.t, os.WriteFile(filepath.Join(dir, name), append(data, '\n'), 0o644))
}

// historiesByRun reads every history of the namespace.
func (w *world) historiesByRun() map[string]*historypb.History {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	list, err := w.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", PageSize: 200})
	require.NoError(w.t, err)
	require.NotEmpty(w.t, list.Executions)
	out := map[string]*historypb.History{}
	for _, e := range list.Executions {
		var history historypb.History
		events := w.client.GetWorkflowHistory(ctx, e.Execution.WorkflowId, e.Execution.RunId, false, 0)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(w.t, err)
			history.Events = append(history.Events, event)
		}
		out[e.Execution.RunId] = &history
	}
	return out
}
