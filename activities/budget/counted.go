package budget

import (
	"context"
	"sync/atomic"

	"causeway.dev/internal/campaign"
	"causeway.dev/internal/transport"
)

// Target is what ingress needs of Campaign.
type Target interface {
	Metadata(ctx context.Context, r campaign.Resource) (*campaign.Metadata, error)
	Resources(ctx context.Context, api string) ([]campaign.ResourceName, error)
	Get(ctx context.Context, r campaign.Resource, key string) (*campaign.Stored, error)
	Create(ctx context.Context, r campaign.Resource, body []byte) error
	Patch(ctx context.Context, r campaign.Resource, key string, body []byte) error
	Delete(ctx context.Context, r campaign.Resource, key string) error
	List(ctx context.Context, r campaign.Resource, o campaign.ListOptions) (*campaign.Page, error)
	Follow(ctx context.Context, r campaign.Resource, link string) (*campaign.Page, error)
}

// Counted is a target whose calls the budget counts, and may refuse.
func (b *Budget) Counted(t Target) Target { return &counted{Target: t, budget: b} }

type callKind struct{}

// ForChanges marks calls that may use the whole budget.
func ForChanges(ctx context.Context) context.Context {
	return context.WithValue(ctx, callKind{}, CallsOfChanges)
}

// call is one that the budget allowed. The transport tells it what left.
type call struct {
	budget *Budget
	at     slot
	sent   atomic.Int64
}

var _ transport.Meter = (*call)(nil)

// Sent counts a request that leaves.
func (c *call) Sent() { c.sent.Add(1) }

// NotServed takes it back: the engine never saw it.
func (c *call) NotServed() { c.sent.Add(-1) }

// over ends the call. One that sent nothing leaves its place to the next. It counts
// in the hour in which it was allowed.
func (c *call) over() {
	b, sent := c.budget, c.sent.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	open := b.at(c.at)
	if sent == 0 {
		if b.o.PerHour > 0 {
			open.left++
		}
		return
	}
	open.made += sent
	open.used++
	b.calls[c.at.kind].Inc(sent)
}

// counted is a target whose calls are counted. Reading metadata costs no engine call.
type counted struct {
	Target
	budget *Budget
}

// do makes one call if the budget allows it.
func do[T any](ctx context.Context, t *counted, f func(context.Context) (T, error)) (T, error) {
	kind, ok := ctx.Value(callKind{}).(string)
	if !ok {
		kind = CallsOfLoads
	}
	c, err := t.budget.take(ctx, kind)
	if err != nil {
		var none T
		return none, err
	}
	defer c.over()
	return f(transport.WithMeter(ctx, c))
}

// write is do for calls that answer nothing.
func write(ctx context.Context, t *counted, f func(context.Context) error) error {
	_, err := do(ctx, t, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

func (t *counted) Get(ctx context.Context, r campaign.Resource, key string) (*campaign.Stored, error) {
	return do(ctx, t, func(ctx context.Context) (*campaign.Stored, error) { return t.Target.Get(ctx, r, key) })
}

func (t *counted) List(ctx context.Context, r campaign.Resource, o campaign.ListOptions) (*campaign.Page, error) {
	return do(ctx, t, func(ctx context.Context) (*campaign.Page, error) { return t.Target.List(ctx, r, o) })
}

func (t *counted) Follow(ctx context.Context, r campaign.Resource, link string) (*campaign.Page, error) {
	return do(ctx, t, func(ctx context.Context) (*campaign.Page, error) { return t.Target.Follow(ctx, r, link) })
}

func (t *counted) Create(ctx context.Context, r campaign.Resource, body []byte) error {
	return write(ctx, t, func(ctx context.Context) error { return t.Target.Create(ctx, r, body) })
}

func (t *counted) Patch(ctx context.Context, r campaign.Resource, key string, body []byte) error {
	return write(ctx, t, func(ctx context.Context) error { return t.Target.Patch(ctx, r, key, body) })
}

func (t *counted) Delete(ctx context.Context, r campaign.Resource, key string) error {
	return write(ctx, t, func(ctx context.Context) error { return t.Target.Delete(ctx, r, key) })
}
