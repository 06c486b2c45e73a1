package ingress

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// settleCarefully is settle for a lane at which workers have died. Across the
// process, only one such record is in hand at a time.
func (w *laneWriter) settleCarefully(ctx context.Context, u *unit, settled *settler) {
	w.careful.Lock()
	defer w.careful.Unlock()
	i := u.indices[0]
	if i == w.lane.InFlight && w.lane.InFlightCrashes >= run.PoisonAfter {
		w.setAside(u, settled, run.CodePoison, fmt.Sprintf("the worker died %d times in a row while it was at this record", w.lane.InFlightCrashes))
		return
	}
	if err := w.o.Ledger.MarkInFlight(ctx, w.lane.ID, w.lane.Token, i); err != nil {
		w.note(ctx, u, settled.failure(err))
		return
	}
	w.settle(ctx, u, settled)
}

// suspectFirst lets the record that the last worker died at come first: if it is to
// blame, it shows at once, and nothing else is in hand meanwhile.
func (w *laneWriter) suspectFirst(units []*unit) []*unit {
	i := slices.IndexFunc(units, func(u *unit) bool { return u.indices[0] == w.lane.InFlight })
	if i <= 0 {
		return units
	}
	return append([]*unit{units[i]}, slices.Delete(slices.Clone(units), i, i+1)...)
}

// setAside refuses what is left of a unit, for a reason that lies in the code.
func (w *laneWriter) setAside(u *unit, settled *settler, code, message string) {
	for _, i := range u.indices {
		s := w.record.refuse(u.known, &w.lane.Entries[i], string(apierr.Rejected), code, message, "")
		s.Index = i
		s.Quarantine.NoRetry = code == run.CodePoison // at the next try workers would die again
		settled.add(s)
	}
	u.indices = nil
}

// rescue turns a panic at a record into a refusal of that record: it would come
// again with every attempt, and in a goroutine of ours it would end the process.
func (w *laneWriter) rescue(u *unit, settled *settler) {
	p := recover()
	if p == nil {
		return
	}
	if u.permit {
		permitOf{u, settled}.Release()
	}
	key := w.lane.Entries[u.indices[0]].Key
	w.o.Logger.Error("panic at a record", "table", w.in.Table, "record_id", key, "panic", run.PanicText(p), "stack", string(debug.Stack()))
	w.setAside(u, settled, run.CodePanic, "the program failed at this record ("+run.PanicText(p)+"); the worker's log has the place, please report it")
}

// guarded runs a look at one record ahead of its turn; one that panics is left
// to its turn.
func guarded(look func()) {
	defer func() { _ = recover() }()
	look()
}

// putDown tells the ledger that this attempt ends in good order; unsure, when it
// does not know what became of a write. It says so also when the activity was
// cancelled; when it cannot, the lane counts as died at, which costs a look and no
// more.
func (a *Activities) putDown(ctx context.Context, lane *ledger.Lane, unsure bool) {
	if err := a.o.Ledger.ReleaseLane(context.WithoutCancel(ctx), lane.ID, lane.Token, unsure); err != nil {
		a.o.Logger.Warn("putting down a lane", "table", lane.Table, "page", lane.ID.Page, "error", err)
	}
}
