package run

import (
	"context"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// What a writer tells of the units in its hands.

// End ends the attempt: what failed would fail for every unit.
func (a *Attempt[T]) End(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end(err)
}

// Fail says why a unit of the group in hand was not written, where others were.
func (a *Attempt[T]) Fail(u *Unit[T], err error) { u.failure = err }

// Again has a unit of the group in hand written again at once.
func (a *Attempt[T]) Again(u *Unit[T]) { u.again = true }

// Record hands results to the ledger, which commits them together. Those of units
// that are done with them empty the units' Entries.
func (a *Attempt[T]) Record(results ...ledger.Result) {
	if len(results) > 0 {
		a.results.add(bundle{first: results[0], more: results[1:]})
	}
}

// Done records the result of a unit's first entry.
func (a *Attempt[T]) Done(u *Unit[T], result ledger.Result) {
	u.Entries = u.Entries[1:]
	a.results.add(bundle{first: result, permit: a.handOver(u)})
}

// DoneTogether records a result for each entry of a unit.
func (a *Attempt[T]) DoneTogether(u *Unit[T], results []ledger.Result) {
	u.Entries = nil
	a.results.add(bundle{first: results[0], more: results[1:], permit: a.handOver(u)})
}

// handOver takes the leave to write from a unit: it is given back by the commit.
func (a *Attempt[T]) handOver(u *Unit[T]) bool {
	permit := u.permit
	u.permit = false
	return permit
}

// Refuse sets aside what is left of a unit.
func (a *Attempt[T]) Refuse(u *Unit[T], why *apierr.Error) {
	results := make([]ledger.Result, len(u.Entries))
	for n, i := range u.Entries {
		results[n] = a.writer.Refuse(u, i, why)
		results[n].Index = i
		// At the next try workers would die again.
		results[n].Quarantine.NoRetry = why.Reason == CodePoison
	}
	a.DoneTogether(u, results)
}

// Recorded is how many results this attempt has brought about so far.
func (a *Attempt[T]) Recorded() int64 { return a.results.recorded.Load() }

// Acquire asks for leave to send a unit's write: so many are not in the ledger yet.
func (a *Attempt[T]) Acquire(ctx context.Context, u *Unit[T]) error {
	if u.permit {
		return nil
	}
	err := a.lanes.unrecorded.Acquire(ctx, 1)
	u.permit = err == nil
	return err
}

// Release gives the leave back: the write did not happen.
func (a *Attempt[T]) Release(u *Unit[T]) {
	if u.permit {
		a.lanes.unrecorded.Release(1)
		u.permit = false
	}
}
