package egress

import (
	"context"
	"fmt"
	"runtime/debug"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/timeline"
)

// What egress does about events at which the code itself fails; poison.go has
// the same for records.

// putDown tells the ledger that this attempt ends in good order. What became of a
// write need not be known: it can be repeated, and is never undone.
func (w *timelineWriter) putDown(ctx context.Context) {
	if err := w.o.Ledger.ReleaseLane(context.WithoutCancel(ctx), w.lane.ID, w.lane.Token, false); err != nil {
		w.o.Logger.Warn("putting down a lane", "flow", activities.FlowEgress, "page", w.lane.ID.Page, "error", err)
	}
}

// row makes the row of an event; a panic is an error of that event.
func (w *timelineWriter) row(o *occurrence) (row *timeline.Row, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = w.panicked(o, p)
		}
	}()
	return w.plan.Row(o.event, o.contact)
}

func (w *timelineWriter) panicked(o *occurrence, p any) *apierr.Error {
	w.o.Logger.Error("panic at an event", "flow", activities.FlowEgress, "record_id", o.event.Key, "panic", run.PanicText(p), "stack", string(debug.Stack()))
	return &apierr.Error{Class: apierr.Rejected, Reason: run.CodePanic, Service: "causeway", Op: "write to the timeline",
		Message: "the program failed at this event (" + run.PanicText(p) + "); the worker's log has the place, please report it"}
}

// rescued is group for a goroutine of ours, where a panic would end the process:
// the group is halved until the event at which it comes stands alone.
func (w *timelineWriter) rescued(ctx context.Context, group []*occurrence) (again []*occurrence) {
	defer func() {
		p := recover()
		switch {
		case p == nil:
		case len(group) == 1:
			w.quarantine(ctx, group[0], w.panicked(group[0], p))
		default:
			for _, o := range group {
				o.limit = (len(group) + 1) / 2
			}
			again = group
		}
	}()
	return w.group(ctx, group)
}

// carefully writes the events of a lane at which workers have died one at a
// time, each noted first, and sets the one aside at which they die.
func (w *timelineWriter) carefully(ctx context.Context, todo []*occurrence, stopping <-chan struct{}) {
	for n, o := range todo {
		if !w.goOn(ctx, len(todo), stopping) {
			w.leave(todo[n:])
			return
		}
		i := o.indices[0]
		if i == w.lane.InFlight && w.lane.InFlightCrashes >= run.PoisonAfter {
			w.quarantine(ctx, o, &apierr.Error{Class: apierr.Rejected, Reason: run.CodePoison,
				Message: fmt.Sprintf("the worker died %d times in a row while it was at this event", w.lane.InFlightCrashes)})
			continue
		}
		if err := w.o.Ledger.MarkInFlight(ctx, w.lane.ID, w.lane.Token, i); err != nil {
			w.end(w.commitFailure(err))
			return
		}
		for again := []*occurrence{o}; len(again) > 0; {
			again = w.rescued(ctx, again)
		}
	}
}
