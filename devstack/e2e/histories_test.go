package e2e

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
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

var record = flag.Bool("record", false, "keep histories in workflows/testdata/histories; see devstack/record-histories")

// Histories that a real server recorded replay. With -record they are kept, and the
// root module replays them from then on.
func TestHistoriesReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 600, pageSize: 100})
	w.startWorker()
	w.startFlow()
	w.loaded()
	ids := w.ids()
	for _, id := range ids[:240] { // too many for the flow itself: a pass of its own
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

	w.replay(map[string][]string{
		workflows.TypeTableSync: {"table"}, workflows.TypeBackfill: {"initial-load", "backfill"}, workflows.TypeDeltaPass: {"changes"},
		workflows.TypeAudit: {"audit"}, workflows.TypeRelease: {"release"},
	})
}

// replay checks that the recorded histories replay, and that the named workflows are
// among them. With -record the oldest histories of each type are kept, under the names
// of their scenarios.
func (w *world) replay(scenarios map[string][]string) {
	w.t.Helper()
	seen := map[string]int{}
	for _, history := range w.historiesByRun() {
		started := history.Events[0].GetWorkflowExecutionStartedEventAttributes()
		kind := started.WorkflowType.Name
		replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true}) // a slow machine is no deadlock
		require.NoError(w.t, err)
		workflows.Register(replayer)
		require.NoError(w.t, replayer.ReplayWorkflowHistoryWithOptions(quiet{}, history, worker.ReplayWorkflowHistoryOptions{
			OriginalExecution: workflow.Execution{ID: started.WorkflowId, RunID: started.OriginalExecutionRunId},
		}), started.WorkflowId)
		if names := scenarios[kind]; *record && seen[kind] < len(names) {
			w.keep(names[seen[kind]], history)
		}
		seen[kind]++
	}
	for kind, names := range scenarios {
		require.GreaterOrEqual(w.t, seen[kind], len(names), kind)
	}
}

func (w *world) keep(scenario string, history *historypb.History) {
	w.t.Helper()
	data, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(history)
	require.NoError(w.t, err)
	dir := filepath.Join("..", "..", "workflows", "testdata", "histories")
	require.NoError(w.t, os.MkdirAll(dir, 0o755))
	require.NoError(w.t, os.WriteFile(filepath.Join(dir, scenario+".json"), append(data, '\n'), 0o644))
}

// historiesByRun reads every history of the namespace, the oldest first.
func (w *world) historiesByRun() []*historypb.History {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	list, err := w.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", PageSize: 200})
	require.NoError(w.t, err)
	require.NotEmpty(w.t, list.Executions)
	var out []*historypb.History
	for _, e := range list.Executions {
		var history historypb.History
		events := w.client.GetWorkflowHistory(ctx, e.Execution.WorkflowId, e.Execution.RunId, false, 0)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(w.t, err)
			history.Events = append(history.Events, event)
		}
		out = append(out, &history)
	}
	slices.SortFunc(out, func(a, b *historypb.History) int {
		return a.Events[0].EventTime.AsTime().Compare(b.Events[0].EventTime.AsTime())
	})
	return out
}
