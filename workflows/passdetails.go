package workflows

import (
	"cmp"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// publish shows a run in the Temporal UI: search attributes and details.
func (p *pass) publish(ctx workflow.Context) {
	if p.small != nil {
		p.small.show(ctx)
		return
	}
	c := p.progress.Counts
	err := workflow.UpsertTypedSearchAttributes(ctx,
		AttrFlow.ValueSet(p.steps.flow), AttrTable.ValueSet(p.in.Ref.Table), AttrRevision.ValueSet(p.in.Ref.Revision),
		AttrRead.ValueSet(p.progress.Read), AttrWritten.ValueSet(c.Written()), AttrQuarantined.ValueSet(c.Quarantined))
	if err != nil {
		workflow.GetLogger(ctx).Warn("search attributes", "run", p.in.Ref.Run, "error", err)
	}
	p.describe(ctx)
}

func (p *pass) describe(ctx workflow.Context) {
	if p.small != nil {
		p.small.show(ctx)
		return
	}
	state := "phase " + string(p.progress.Phase) + ", at work"
	switch {
	case p.ended != "":
		state = p.ended
	case p.progress.Paused:
		state = "phase " + string(p.progress.Phase) + ", paused"
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**%s of %s**, %s\n\n%s\n\nPages fetched: %d, backlog: %d, expected: %d",
		cmp.Or(p.in.Title, string(p.in.Ref.Kind)), p.in.Ref.Table, state, countsTable(p.progress.Read, p.progress.Counts),
		p.progress.Pages, p.progress.Backlog, p.progress.Expected))
}

func countsTable(read int64, c activities.Counts) string {
	if c.Skipped() > 0 { // of events
		return fmt.Sprintf("| read | created | already there | disabled type | soft bounce | seed or proof | no contact | ignored | quarantined |\n|--|--|--|--|--|--|--|--|--|\n| %d | %d | %d | %d | %d | %d | %d | %d | %d |",
			read, c.Created, c.Unchanged, c.Disabled, c.SoftBounce, c.SeedOrProof, c.NoContact, c.Ignored, c.Quarantined)
	}
	return fmt.Sprintf("| read | created | updated | unchanged | filtered | deleted | parked | quarantined |\n|--|--|--|--|--|--|--|--|\n| %d | %d | %d | %d | %d | %d | %d | %d |",
		read, c.Created, c.Updated, c.Unchanged, c.Filtered, c.Deleted, c.Parked, c.Quarantined)
}
