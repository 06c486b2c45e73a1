// Package budget counts engine calls to Campaign per hour in the ledger, and refuses
// them when the hour's are used up. The activities that call Campaign share one.
package budget

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// Kinds of work that engine calls are counted for.
const (
	CallsOfChanges = "changes"
	CallsOfLoads   = "loads" // backfills and initial loads, plans
)

// budgetBlock is how many calls a worker takes from the hour's budget, or makes
// without one, before it asks or tells the ledger, so that most calls ask nobody.
// A worker that is killed leaves a block reserved: nobody else may make those
// calls in that hour, and the meter does not count them as made.
const budgetBlock = 100

// Options of a Budget.
type Options struct {
	Ledger   *ledger.Ledger
	PerHour  int64   // engine calls of all workers together; 0 = counted, not limited
	Reserved float64 // share that only changes may use
	Now      func() time.Time
	Metrics  tally.Scope
}

// Budget counts engine calls per hour in the ledger, shared by all workers of an
// instance, and refuses them when the hour's are used up (R22).
type Budget struct {
	o     Options
	calls map[string]tally.Counter
	left  tally.Gauge

	mu   sync.Mutex
	open map[slot]*openCalls
}

// slot is a kind of calls in one hour.
type slot struct {
	hour time.Time
	kind string
}

// openCalls of one slot are what the ledger has not been told of yet.
type openCalls struct {
	made int64 // they left
	used int64 // reserved calls that are over, each with the requests in made
	left int64 // reserved and not begun
}

// New makes the budget of one worker; Close it.
func New(o Options) *Budget {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = tally.NoopScope
	}
	o.Metrics.Gauge("campaign.engine_calls_budget").Update(float64(o.PerHour))
	b := &Budget{o: o, calls: map[string]tally.Counter{}, left: o.Metrics.Gauge("campaign.engine_calls_left"), open: map[slot]*openCalls{}}
	for _, kind := range []string{CallsOfChanges, CallsOfLoads} {
		b.calls[kind] = o.Metrics.Tagged(map[string]string{"kind": kind}).Counter("campaign.engine_calls")
	}
	return b
}

// take allows one call, or says when the next may be made. It counts as made once it
// is over, with the requests that left: a call that waited for a token in vain made
// none.
func (b *Budget) take(ctx context.Context, kind string) (*call, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.o.Now().UTC()
	at := slot{hour: now.Truncate(time.Hour), kind: kind}
	if err := b.settle(ctx, func(s slot) bool { return s.hour != at.hour }, true); err != nil {
		return nil, err
	}
	open := b.at(at)
	if open.left == 0 && (b.o.PerHour > 0 || open.made >= budgetBlock) {
		if err := b.settle(ctx, func(s slot) bool { return s.hour == at.hour }, false); err != nil {
			return nil, err
		}
		if b.o.PerHour > 0 {
			if err := b.reserve(ctx, now, at); err != nil {
				return nil, err
			}
		}
	}
	open.left = max(0, open.left-1)
	return &call{budget: b, at: at}, nil
}

// at gives what is open of a slot.
func (b *Budget) at(s slot) *openCalls {
	open, ok := b.open[s]
	if !ok {
		open = &openCalls{}
		b.open[s] = open
	}
	return open
}

// reserve takes a block from the hour's budget.
func (b *Budget) reserve(ctx context.Context, now time.Time, at slot) error {
	limit := b.o.PerHour
	if at.kind == CallsOfLoads {
		limit = b.ForLoads()
	}
	granted, used, err := b.o.Ledger.ReserveEngineCalls(ctx, at.hour, at.kind, min(budgetBlock, max(1, b.o.PerHour/100)), limit)
	if err != nil {
		return err
	}
	b.left.Update(float64(b.o.PerHour - used))
	if granted == 0 {
		next := at.hour.Add(time.Hour)
		return &apierr.Error{Class: apierr.Throttled, Reason: apierr.ReasonQuota, Service: "campaign", Op: "engine-call budget", RetryAfter: next.Sub(now),
			Message: fmt.Sprintf("%d of %d engine calls of this hour are used, the most for %s; goes on at %s", used, b.o.PerHour, at.kind, next.Format("15:04 UTC"))}
	}
	b.at(at).left = granted
	return nil
}

// settle tells the ledger which calls of some slots were made and, when the worker
// is done with those slots, which of the reserved ones were not.
func (b *Budget) settle(ctx context.Context, which func(slot) bool, done bool) error {
	for at, open := range b.open {
		if !which(at) {
			continue
		}
		told := *open
		if !done {
			told.left = 0
		}
		if err := b.tell(ctx, at, told); err != nil {
			return err
		}
		open.made -= told.made
		open.used -= told.used
		open.left -= told.left
		if done {
			delete(b.open, at)
		}
	}
	return nil
}

// tell passes on what became of calls. What was reserved for calls that are over
// turns into those that were made.
func (b *Budget) tell(ctx context.Context, at slot, c openCalls) error {
	switch {
	case c == openCalls{}:
		return nil
	case b.o.PerHour > 0:
		return b.o.Ledger.UseEngineCalls(ctx, at.hour, at.kind, c.made, c.used+c.left-c.made)
	case c.made == 0:
		return nil
	}
	return b.o.Ledger.AddEngineCalls(ctx, at.hour, at.kind, c.made)
}

func every(slot) bool { return true }

// RefreshGauges shows what is left of the hour's budget, also when nothing is taken.
func (b *Budget) RefreshGauges(ctx context.Context) error {
	if b.o.PerHour == 0 {
		return nil
	}
	calls, err := b.o.Ledger.EngineCalls(ctx, b.o.Now())
	if err != nil {
		return err
	}
	left := b.o.PerHour
	for _, c := range calls {
		left -= c.Calls
	}
	b.left.Update(float64(left))
	return nil
}

// Report tells the ledger of the calls that were made.
func (b *Budget) Report(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.settle(ctx, every, false)
}

// PerHour is how many calls all workers together may make; 0 = any number.
func (b *Budget) PerHour() int64 { return b.o.PerHour }

// ForLoads is how many of them loads may make; 0 = any number.
func (b *Budget) ForLoads() int64 { return int64(float64(b.o.PerHour) * (1 - b.o.Reserved)) }

// Close tells what was made and gives back what was reserved and not made.
func (b *Budget) Close(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.settle(ctx, every, true)
}
