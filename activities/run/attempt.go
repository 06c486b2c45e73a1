package run

import (
	"context"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// What a writer says of the units that it was given.

// Abort ends the attempt, because what failed would fail for every unit.
func (a *Attempt[T]) Abort(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.abort(err)
}

// Fail says why one unit of the group was not written. It is for a failure that the
// other units of the group do not share.
func (a *Attempt[T]) Fail(u *Unit[T], err error) { u.failure = err }

// WriteAgain has a unit of the group written again at once, without counting as a
// failure.
func (a *Attempt[T]) WriteAgain(u *Unit[T]) { u.writeAgain = true }

// Record has results committed together. A caller that is done with a unit empties the
// unit's Entries itself.
func (a *Attempt[T]) Record(results ...ledger.Result) {
	if len(results) > 0 {
		a.committer.add(bundle{first: results[0], more: results[1:]})
	}
}

// Done records the result of a unit's first entry.
func (a *Attempt[T]) Done(u *Unit[T], result ledger.Result) {
	a.lanes.failing.settled(a.key(u), u.permit)
	a.keepUnanswered(u, &result)
	u.Entries = u.Entries[1:]
	a.committer.add(bundle{first: result, permit: a.handOverPermit(u)})
}

// DoneTogether records a result for each entry of a unit.
func (a *Attempt[T]) DoneTogether(u *Unit[T], results []ledger.Result) {
	a.lanes.failing.settled(a.key(u), u.permit)
	a.keepUnanswered(u, &results[len(results)-1])
	u.Entries = nil
	a.committer.add(bundle{first: results[0], more: results[1:], permit: a.handOverPermit(u)})
}

// keepUnanswered has the ledger keep with a result that an earlier request of the unit
// had no answer: it may have an effect after this one.
func (a *Attempt[T]) keepUnanswered(u *Unit[T], result *ledger.Result) {
	if u.Ambiguous {
		result.Unanswered = &a.Lane.Entries[u.Entries[0]]
	}
}

// handOverPermit takes the permit from a unit. It goes with the result, and the commit
// gives it back.
func (a *Attempt[T]) handOverPermit(u *Unit[T]) bool {
	permit := u.permit
	u.permit = false
	return permit
}

// Refuse sets the open entries of a unit aside.
func (a *Attempt[T]) Refuse(u *Unit[T], why *apierr.Error) {
	results := make([]ledger.Result, len(u.Entries))
	for n, i := range u.Entries {
		results[n] = a.writer.Refuse(u, i, why)
		results[n].Index = i
		// The next try would kill workers again, so it is left to an operator.
		results[n].Quarantine.NoRetry = why.Reason == CodePoison
	}
	a.DoneTogether(u, results)
}

// Recorded is how many results this attempt has handed in so far.
func (a *Attempt[T]) Recorded() int64 { return a.committer.recorded.Load() }

// AcquirePermit waits until a unit's write may be sent. Permits bound the writes that
// have reached the target and are not in the ledger yet.
func (a *Attempt[T]) AcquirePermit(ctx context.Context, u *Unit[T]) error {
	if u.permit {
		return nil
	}
	err := a.lanes.unrecorded.Acquire(ctx, 1)
	u.permit = err == nil
	u.sent = u.sent || u.permit
	return err
}

// ReleasePermit gives a permit back whose write did not happen.
func (a *Attempt[T]) ReleasePermit(u *Unit[T]) {
	if u.permit {
		a.lanes.unrecorded.Release(1)
		u.permit = false
	}
}
