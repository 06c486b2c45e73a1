package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

func differs(kind string) error {
	return temporal.NewNonRetryableApplicationError("the ledger lacks what run contacts-7 did: it was restored from a backup", kind, nil)
}

// After the ledger was restored: settings checked, a new baseline, an audit, and its repair,
// without an operator. The status says so until all of it is through.
func TestARestoredLedgerIsComparedWithBothSystems(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	var asked workflows.AuditInput
	o.env.RegisterWorkflow(workflows.Audit)
	o.env.OnWorkflow(workflows.Audit, mock.Anything, mock.Anything).Return(func(_ workflow.Context, in workflows.AuditInput) (*workflows.AuditResult, error) {
		asked = in
		return &workflows.AuditResult{}, nil
	})
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		require.Empty(t, o.status().Restored)
		o.f.failOnce["fetch delta"] = differs(activities.FailureLedgerRestored)
	})
	o.at(3*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Contains(t, st.Restored, "it was restored from a backup")
		require.Equal(t, int64(2), st.Runs, "the first baseline, and a new one")
		require.True(t, asked.Repair)
		require.True(t, asked.Restored)
		require.Equal(t, "contacts", asked.Table.Name)
		o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-1", Failed: true})
		asked = workflows.AuditInput{}
	})
	o.at(5*time.Hour, func() {
		require.NotEmpty(t, asked.Instance, "an audit that failed is tried again")
		require.NotEmpty(t, o.status().Restored)
		o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-2"})
	})
	o.at(8*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Empty(t, st.Restored)
		require.Equal(t, int64(3), st.Runs)
	})
	o.run(9 * time.Hour)
	require.Equal(t, 2, countOf(o.f.steps(), "preflight"))
}

// A run that the ledger lost ends, and the flow goes on; when the ledger keeps losing what
// it was given, the flow FAILS.
func TestARunThatTheLedgerLostEnds(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		o.f.mu.Lock()
		defer o.f.mu.Unlock()
		o.f.failOnce["fetch delta"] = differs(activities.FailureLedgerLost)
	})
	o.at(3*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Contains(t, st.LastError, "restored from a backup")
	})
	o.run(4 * time.Hour)
}

func countOf(steps []string, step string) int {
	return len(slices.DeleteFunc(slices.Clone(steps), func(s string) bool { return s != step }))
}
