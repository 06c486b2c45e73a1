package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"causeway.dev/workflows"
)

// A server without standalone activities, or with them switched off, can be operated
// like any other. Each question is then a workflow of one activity.
func TestOperatingAServerWithoutStandaloneActivities(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 20, dynamic: map[string]any{"activity.enableStandalone": false}})
	w.startWorker()
	w.startFlow()
	w.loaded()
	code, out, stderr := w.causeway("quarantine", "list")
	require.Zero(t, code, stderr)
	require.Equal(t, "No record in quarantine fits.\n", out)
	code, out, stderr = w.causeway("runs", "list")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "COMPLETED")
	code, out, stderr = w.causeway("explain", "contacts", w.ids()[0], "--live")
	require.Zero(t, code, stderr)
	require.Regexp(t, "In Campaign now +there", out)

	// An error of the worker is not taken for a feature that the server lacks.
	code, _, stderr = w.causeway("rollback", "contacts-20200102T030405.000Z", "--yes")
	require.Equal(t, 2, code, "there is no such run: nothing was done")
	require.Contains(t, stderr, "which is not in the ledger")

	asked := &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: "WorkflowType = '" + workflows.TypeAsk + "'"}
	require.Eventually(t, func() bool { // visibility lags a little
		count, err := w.client.CountWorkflow(t.Context(), asked)
		return err == nil && count.GetCount() >= 4
	}, settleWithin, 100*time.Millisecond)
	w.replay(map[string][]string{workflows.TypeAsk: {"question"}})
}
