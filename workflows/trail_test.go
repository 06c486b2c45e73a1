package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// Every accepted request is in the audit trail, with who asked and the revision
// it concerns; a refused one is not. docs/protocol/integration.md §26 "audit"
func TestWhatOperatorsAskForIsLogged(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	table := *start.Table
	table.ApplyDeletes = true
	changed := start
	changed.Table, changed.By = &table, "bob"
	changed.Revision = changed.Table.Revision()
	o.f.approvals = []activities.Approval{{Run: "contacts-1", Deletes: 7}}
	o.at(time.Second, func() {
		o.asks(workflows.UpdateStop, o.mustRefuse("nothing to stop"), workflows.StopRequest{By: "eve"})
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(time.Hour, func() {
		o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{By: "ada", Reason: "release"})
		o.asks(workflows.UpdateResume, o.mustAccept, workflows.ResumeRequest{By: "ada"})
		o.asks(workflows.UpdateApprove, o.mustAccept, workflows.ApproveRequest{By: "ada", Run: "contacts-1"})
		o.asks(workflows.UpdateApplyConfig, o.mustAccept, workflows.StartRequest{By: "bob", Table: changed.Table, Revision: changed.Revision})
		o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{By: "ada", Window: activities.Window{
			Since: time.Unix(0, 0), Where: []activities.Condition{{Column: "statecode", Is: "equals", Value: "secret"}}}})
	})
	o.at(2*time.Hour, func() {
		o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-contacts-1", By: "ada"})
		o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-contacts-1", By: "ada"})
	})
	o.at(3*time.Hour, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{By: "bob"}) })
	o.at(4*time.Hour, func() { o.asks(workflows.UpdateStart, o.mustAccept, changed) })
	o.run(5 * time.Hour)

	type entry struct{ by, what, run, revision, was, words string }
	var got []entry
	for _, op := range o.f.trail {
		require.Equal(t, "contacts", op.Table)
		require.Equal(t, activities.FlowIngress, op.Flow)
		require.False(t, op.At.IsZero())
		run := op.Run
		if op.What == activities.OpBackfill {
			require.NotEmpty(t, run)
			run = "a run"
		}
		got = append(got, entry{op.By, op.What, run, op.Revision, op.Was, op.Reason + op.Detail})
	}
	before, after := start.Revision, changed.Revision
	require.Equal(t, []entry{
		{"ada", "start", "", before, "", ""},
		{"ada", "pause", "", before, "", "release"},
		{"ada", "resume", "", before, "", ""},
		{"ada", "approve", "contacts-1", before, "", ""},
		{"bob", "apply", "", after, before, ""},
		{"ada", "backfill", "a run", before, "", "modified since 1970-01-01T00:00:00Z, where statecode equals …"},
		{"ada", "repair", "audit-contacts-1", before, "", ""},
		{"bob", "stop", "", before, "", ""},
		{"bob", "start", "", after, before, ""},
	}, got)
	require.Equal(t, o.f.logEnd(), o.status().LogEnd, "it remembers how far the trail goes")
}

// A ledger that is down keeps nobody waiting for an answer, and what is not in
// it yet goes with the flow when it continues as new.
func TestTheAuditTrailOutlastsTheLedgerAndContinuingAsNew(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.f.lost = 1 << 30
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		require.Equal(t, workflows.StateRunning, o.status().State, "answered, and at work")
		o.env.SetContinueAsNewSuggested(true)
		o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{By: "bob"})
	})
	o.env.ExecuteWorkflow(workflows.TableSync, workflows.TableSyncInput{Instance: "acme", Table: "contacts"})
	again, ok := errors.AsType[*workflow.ContinueAsNewError](o.env.GetWorkflowError())
	require.True(t, ok, "%v", o.env.GetWorkflowError())
	require.Empty(t, o.f.trail)
	var next workflows.TableSyncInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	require.Len(t, next.State.Trail, 2)

	later := newOperator(t)
	later.f.lost = 100
	later.at(time.Hour, later.env.CancelWorkflow) // while the ledger is still down
	later.env.ExecuteWorkflow(workflows.TableSync, next)
	completed(t, later.env)
	require.Equal(t, next.State.Trail, later.f.trail)
	require.Zero(t, later.f.lost)
}

// How far the audit trail goes is remembered when a flow continues as new.
func TestTheEndOfTheAuditTrailIsRemembered(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		o.env.SetContinueAsNewSuggested(true)
		o.asks(workflows.UpdateSyncNow, o.mustAccept, workflows.SyncNowRequest{})
	})
	o.env.ExecuteWorkflow(workflows.TableSync, workflows.TableSyncInput{Instance: "acme", Table: "contacts"})
	again, ok := errors.AsType[*workflow.ContinueAsNewError](o.env.GetWorkflowError())
	require.True(t, ok, "%v", o.env.GetWorkflowError())
	var next workflows.TableSyncInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	require.Len(t, o.f.trail, 1)
	require.Equal(t, o.f.logEnd(), next.State.Status.LogEnd)
}
