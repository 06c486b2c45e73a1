package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"causeway.dev/workflows"
)

// audit starts an audit as the command line does.
func (w *world) audit(table string, repair bool) client.WorkflowRun {
	w.t.Helper()
	run, err := w.client.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{
		ID: workflows.TableFlow(w.cfg.Instance, table).AuditID(), TaskQueue: workflows.QueueMain,
	}, workflows.TypeAudit, workflows.AuditInput{Instance: w.cfg.Instance, Table: w.cfg.Ingress.Tables[table], Repair: repair, By: "test"})
	require.NoError(w.t, err)
	return run
}

func (w *world) audited(run client.WorkflowRun) workflows.AuditResult {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), settleWithin)
	defer cancel()
	var out workflows.AuditResult
	require.NoError(w.t, run.Get(ctx, &out), w.tail())
	return out
}

// An audit finds the edits in Campaign, although its worker is killed and changes go on
// in Dynamics. After its repair both systems agree.
func TestAnAuditRepairs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 2_500, pageSize: 500})
	first := w.startWorker()
	w.startFlow()
	w.loaded()
	ids := w.ids()
	for i, id := range ids[:60] {
		if i%2 == 0 {
			require.NoError(t, w.boxes.Campaign.Update("profile", id, []byte(`{"lastName":"Somebody"}`)))
		} else {
			require.NoError(t, w.boxes.Campaign.Delete("profile", id))
		}
	}
	w.boxes.Campaign.SetLatency(30 * time.Millisecond)
	before := w.engineCalls()
	run := w.audit("contacts", true)
	require.Eventually(t, func() bool { return w.engineCalls() > before+3 }, settleWithin, time.Millisecond, "it looks at what differs")
	first.kill()
	for i, id := range ids[100:120] {
		w.edit(id, map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", i)})
	}
	w.startWorker()
	got := w.audited(run)
	require.Equal(t, int64(30), got.Findings.Changed)
	require.Equal(t, int64(30), got.Findings.Missing)
	require.Zero(t, got.Findings.Stray)
	require.True(t, got.Repair)
	w.inStep()
	w.until("the repair", func(st workflows.Status) bool {
		return st.Run == "" && len(st.Queued(workflows.RequestRepair)) == 0 && st.Phase == "waiting for changes"
	})
	require.True(t, w.audited(w.audit("contacts", false)).InStep())
	w.noPersonalData()
}
