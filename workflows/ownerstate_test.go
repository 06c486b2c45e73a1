package workflows_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// The states of flows that live on are written by one build and read by the next.
// The fixture is one, with a value of its own in every field: each is read where it
// was written, and none is written under another name.
func TestStateOfAnEarlierBuildIsReadInFull(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(filepath.Join("testdata", "states", "tablesync.json"))
	require.NoError(t, err)
	var in workflows.TableSyncInput
	require.NoError(t, json.Unmarshal(document, &in))
	again, err := json.Marshal(in)
	require.NoError(t, err)
	require.JSONEq(t, string(document), string(again))

	st := in.State
	require.Equal(t, "acme", in.Instance)
	require.Equal(t, "contacts", in.Table)
	require.Equal(t, workflows.StatePaused, st.Status.State)
	require.Equal(t, int64(75), st.Status.Runs)
	require.Equal(t, 159, st.Tuning.Lanes)
	require.Equal(t, "s208", st.Plan)
	require.Equal(t, "s171", st.Queue[0].Run)
	require.Equal(t, []string{"s212"}, st.Recent)
	require.Equal(t, "s218", st.Trail[0].What)
	require.True(t, st.NeedsBaseline)
	require.Equal(t, "s168", st.InitialRun)
	require.Equal(t, []string{"s186"}, st.Status.Queued(workflows.RequestRepair))
	require.Equal(t, []string{"s190"}, st.Status.Queued(workflows.RequestRollback))
	require.Equal(t, []string{"s194"}, st.Status.Queued(workflows.RequestRelease))
	require.Equal(t, "s201", st.Queue[3].Release.Field)
	require.Equal(t, int64(172), st.Queue[0].Memory.Unknown)
	require.Equal(t, time.Date(2026, 6, 1, 8, 3, 27, 0, time.UTC), st.NextDue)
	require.Equal(t, []string{"s210"}, st.Parents)
}

// A flow that was continued as new by an earlier build is where it was.
func TestAFlowGoesOnWithTheStateOfAnEarlierBuild(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(filepath.Join("testdata", "states", "tablesync.json"))
	require.NoError(t, err)
	var in workflows.TableSyncInput
	require.NoError(t, json.Unmarshal(document, &in))
	written := in.State.Trail
	o := &operator{t: t, env: newWorkflowEnv(), f: newFake()}
	o.f.register(o.env)
	o.at(time.Second, func() {
		want := in.State.Status
		want.LogEnd = o.f.logEnd() // what waited to be logged is
		require.Equal(t, want, o.status())
		o.asks(workflows.UpdateCancelBackfill, o.mustAccept, workflows.CancelBackfillRequest{Run: "s194", By: "ada"})
		o.asks(workflows.UpdateCancelBackfill, o.mustRefuse("run s999 is neither running nor queued"), workflows.CancelBackfillRequest{Run: "s999"})
	})
	o.at(time.Minute, func() {
		st := o.status()
		require.Empty(t, st.Queued(workflows.RequestRelease))
		require.Equal(t, []string{"s190"}, st.Queued(workflows.RequestRollback), "nothing is undone while the flow is paused")
		o.env.CancelWorkflow()
	})
	o.env.ExecuteWorkflow(workflows.TableSync, in)
	completed(t, o.env)
	require.Equal(t, written, o.f.trail[:1])
	cancelled := o.f.trail[1]
	require.Equal(t, []string{"ada", activities.OpCancelBackfill, activities.FlowIngress, "contacts", "s194", "s84"},
		[]string{cancelled.By, cancelled.What, cancelled.Flow, cancelled.Table, cancelled.Run, cancelled.Revision})
}
