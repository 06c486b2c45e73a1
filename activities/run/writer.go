package run

import (
	"context"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// Writer is one attempt at a lane, as its flow sees it.
type Writer[T any] interface {
	// Units sorts the open entries of the lane into units. What needs no write it
	// records at once.
	Units(ctx context.Context, a *Attempt[T]) ([]*Unit[T], error)
	// Write brings the units of a group to their results. What it returns is the
	// failure of every unit that is still open and did not fail by itself.
	Write(ctx context.Context, a *Attempt[T], group []*Unit[T]) error
	// GroupSize is how many units a group may hold now.
	GroupSize() int
	// Refuse is the result of an entry that is set aside.
	Refuse(u *Unit[T], entry int, why *apierr.Error) ledger.Result
	// Count meters what happened.
	Count(Happened, ...ledger.Result)
}

// Happened is what a writer meters.
type Happened int

// What happens in a lane.
const (
	Committed Happened = iota // results are in the ledger
	Throttled                 // a gate was waited for
	Transient                 // a call failed and is tried again
	Split                     // a group failed as a whole and is tried in halves
)

// Unit is what is written as one: every open entry of a key, in source order.
type Unit[T any] struct {
	Entries   []int // indices of those that have no result yet
	Of        T     // what the flow knows of it
	Ambiguous bool  // an earlier try may have reached the target
	Failure   error // of the last try
	Alone     bool  // it was sent alone when it failed

	most    int   // units that it may be in a group with; 0 = any number
	permit  bool  // held for the write in hand
	again   bool  // to be written again at once
	failure error // its own, of the write in hand
}

// lastResort is a writer that decides what becomes of units which failed in every
// round of an attempt; it returns those that are to be tried again.
type lastResort[T any] interface {
	LastResort(ctx context.Context, a *Attempt[T], failed []*Unit[T]) []*Unit[T]
}

// Units sorts the open entries of a lane by key, each key one unit.
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
			u = &Unit[T]{Of: of(key)}
			byKey[key] = u
			units = append(units, u)
		}
		u.Entries = append(u.Entries, i)
	}
	return units
}
