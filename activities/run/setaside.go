package run

import (
	"context"
	"errors"
	"sync"
	"time"

	"causeway.dev/internal/apierr"
)

// A record that alone gets an odd answer, or a fault, at every try must not hold its lane
// for ever. It is set aside when it has failed for long and the service is well: it
// answers a read, and it has taken other records meanwhile, or hardly anything else
// fails.

const (
	// setAsideAfter is how long a record must have failed, where no setting says so.
	setAsideAfter = 10 * time.Minute
	// fewFail is how many records may fail while nothing else is written, and still be
	// the cause themselves.
	fewFail = 3
)

// failing is what the lanes of a flow remember, in one process, of records that fail.
type failing struct {
	mu    sync.Mutex
	since map[string]time.Time // by the key of the record: its first failure
	took  time.Time            // when the target last took a write of another
}

func (f *failing) failed(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.since == nil {
		f.since = map[string]time.Time{}
	}
	if _, ok := f.since[key]; !ok {
		f.since[key] = time.Now()
	}
}

// settled notes that a record has a result, and whether the target was written for it.
func (f *failing) settled(key string, written bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.since, key)
	if written {
		f.took = time.Now()
	}
}

// alone says whether a record has failed for after or longer, in the later half of which
// others were taken, or while hardly any other failed. lasted stands for the time.
func (f *failing) alone(key string, after time.Duration, lasted bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	first, ok := f.since[key]
	if !ok || !lasted && time.Since(first) < after {
		return false
	}
	return f.took.After(first.Add(time.Since(first)/2)) || len(f.since) <= fewFail
}

// SetAside refuses the units among failed that fail for reasons of their own, and returns
// the others. after is for how long a unit must have failed; 0 is ten minutes. An odd
// answer that has lasted for minutes counts as long enough, because the next attempt
// would fail the flow. ask reads something else from the service that failed.
func (a *Attempt[T]) SetAside(ctx context.Context, failed []*Unit[T], after time.Duration, ask func(context.Context, *apierr.Error) error) (still []*Unit[T]) {
	if after == 0 {
		after = setAsideAfter
	}
	for _, u := range failed {
		fail, ok := errors.AsType[*apierr.Error](u.Failure)
		if !ok || !u.Alone || fail.Class == apierr.Throttled || fail.Reason == apierr.ReasonNetwork ||
			!a.lanes.failing.alone(a.key(u), after, fail.Lasted) || ask(ctx, fail) != nil {
			still = append(still, u)
			continue
		}
		a.lanes.Logger.Warn("a record fails while the service takes others; it is set aside", "table", a.Lane.Table, "record_id", a.key(u), "error", fail)
		// No refusal of the service's own has come. Whatever answered, a write that left
		// may have been carried out: the record is looked at when it is tried again.
		u.Ambiguous = u.Ambiguous || u.sent
		why := *fail
		why.Class = apierr.Rejected
		a.Refuse(u, &why)
	}
	return still
}

// key is the record that a unit is about.
func (a *Attempt[T]) key(u *Unit[T]) string { return a.Lane.Entries[u.Entries[0]].Key }
