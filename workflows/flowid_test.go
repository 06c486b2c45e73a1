package workflows_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// Operators type these ids into the Temporal UI, and runbooks name them.
func TestWorkflowIDsSayWhatRuns(t *testing.T) {
	t.Parallel()
	contacts, events, optouts := workflows.FlowNamed("acme", "contacts"), workflows.FlowNamed("acme", "egress"), workflows.FlowNamed("acme", "optout")
	require.Equal(t, workflows.TableFlow("acme", "contacts"), contacts)
	require.Equal(t, workflows.EventFlow("acme"), events)
	require.Equal(t, workflows.OptOutFlow("acme"), optouts)

	for want, got := range map[string]string{
		"acme/ingress/contacts":             contacts.WorkflowID(),
		"acme/ingress/contacts/audit":       contacts.AuditID(),
		"acme/ingress/contacts/backfill/r1": contacts.PassID(activities.KindInitial, "r1"),
		"acme/ingress/contacts/backfill/r2": contacts.PassID(activities.KindBackfill, "r2"),
		"acme/ingress/contacts/delta/r":     contacts.PassID(activities.KindDelta, "r"),
		"acme/ingress/contacts/rollback/r":  contacts.PassID(activities.KindRollback, "r"),
		"acme/ingress/contacts/release/r":   contacts.PassID(activities.KindRelease, "r"),
		"acme/egress":                       events.WorkflowID(),
		"acme/egress/pass/r":                events.PassID(activities.KindDelta, "r"),
		"acme/optout":                       optouts.WorkflowID(),
		"acme/optout/pass/r":                optouts.PassID(activities.KindInitial, "r"),
	} {
		require.Equal(t, want, got)
	}
}

// A flow is known by the name that operators type, and begins with its own owner.
func TestAFlowKnowsItsNameAndOwner(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"contacts": workflows.TypeTableSync, "egress": workflows.TypeEventSync, "optout": workflows.TypeOptOutSync} {
		id := workflows.FlowNamed("acme", name)
		require.Equal(t, name, id.Name())
		got, input := id.Owner()
		require.Equal(t, want, got)
		require.NotNil(t, input)
	}
	_, input := workflows.TableFlow("acme", "contacts").Owner()
	require.Equal(t, workflows.TableSyncInput{Instance: "acme", Table: "contacts"}, input)
}
