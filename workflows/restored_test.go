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

// onAudit takes the audits that a flow begins.
func (o *operator) onAudit(asked *workflows.AuditInput) {
	o.env.RegisterWorkflow(workflows.Audit)
	o.env.OnWorkflow(workflows.Audit, mock.Anything, mock.Anything).Return(func(_ workflow.Context, in workflows.AuditInput) (*workflows.AuditResult, error) {
		*asked = in
		return &workflows.AuditResult{}, nil
	})
}

// After the ledger was restored: settings checked, a new baseline, an audit, and its repair,
// without an operator. The status says so until all of it is through.
func TestARestoredLedgerIsComparedWithBothSystems(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	var asked workflows.AuditInput
	o.onAudit(&asked)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		require.Empty(t, o.status().Restored)
		require.Equal(t, "initial load", o.status().LastRun.Named())
		o.f.failOnce["fetch delta"] = differs(activities.FailureLedgerRestored)
	})
	o.at(3*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Contains(t, st.Restored, "it was restored from a backup")
		require.Equal(t, int64(2), st.Runs, "the first baseline, and a new one")
		require.Equal(t, "new baseline after a restore", st.LastRun.Named())
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
		require.Equal(t, "new baseline after an audit", st.LastRun.Named())
	})
	o.run(9 * time.Hour)
	require.Equal(t, 2, countOf(o.f.steps(), "preflight"))
}

// A run that the ledger lost ends, and the flow goes on. The run had been opened, so the
// ledger was restored: everything is compared anew, also before a run was completed.
func TestARunThatTheLedgerLostEnds(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	var asked workflows.AuditInput
	o.onAudit(&asked)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		o.f.mu.Lock()
		defer o.f.mu.Unlock()
		o.f.failOnce["fetch delta"] = differs(activities.FailureLedgerLost)
	})
	o.at(3*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Contains(t, st.Restored, "restored from a backup")
		require.Equal(t, int64(2), st.Runs, "a new baseline")
		require.True(t, asked.Restored)
	})
	o.run(4 * time.Hour)
	require.Equal(t, []bool{false, true}, o.f.restored, "the second start tells the ledger")
}

// A start that finds in the ledger that it was restored compares everything, also where
// Temporal was lost and the flow is a new one.
func TestANewFlowTakesTheLedgersWordForARestore(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	var asked workflows.AuditInput
	o.onAudit(&asked)
	o.f.saysRestored = "an operator says that it was restored"
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(2*time.Hour, func() {
		require.Equal(t, o.f.saysRestored, o.status().Restored)
		require.True(t, asked.Restored)
		o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-1"})
	})
	o.at(4*time.Hour, func() {
		require.Empty(t, o.status().Restored)
		require.Equal(t, int64(2), o.status().Runs)
	})
	o.run(5 * time.Hour)
}

// A restore that the flow first meets as it opens a run is told there: the run would be the
// last that it knows, and nobody would ask for what the ledger lost.
func TestARunTellsARestoredLedgerAsItBegins(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	var asked workflows.AuditInput
	o.onAudit(&asked)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		o.f.mu.Lock()
		o.f.failOnce["open backfill"] = differs(activities.FailureLedgerRestored)
		o.f.mu.Unlock()
		o.asks(workflows.UpdateRequestBackfill, o.accepted, workflows.BackfillRequest{})
	})
	o.at(3*time.Hour, func() {
		require.Contains(t, o.status().Restored, "it was restored from a backup")
		require.True(t, asked.Restored)
		o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-1"})
	})
	o.at(5*time.Hour, func() { require.Empty(t, o.status().Restored) })
	o.run(6 * time.Hour)
	require.Len(t, o.f.knew, 4, "a load, a backfill, a new baseline, a repair")
	load, backfill, baseline, repair := o.f.knew[0], o.f.knew[1], o.f.knew[2], o.f.knew[3]
	require.NotEmpty(t, load.Start)
	require.Equal(t, activities.LedgerKnown{Start: load.Start}, load)
	require.NotEmpty(t, backfill.Run)
	require.Equal(t, activities.LedgerKnown{Start: baseline.Start, Comparing: true, Marked: true}, baseline, "the start has told the ledger")
	require.NotEmpty(t, repair.Run)
	require.Greater(t, baseline.Start, load.Start, "it is another start")
	last := &activities.RunKnown{Run: repair.Run, State: "COMPLETED", Settled: 40}
	require.Equal(t, activities.LedgerKnown{Ledger: "ledger-1", Run: repair.Run, Start: baseline.Start, Opened: last, Comparing: true}, repair, "the audit has looked")
	require.NotContains(t, o.f.staged, 0, "who saves a run says how many pages it had staged")
}

func countOf(steps []string, step string) int {
	return len(slices.DeleteFunc(slices.Clone(steps), func(s string) bool { return s != step }))
}

// What an operator asks for may be carried out in a restored ledger before the flow looks.
// So a run of it does not hide the last run that the ledger was found to hold.
func TestABackfillHidesNoRestoredLedger(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	var first string
	o.at(2*time.Hour, func() {
		first = o.status().LastRun.Run
		o.f.mu.Lock()
		o.f.ledgerKnown = nil
		o.f.mu.Unlock()
		o.asks(workflows.UpdateRequestBackfill, o.accepted, workflows.BackfillRequest{})
	})
	o.at(4*time.Hour, func() {
		second := o.status().LastRun.Run
		require.NotEqual(t, first, second)
		o.f.mu.Lock()
		defer o.f.mu.Unlock()
		began := o.f.ledgerKnown[0].Start
		last := &activities.RunKnown{Run: second, State: "COMPLETED", Settled: 24}
		require.Contains(t, o.f.ledgerKnown, activities.LedgerKnown{Ledger: "ledger-1", Run: first, Latest: second, Start: began, Opened: last}, "both are looked for")
		require.Equal(t, activities.LedgerKnown{Ledger: "ledger-1", Run: second, Start: began, Opened: last}, o.f.ledgerKnown[len(o.f.ledgerKnown)-1], "until they were found")
	})
	o.run(5 * time.Hour)
}
