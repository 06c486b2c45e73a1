package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"causeway.dev/internal/ledger"
)

// fenceFresh is how long an attempt may write without having seen that the lane is
// still its own. Another attempt opens the lane at the earliest when this one has not
// been heard of for the heartbeat timeout, which is longer.
const fenceFresh = time.Second

// fence says whether an attempt still holds its lane. Each request that writes asks it
// at the last moment: a worker that was paused may wake after another one has taken the
// lane over and written newer values.
type fence struct {
	ledger *ledger.Ledger
	lane   *ledger.Lane
	clock  func() time.Time

	mu      sync.Mutex
	seen    time.Time // the lane was this attempt's own at this time
	refused int       // requests that did not leave, because it no longer was
}

// held keeps that the ledger took this attempt for the lane's holder at a time.
func (f *fence) held(at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if at.After(f.seen) {
		f.seen = at
	}
}

// check fails when another attempt holds the lane, or when the ledger cannot say who does.
// fresh trusts no earlier answer. It is a transport.Fence.
func (f *fence) check(ctx context.Context, fresh bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !fresh && f.clock().Sub(f.seen) < fenceFresh {
		return nil
	}
	asked := f.clock()
	if err := f.ledger.HoldsLane(ctx, f.lane.ID, f.lane.Token); err != nil {
		if errors.Is(err, ledger.ErrFenced) {
			f.refused++
		}
		return fenceFailure(err)
	}
	f.seen = asked
	return nil
}

// refusals is how many requests of this attempt did not leave because another one holds
// the lane.
func (f *fence) refusals() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refused
}

// fenceFailure is the error of an attempt that may not write.
func fenceFailure(err error) error {
	if errors.Is(err, ledger.ErrFenced) {
		return errTakenOver()
	}
	return fmt.Errorf("nothing was sent, because the ledger could not say who holds the lane: %w", err)
}
