package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// shownAttributes are the search attributes of a flow.
type shownAttributes struct {
	state                      State
	revision                   string
	read, written, quarantined int64
}

// publish shows the flow in the Temporal UI: search attributes, when they have
// changed, and details.
func (o *owner) publish(ctx workflow.Context) {
	st := o.Status
	now := shownAttributes{st.State, st.Revision, st.Totals.Read, st.Totals.Written(), st.Quarantined}
	if now != o.shown {
		o.shown = now
		err := workflow.UpsertTypedSearchAttributes(ctx,
			AttrFlow.ValueSet(o.id.Flow), AttrTable.ValueSet(o.name), AttrState.ValueSet(string(now.state)),
			AttrRevision.ValueSet(now.revision), AttrRead.ValueSet(now.read), AttrWritten.ValueSet(now.written),
			AttrQuarantined.ValueSet(now.quarantined))
		if err != nil {
			workflow.GetLogger(ctx).Warn("search attributes", "flow", o.id.Flow, "table", o.name, "error", err)
		}
	}
	o.describe(ctx)
}

// describe shows details only, which adds nothing to the history.
func (o *owner) describe(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, o.self.details()+lastRun(o.Status))
}

// lastRun says how the newest run ended. One that was small has no workflow of its
// own that tells.
func lastRun(st Status) string {
	var line string
	if pr := st.Progress; pr != nil {
		line = fmt.Sprintf("\n\nAt work: run %s, %d of %d records settled.", pr.Run, pr.Counts.Settled(), pr.Read)
	}
	if last := st.LastRun; last != nil {
		line += fmt.Sprintf("\n\nLast run: %s (%s) %s, %d read, %d written, %d refused.", last.Run, last.Named(), last.State, last.Counts.Read, last.Counts.Written(), last.Counts.Quarantined)
	}
	return line
}

// noteModels keeps what a look at the data models found while the flow waited.
func (o *owner) noteModels(ctx workflow.Context, first *activities.FetchResult) {
	if m := first.Models; m != nil && !slices.Equal(m.Changes, o.Status.ModelChanges) {
		o.Status.ModelChanges = m.Changes
		o.publish(ctx)
	}
}

// modelChanges is a paragraph for each change of the data models.
func modelChanges(st Status) string {
	out := ""
	for _, c := range st.ModelChanges {
		out += "\n\n**Changed while it runs**: " + c
	}
	return out
}

// details of a flow that is one of a kind.
func (o *owner) details() string {
	st := o.Status
	details := headline(st)
	for _, w := range st.Warnings {
		details += "\n\n**Warning**: " + w
	}
	return details + modelChanges(st) + settledUntil(st) + allRuns(st, "")
}

func headline(st Status) string {
	line := fmt.Sprintf("**%s** since %s: %s", st.State, st.Since.UTC().Format(time.RFC3339), st.Phase)
	if st.Reason != "" {
		line += "\n\n> " + st.Reason
	}
	if !st.RetryAt.IsZero() {
		line += "\n\nTries again by itself at " + st.RetryAt.UTC().Format(time.RFC3339) + "."
	}
	if st.Restored != "" {
		line += "\n\n**" + st.Restored + "**; everything is compared anew"
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
