package activities

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

const (
	// carefulAfter deaths at a lane, its records are written one at a time, each
	// noted first, so that the next death tells which of them it was.
	carefulAfter = 3
	// poisonAfter deaths in a row with the same record in hand, it is set aside.
	// One death proves little: a worker may be killed at any record.
	poisonAfter = 3
)

// Codes of records at which the code itself fails.
const (
	codePanic  = "Panic"
	codePoison = "Poison"
)

// settleCarefully is settle for a lane at which workers have died. Across the
// process, only one such record is in hand at a time.
func (w *laneWriter) settleCarefully(ctx context.Context, u *unit, settled *settler) {
	w.careful.Lock()
	defer w.careful.Unlock()
	i := u.indices[0]
	if i == w.lane.InFlight && w.lane.InFlightCrashes >= poisonAfter {
		w.setAside(u, settled, codePoison, fmt.Sprintf("the worker died %d times in a row while it was at this record", w.lane.InFlightCrashes))
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
		s.Quarantine.NoRetry = code == codePoison // at the next try workers would die again
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
		permitOf{u, settled}.release()
	}
	key := w.lane.Entries[u.indices[0]].Key
	w.o.Logger.Error("panic at a record", "table", w.in.Table, "record_id", key, "panic", panicText(p), "stack", string(debug.Stack()))
	w.setAside(u, settled, codePanic, "the program failed at this record ("+panicText(p)+"); the worker's log has the place, please report it")
}

// panicText describes a panic without what may be a record's values.
func panicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
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
func (a *Ingress) putDown(ctx context.Context, lane *ledger.Lane, unsure bool) {
	if err := a.o.Ledger.ReleaseLane(context.WithoutCancel(ctx), lane.ID, lane.Token, unsure); err != nil {
		a.o.Logger.Warn("putting down a lane", "table", lane.Table, "page", lane.ID.Page, "error", err)
	}
}
