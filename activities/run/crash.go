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
	// carefulAfter deaths at a lane, its units are written one at a time, each
	// marked first, so that the next death tells which of them it was.
	carefulAfter = 3
	// poisonAfter deaths in a row with the same unit in flight, it is set aside. One
	// death proves little: a worker may be killed at any unit.
	poisonAfter = 3
)

// Codes of records at which the code itself fails.
const (
	CodePanic  = "Panic"
	CodePoison = "Poison"
)

// carefully is group for a lane at which workers have died. Across the process,
// only one such unit is in flight at a time.
func (a *Attempt[T]) carefully(ctx context.Context, group []*Unit[T]) []*Unit[T] {
	a.lanes.careful.Lock()
	defer a.lanes.careful.Unlock()
	u := group[0]
	if i := u.Entries[0]; i == a.Lane.InFlight && a.Lane.InFlightCrashes >= poisonAfter {
		a.Refuse(u, &apierr.Error{Class: apierr.Rejected, Reason: CodePoison,
			Message: fmt.Sprintf("the worker died %d times in a row while it was at this record", a.Lane.InFlightCrashes)})
		return nil
	} else if err := a.lanes.Ledger.MarkInFlight(ctx, a.Lane.ID, a.Lane.Token, i); err != nil {
		a.failedUnit(ctx, u, a.results.failure(err))
		return nil
	}
	return a.group(ctx, group)
}

// inFlightFirst lets the unit that the last worker died at come first: if it is to
// blame, it shows at once, and nothing else is in flight meanwhile.
func (a *Attempt[T]) inFlightFirst(units []*Unit[T]) []*Unit[T] {
	i := slices.IndexFunc(units, func(u *Unit[T]) bool { return u.Entries[0] == a.Lane.InFlight })
	if i <= 0 {
		return units
	}
	return append([]*Unit[T]{units[i]}, slices.Delete(slices.Clone(units), i, i+1)...)
}

// panicked turns a panic into a refusal of the unit it comes at: it would come again
// with every attempt, and in a goroutine of ours it would end the process. A group is
// halved until that unit stands alone.
func (a *Attempt[T]) panicked(group []*Unit[T], p any) (again []*Unit[T]) {
	for _, u := range group {
		a.Release(u)
		if len(u.Entries) > 0 {
			u.failure, u.most = nil, (len(group)+1)/2
			again = append(again, u)
		}
	}
	if len(group) > 1 || len(again) == 0 {
		return again
	}
	u := group[0]
	a.lanes.Logger.Error("panic at a record", "table", a.Lane.Table, "record_id", a.Lane.Entries[u.Entries[0]].Key, "panic", PanicText(p), "stack", string(debug.Stack()))
	a.Refuse(u, Panicked(p))
	return nil
}

// Panicked is the refusal of a record at which the program failed.
func Panicked(p any) *apierr.Error {
	return &apierr.Error{Class: apierr.Rejected, Reason: CodePanic,
		Message: "the program failed at this record (" + PanicText(p) + "); the worker's log has the place, please report it"}
}

// PanicText describes a panic without what may be a record's values.
func PanicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}
