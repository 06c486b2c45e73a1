package run

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

const (
	// aloneAfter is how many workers may die at a lane before its units are written
	// alone. Each is then marked first, so that the next death shows which one it was.
	aloneAfter = 3
	// poisonAfter is how many workers may die with the same unit in flight alone before
	// it is set aside. One death proves little: a worker may be killed at any unit.
	poisonAfter = 3
	// quiet is how long an attempt lives without a suspect before it tries it again, for
	// each time that a worker died at it. It is longer than most requests take. So a
	// worker that is killed at a pace of its own dies at least once in the quiet, and
	// that acquits the suspect; one that a record kills dies only at the record.
	quiet = 10 * time.Second
)

// Alone has one unit in flight at a time in a process, over all flows, at lanes at which
// workers have died: what follows a death must be known to come from one unit.
type Alone struct {
	turn  *semaphore.Weighted
	quiet time.Duration
}

// NewAlone makes what the flows of a process share. quiet is for tests; 0 is the usual
// time.
func NewAlone(forQuiet time.Duration) *Alone {
	return &Alone{turn: semaphore.NewWeighted(1), quiet: cmp.Or(forQuiet, quiet)}
}

// Codes of records that are set aside because the program fails at them.
const (
	CodePanic  = "Panic"  // it panicked
	CodePoison = "Poison" // workers died
)

// writeAlone is writeGroup for a lane at which workers have died. Only one such unit is
// in flight at a time in the process. A suspect waits until the worker has lived for a
// while without it.
func (a *Attempt[T]) writeAlone(ctx context.Context, group []*Unit[T]) []*Unit[T] {
	u := group[0]
	entry := u.Entries[0]
	deaths := a.Lane.Suspects[entry]
	if deaths >= poisonAfter {
		a.Refuse(u, &apierr.Error{Class: apierr.Rejected, Reason: CodePoison,
			Message: fmt.Sprintf("the worker died %d times while nothing but this record was in flight, and lived on without it", deaths)})
		return nil
	}
	alone := a.lanes.Alone
	if alone.turn.Acquire(ctx, 1) != nil {
		a.leave(u)
		return nil
	}
	defer alone.turn.Release(1)
	if deaths > 0 {
		if !a.mark(ctx, u, ledger.Quiet) {
			return nil
		}
		if !a.keepQuiet(ctx, time.Duration(deaths)*alone.quiet) {
			a.leave(u)
			return nil
		}
	}
	if !a.mark(ctx, u, entry) {
		return nil
	}
	again := a.writeGroup(ctx, group)
	if len(u.Entries) > 0 { // it is not in flight any more; if this is not noted, a death soon after is laid at its door once
		_ = a.lanes.Ledger.MarkInFlight(ctx, a.Lane.ID, a.Lane.Token, ledger.NoEntry)
	}
	return again
}

// mark says in the ledger what is in flight; false when the unit cannot be written now.
func (a *Attempt[T]) mark(ctx context.Context, u *Unit[T], entry int) bool {
	err := a.lanes.Ledger.MarkInFlight(ctx, a.Lane.ID, a.Lane.Token, entry)
	if err != nil {
		a.fileFailure(ctx, u, a.committer.commitFailure(err))
	}
	return err == nil
}

// leave has a unit, of which nothing was sent, written by another round or attempt.
func (a *Attempt[T]) leave(u *Unit[T]) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = append(a.failed, u)
}

// keepQuiet waits; false when the attempt is to end.
func (a *Attempt[T]) keepQuiet(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-a.stopping:
	case <-ctx.Done():
	}
	return false
}

// suspectsFirst puts the units at which workers have died before the others, the most
// suspect at the front. A worker that dies after so many writes, whatever they are,
// survives them there.
func (a *Attempt[T]) suspectsFirst(units []*Unit[T]) []*Unit[T] {
	deaths := func(u *Unit[T]) int { return a.Lane.Suspects[u.Entries[0]] }
	return slices.SortedStableFunc(slices.Values(units), func(x, y *Unit[T]) int { return deaths(y) - deaths(x) })
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
