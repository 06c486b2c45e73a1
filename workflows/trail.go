package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// trailBatch bounds the entries of one LogOperation, and with it its payload.
const trailBatch = 50

// trail is the audit trail of an owner. An entry is added when a request is accepted,
// and a coroutine writes it to the ledger, so that no operator waits for a ledger that
// is down. Entries that are not written yet are part of the owner's state.
type trail struct {
	pending *[]activities.Operation
	end     **activities.LogEnd // the last entry in the ledger, when this workflow last wrote one
}

// openTrail begins to write entries to the ledger; pending and end are part of the
// workflow's state.
func openTrail(ctx workflow.Context, pending *[]activities.Operation, end **activities.LogEnd) *trail {
	t := &trail{pending: pending, end: end}
	clean, _ := workflow.NewDisconnectedContext(ctx) // entries are written also when the workflow is cancelled
	workflow.GoNamed(clean, "audit-trail", t.write)
	return t
}

// add takes an entry. Its id is that of the update in hand, unless it has one.
func (t *trail) add(ctx workflow.Context, op activities.Operation) {
	if op.ID == "" {
		// The first run of the chain: a reset keeps it, and applies the update anew.
		op.ID = workflow.GetInfo(ctx).FirstRunID + "/" + workflow.GetCurrentUpdateInfo(ctx).ID
	}
	op.At = workflow.Now(ctx)
	*t.pending = append(*t.pending, op)
}

func (t *trail) write(ctx workflow.Context) {
	for {
		if err := workflow.Await(ctx, func() bool { return len(*t.pending) > 0 }); err != nil {
			return
		}
		batch := slices.Clone((*t.pending)[:min(len(*t.pending), trailBatch)])
		opts := activityOptions(QueueMain, activities.KindDelta, "audit trail: "+batch[len(batch)-1].What)
		var end *activities.LogEnd
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.LogOperation, activities.LogInput{Operations: batch}).Get(ctx, &end)
		if err != nil { // the ledger was down for longer than an activity is tried
			workflow.GetLogger(ctx).Error("audit trail", "entries", len(*t.pending), "error", err)
			if workflow.Sleep(ctx, time.Minute) != nil {
				return
			}
			continue
		}
		if end != nil { // a worker of before did not say it
			*t.end = end
		}
		*t.pending = slices.Clone((*t.pending)[len(batch):])
	}
}

// flush waits until every entry is in the ledger. A workflow that ends calls it.
func (t *trail) flush(ctx workflow.Context) {
	if len(*t.pending) == 0 {
		return
	}
	clean, _ := workflow.NewDisconnectedContext(ctx)
	_ = workflow.Await(clean, func() bool { return len(*t.pending) == 0 }) // it fails only when it is cancelled, and nobody does that
}

// was is a revision that another takes the place of; "" when it is the same.
func was(old, revision string) string {
	if old == revision {
		return ""
	}
	return old
}

// inWords says what a window narrows a backfill to: columns, and no values.
func inWords(w activities.Window) string {
	var parts []string
	if n := len(w.IDs); n > 0 {
		parts = append(parts, fmt.Sprintf("%d records by id", n))
	}
	if !w.Since.IsZero() {
		parts = append(parts, "modified since "+w.Since.UTC().Format(time.RFC3339))
	}
	if !w.Until.IsZero() {
		parts = append(parts, "modified before "+w.Until.UTC().Format(time.RFC3339))
	}
	for _, c := range w.Where {
		parts = append(parts, "where "+c.Column+" "+c.Is+" …")
	}
	if len(parts) == 0 {
		return "the whole table"
	}
	return strings.Join(parts, ", ")
}
