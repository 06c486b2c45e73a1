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
	"causeway.dev/internal/campaign"
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
	hour time.Time
	open map[string]*openCalls
}

// openCalls of one kind are what the ledger has not been told of yet.
type openCalls struct {
	made int64
	left int64 // reserved and not made
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
	b := &Budget{o: o, calls: map[string]tally.Counter{}, left: o.Metrics.Gauge("campaign.engine_calls_left"), open: map[string]*openCalls{}}
	for _, kind := range []string{CallsOfChanges, CallsOfLoads} {
		b.calls[kind] = o.Metrics.Tagged(map[string]string{"kind": kind}).Counter("campaign.engine_calls")
		b.open[kind] = &openCalls{}
	}
	return b
}

// take allows one call, or says when the next may be made.
func (b *Budget) take(ctx context.Context, kind string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.o.Now().UTC()
	if hour := now.Truncate(time.Hour); hour != b.hour {
		if err := b.settle(ctx, true); err != nil {
			return err
		}
		b.hour = hour
	}
	open := b.open[kind]
	if open.left == 0 && (b.o.PerHour > 0 || open.made >= budgetBlock) {
		if err := b.settle(ctx, false); err != nil {
			return err
		}
		if b.o.PerHour > 0 {
			if err := b.reserve(ctx, now, kind); err != nil {
				return err
			}
		}
	}
	open.left = max(0, open.left-1)
	open.made++
	b.calls[kind].Inc(1)
	return nil
}

// reserve takes a block from the hour's budget.
func (b *Budget) reserve(ctx context.Context, now time.Time, kind string) error {
	limit := b.o.PerHour
	if kind == CallsOfLoads {
		limit = int64(float64(limit) * (1 - b.o.Reserved))
	}
	granted, used, err := b.o.Ledger.ReserveEngineCalls(ctx, b.hour, kind, min(budgetBlock, max(1, b.o.PerHour/100)), limit)
	if err != nil {
		return err
	}
	b.left.Update(float64(b.o.PerHour - used))
	if granted == 0 {
		next := b.hour.Add(time.Hour)
		return &apierr.Error{Class: apierr.Throttled, Reason: apierr.ReasonQuota, Service: "campaign", Op: "engine-call budget", RetryAfter: next.Sub(now),
			Message: fmt.Sprintf("%d of %d engine calls of this hour are used, the most for %s; goes on at %s", used, b.o.PerHour, kind, next.Format("15:04 UTC"))}
	}
	b.open[kind].left = granted
	return nil
}

// settle tells the ledger which calls of b.hour were made and, when the worker is
// done with them, which of the reserved ones were not.
func (b *Budget) settle(ctx context.Context, done bool) error {
	for kind, open := range b.open {
		made, back := open.made, int64(0)
		if done {
			back = open.left
		}
		if made == 0 && back == 0 {
			continue
		}
		var err error
		if b.o.PerHour > 0 {
			err = b.o.Ledger.UseEngineCalls(ctx, b.hour, kind, made, back)
		} else {
			err = b.o.Ledger.AddEngineCalls(ctx, b.hour, kind, made)
		}
		if err != nil {
			return err
		}
		open.made -= made
		open.left -= back
	}
	return nil
}

// measure shows what is left of the hour's budget, also when nothing is taken.
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
	return b.settle(ctx, false)
}

// PerHour is how many calls all workers together may make; 0 = any number.
func (b *Budget) PerHour() int64 { return b.o.PerHour }

// Counted is a target whose calls the budget counts, and may refuse.
func (b *Budget) Counted(t Target) Target { return &counted{Target: t, budget: b} }

// Close tells what was made and gives back what was reserved and not made.
func (b *Budget) Close(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.settle(ctx, true)
}

type callKind struct{}

// ForChanges marks calls that may use the whole budget.
func ForChanges(ctx context.Context) context.Context {
	return context.WithValue(ctx, callKind{}, CallsOfChanges)
}

// budgeted is a target whose calls are counted. Reading metadata costs no engine call.
type counted struct {
	Target
	budget *Budget
}

func (t *counted) take(ctx context.Context) error {
	kind, ok := ctx.Value(callKind{}).(string)
	if !ok {
		kind = CallsOfLoads
	}
	return t.budget.take(ctx, kind)
}

func (t *counted) Get(ctx context.Context, r campaign.Resource, key string) (*campaign.Stored, error) {
	if err := t.take(ctx); err != nil {
		return nil, err
	}
	return t.Target.Get(ctx, r, key)
}

func (t *counted) List(ctx context.Context, r campaign.Resource, o campaign.ListOptions) (*campaign.Page, error) {
	if err := t.take(ctx); err != nil {
		return nil, err
	}
	return t.Target.List(ctx, r, o)
}

func (t *counted) Follow(ctx context.Context, r campaign.Resource, link string) (*campaign.Page, error) {
	if err := t.take(ctx); err != nil {
		return nil, err
	}
	return t.Target.Follow(ctx, r, link)
}

func (t *counted) Create(ctx context.Context, r campaign.Resource, body []byte) error {
	if err := t.take(ctx); err != nil {
		return err
	}
	return t.Target.Create(ctx, r, body)
}

func (t *counted) Patch(ctx context.Context, r campaign.Resource, key string, body []byte) error {
	if err := t.take(ctx); err != nil {
		return err
	}
	return t.Target.Patch(ctx, r, key, body)
}

func (t *counted) Delete(ctx context.Context, r campaign.Resource, key string) error {
	if err := t.take(ctx); err != nil {
		return err
	}
	return t.Target.Delete(ctx, r, key)
}

// Target is what ingress needs of Campaign.
type Target interface {
	Metadata(ctx context.Context, r campaign.Resource) (*campaign.Metadata, error)
	Get(ctx context.Context, r campaign.Resource, key string) (*campaign.Stored, error)
	Create(ctx context.Context, r campaign.Resource, body []byte) error
	Patch(ctx context.Context, r campaign.Resource, key string, body []byte) error
	Delete(ctx context.Context, r campaign.Resource, key string) error
	List(ctx context.Context, r campaign.Resource, o campaign.ListOptions) (*campaign.Page, error)
	Follow(ctx context.Context, r campaign.Resource, link string) (*campaign.Page, error)
}
