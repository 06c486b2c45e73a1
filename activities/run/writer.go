package run

import (
	"context"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// Writer is what a flow supplies for one attempt at a lane.
type Writer[T any] interface {
	// Units sorts the open entries of the lane into units. It records at once what
	// needs no write.
	Units(ctx context.Context, a *Attempt[T]) ([]*Unit[T], error)
	// Write brings the units of a group to their results. The error that it returns is
	// the failure of every unit that has no result and for which Fail was not called.
	Write(ctx context.Context, a *Attempt[T], group []*Unit[T]) error
	// GroupSize is how many units a group may hold at this moment.
	GroupSize() int
	// Refuse makes the result of an entry that is set aside.
	Refuse(u *Unit[T], entry int, why *apierr.Error) ledger.Result
	// Count meters what happened.
	Count(Happened, ...ledger.Result)
}

// Happened is something that a writer counts in its metrics.
type Happened int

// What a writer counts.
const (
	Committed Happened = iota // results are in the ledger
	Throttled                 // the target asked to wait
	Transient                 // a call failed and is tried again
	Split                     // a group failed as a whole and is tried in halves
)

// Unit is what is written as one: the open entries of a key, in the order in which the
// source had them.
type Unit[T any] struct {
	Entries   []int // indices of the entries that have no result yet
	State     T     // what the flow knows of the unit
	Ambiguous bool  // an earlier try may have reached the target
	Failure   error // of the last try
	Alone     bool  // it was sent alone when it failed

	entries    []int // all that it had
	sent       bool  // a write of it may have left
	maxGroup   int   // of how many units its group may be; 0 = any number
	permit     bool  // to have a write that is not in the ledger yet
	writeAgain bool  // at once, although it has no result
	failure    error // that it does not share with its group, of the present write
}

// lastResort is a writer that decides about units which failed in every round of an
// attempt. It returns the units that the next attempt is to try.
type lastResort[T any] interface {
	LastResort(ctx context.Context, a *Attempt[T], failed []*Unit[T]) []*Unit[T]
}

// Units makes one unit of the open entries of each key. of gives the unit's State.
func Units[T any](lane *ledger.Lane, of func(key string) T) []*Unit[T] {
	byKey := make(map[string]*Unit[T], len(lane.Entries))
	units := make([]*Unit[T], 0, len(lane.Entries))
	for i := range lane.Entries {
		if lane.Outcomes[i] != ledger.Pending {
			continue
		}
		key := lane.Entries[i].Key
		u, ok := byKey[key]
		if !ok {
			u = &Unit[T]{State: of(key)}
			byKey[key] = u
			units = append(units, u)
		}
		u.Entries = append(u.Entries, i)
	}
	return units
}
