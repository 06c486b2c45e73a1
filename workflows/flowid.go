package workflows

import (
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
)

// Workflow types.
const (
	TypeTableSync  = "TableSync"
	TypeEventSync  = "EventSync"
	TypeOptOutSync = "OptOutSync"

	TypeBackfill   = "Backfill"
	TypeDeltaPass  = "DeltaPass"
	TypeRollback   = "Rollback"
	TypeRelease    = "Release"
	TypeEventPass  = "EventPass"
	TypeOptOutPass = "OptOutPass"

	TypeAudit = "Audit"
)

// FlowID names one flow of an instance: that of a table mapping, that of the
// events, or that of the opt-outs. Every workflow id is made here.
type FlowID struct {
	Instance string
	Flow     string // activities.FlowIngress, FlowEgress or FlowOptOut
	Table    string // of ingress; "" of the others, of which there is one each
}

// TableFlow is the flow of a table mapping.
func TableFlow(instance, table string) FlowID {
	return FlowID{Instance: instance, Flow: activities.FlowIngress, Table: table}
}

// EventFlow is the flow of the events.
func EventFlow(instance string) FlowID {
	return FlowID{Instance: instance, Flow: activities.FlowEgress}
}

// OptOutFlow is the flow of the opt-outs.
func OptOutFlow(instance string) FlowID {
	return FlowID{Instance: instance, Flow: activities.FlowOptOut}
}

// FlowNamed is the flow that an operator calls name: "egress", "optout", or that
// of the table of this name. No table has the name of another flow.
func FlowNamed(instance, name string) FlowID {
	switch name {
	case activities.FlowEgress:
		return EventFlow(instance)
	case activities.FlowOptOut:
		return OptOutFlow(instance)
	}
	return TableFlow(instance, name)
}

// Name is what operators call the flow: its table, else "egress" or "optout".
// The runs of the flow have it in RunRef.Table.
func (f FlowID) Name() string {
	if f.IsTable() {
		return f.Table
	}
	return f.Flow
}

// IsTable says that the flow is that of a table mapping.
func (f FlowID) IsTable() bool { return f.Flow == activities.FlowIngress }

// IsEvents says that the flow is that of the events.
func (f FlowID) IsEvents() bool { return f.Flow == activities.FlowEgress }

// IsOptOut says that the flow is that of the opt-outs.
func (f FlowID) IsOptOut() bool { return f.Flow == activities.FlowOptOut }

// WorkflowID is the id of the one workflow that owns the flow.
func (f FlowID) WorkflowID() string {
	if f.IsTable() {
		return f.Instance + "/" + f.Flow + "/" + f.Table
	}
	return f.Instance + "/" + f.Flow
}

// PassID is the id of the child workflow that carries out a run of the flow.
func (f FlowID) PassID(kind activities.Kind, run string) string {
	name := "pass"
	if f.IsTable() {
		switch kind {
		case activities.KindDelta, activities.KindRollback, activities.KindRelease:
			name = string(kind)
		default: // an initial load is a backfill of everything
			name = string(activities.KindBackfill)
		}
	}
	return f.WorkflowID() + "/" + name + "/" + run
}

// AuditID is the id of the audit of a table; there is one at a time.
func (f FlowID) AuditID() string { return f.WorkflowID() + "/audit" }

// Searchable are the search attributes by which a workflow of the flow is found, however
// it ends.
func (f FlowID) Searchable(revision string) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(AttrFlow.ValueSet(f.Flow), AttrTable.ValueSet(f.Name()), AttrRevision.ValueSet(revision),
		AttrRead.ValueSet(0), AttrWritten.ValueSet(0), AttrQuarantined.ValueSet(0))
}

// Owner is the type of the workflow that owns the flow, and the input that begins it.
func (f FlowID) Owner() (workflowType string, input any) {
	switch {
	case f.IsEvents():
		return TypeEventSync, EventSyncInput{Instance: f.Instance}
	case f.IsOptOut():
		return TypeOptOutSync, OptOutSyncInput{Instance: f.Instance}
	}
	return TypeTableSync, TableSyncInput{Instance: f.Instance, Table: f.Table}
}

var kindInWords = map[activities.Kind]string{
	activities.KindInitial: "initial load", activities.KindBackfill: "backfill", activities.KindDelta: "changes",
	activities.KindRollback: "rollback", activities.KindRelease: "release",
}

// runInWords says in the Temporal UI what a run of the flow is; title is what the kind does
// not tell.
func (f FlowID) runInWords(kind activities.Kind, title string) string {
	switch {
	case title != "":
		return title + " of " + f.Name()
	case f.IsEvents() && kind == activities.KindDelta:
		return "events to the timeline"
	case f.IsEvents():
		return "backfill of events"
	}
	return kindInWords[kind] + " of " + f.Name()
}
