package run

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"causeway.dev/internal/apierr"
)

const (
	// aloneAfter is how many workers may die at a lane before its units are written
	// alone. Each is then marked first, so that the next death shows which one it was.
	aloneAfter = 3
	// poisonAfter is how many workers may die in a row with the same unit in flight
	// before it is set aside. One death proves little: a worker may be killed at any
	// unit.
	poisonAfter = 3
)

// Codes of records that are set aside because the program fails at them.
const (
	CodePanic  = "Panic"  // it panicked
	CodePoison = "Poison" // workers died
)

// writeAlone is writeGroup for a lane at which workers have died. Only one such unit
// is in flight at a time in the process.
func (a *Attempt[T]) writeAlone(ctx context.Context, group []*Unit[T]) []*Unit[T] {
	a.lanes.oneInFlight.Lock()
	defer a.lanes.oneInFlight.Unlock()
	u := group[0]
	if i := u.Entries[0]; i == a.Lane.InFlight && a.Lane.InFlightCrashes >= poisonAfter {
		a.Refuse(u, &apierr.Error{Class: apierr.Rejected, Reason: CodePoison,
			Message: fmt.Sprintf("the worker died %d times in a row while it was at this record", a.Lane.InFlightCrashes)})
		return nil
	} else if err := a.lanes.Ledger.MarkInFlight(ctx, a.Lane.ID, a.Lane.Token, i); err != nil {
		a.fileFailure(ctx, u, a.committer.commitFailure(err))
		return nil
	}
	return a.writeGroup(ctx, group)
}

// inFlightFirst moves the unit that was in flight when the last worker died to the
// front. If it is the cause, that shows at once, with nothing else in flight.
func (a *Attempt[T]) inFlightFirst(units []*Unit[T]) []*Unit[T] {
	i := slices.IndexFunc(units, func(u *Unit[T]) bool { return u.Entries[0] == a.Lane.InFlight })
	if i <= 0 {
		return units
	}
	return append([]*Unit[T]{units[i]}, slices.Delete(slices.Clone(units), i, i+1)...)
}

// afterPanic sets the unit aside at which the program panicked: it would panic again at
// every attempt, and in a goroutine of ours a panic ends the process. A group is halved
// until that unit stands alone.
func (a *Attempt[T]) afterPanic(group []*Unit[T], p any) (again []*Unit[T]) {
	for _, u := range group {
		a.ReleasePermit(u)
		if len(u.Entries) > 0 {
			u.failure, u.maxGroup = nil, (len(group)+1)/2
			again = append(again, u)
		}
	}
	if len(group) > 1 || len(again) == 0 {
		return again
	}
	u := group[0]
	a.lanes.Logger.Error("panic at a record", "table", a.Lane.Table, "record_id", a.Lane.Entries[u.Entries[0]].Key, "panic", PanicText(p), "stack", string(debug.Stack()))
	a.Refuse(u, PanicRefusal(p))
	return nil
}

// PanicRefusal is the reason for which a record is set aside at which the program
// panicked.
func PanicRefusal(p any) *apierr.Error {
	return &apierr.Error{Class: apierr.Rejected, Reason: CodePanic,
		Message: "the program failed at this record (" + PanicText(p) + "); the worker's log has the place, please report it"}
}

// PanicText describes a panic. Only an error of the Go runtime is quoted, because any
// other value may hold what the record holds.
func PanicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}
