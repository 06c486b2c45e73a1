package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"
)

// publish shows the flow in the Temporal UI: search attributes and details.
func (o *owner) publish(ctx workflow.Context) {
	st := o.Status
	err := workflow.UpsertTypedSearchAttributes(ctx,
		AttrFlow.ValueSet(o.id.Flow), AttrTable.ValueSet(o.name), AttrState.ValueSet(string(st.State)),
		AttrRevision.ValueSet(st.Revision), AttrRead.ValueSet(st.Totals.Read), AttrWritten.ValueSet(st.Totals.Written()),
		AttrQuarantined.ValueSet(st.Quarantined))
	if err != nil {
		workflow.GetLogger(ctx).Warn("search attributes", "flow", o.id.Flow, "table", o.name, "error", err)
	}
	workflow.SetCurrentDetails(ctx, o.self.details())
}

// details of a flow that is one of a kind.
func (o *owner) details() string {
	st := o.Status
	details := headline(st)
	for _, w := range st.Warnings {
		details += "\n\n**Warning**: " + w
	}
	return details + settledUntil(st) + allRuns(st, "")
}

func headline(st Status) string {
	line := fmt.Sprintf("**%s** since %s: %s", st.State, st.Since.UTC().Format(time.RFC3339), st.Phase)
	if st.Reason != "" {
		line += "\n\n> " + st.Reason
	}
	return line
}

func settledUntil(st Status) string {
	if st.Watermark.IsZero() {
		return ""
	}
	return fmt.Sprintf("\n\nEverything up to %s is settled.", st.Watermark.UTC().Format(time.RFC3339))
}

func allRuns(st Status, of string) string {
	return fmt.Sprintf("\n\nAll %d runs so far, %d %sin quarantine:\n\n%s", st.Runs, st.Quarantined, of, countsTable(st.Totals.Read, st.Totals))
}
