package run

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/ledger"
)

// Pushes are the calls from outside that say that the source of a flow has changed. A push
// only has a flow look sooner than it would: what changed is read as always, so a push that
// is lost, late, repeated or forged changes nothing.
type Pushes struct {
	o PushOptions

	mu    sync.Mutex
	flows map[string]*pushed
	owed  map[string]time.Time // pushes that the other workers are to be told of
	due   chan struct{}        // has a value while there are some
}

// PushOptions are those of Pushes.
type PushOptions struct {
	Ledger *ledger.Ledger
	// Every is the least time between two looks that pushes ask for.
	Every time.Duration
	// Poll is how often a flow looks whose pushes can be relied on.
	Poll time.Duration
	// Late is how long after its change a push may come.
	Late    time.Duration
	Metrics tally.Scope
	Logger  *slog.Logger
}

// pushed is what this process knows of the pushes of a flow.
type pushed struct {
	last   time.Time     // push
	looked time.Time     // the last look at the source that went well began then
	news   chan struct{} // closed by the next push
}

// NewPushes makes the pushes of one worker.
func NewPushes(o PushOptions) *Pushes {
	if o.Metrics == nil {
		o.Metrics = tally.NoopScope
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Pushes{o: o, flows: map[string]*pushed{}, owed: map[string]time.Time{}, due: make(chan struct{}, 1)}
}

// Came takes a push that this worker received.
func (p *Pushes) Came(flow string) {
	now := time.Now().UTC()
	p.tell(flow, now)
	p.mu.Lock()
	p.owed[flow] = now
	p.mu.Unlock()
	select {
	case p.due <- struct{}{}:
	default:
	}
}

// tell wakes whoever waits for a flow in this process.
func (p *Pushes) tell(flow string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.of(flow)
	if !at.After(f.last) {
		return
	}
	f.last = at
	close(f.news)
	f.news = make(chan struct{})
}

// of is called with the lock held.
func (p *Pushes) of(flow string) *pushed {
	if p.flows[flow] == nil {
		p.flows[flow] = &pushed{news: make(chan struct{})}
	}
	return p.flows[flow]
}

// Run tells the other workers of pushes, and takes theirs, until ctx ends. However many come,
// the ledger is written once for each flow and Every.
func (p *Pushes) Run(ctx context.Context) {
	theirs := p.o.Ledger.Pushes()
	due, rest := (<-chan struct{})(p.due), (<-chan time.Time)(nil)
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-theirs:
			p.tell(t.Flow, t.At)
		case <-rest:
			due, rest = p.due, nil
		case <-due:
			p.keep(ctx)
			due, rest = nil, time.After(p.o.Every)
		}
	}
}

func (p *Pushes) keep(ctx context.Context) {
	p.mu.Lock()
	owed := p.owed
	p.owed = map[string]time.Time{}
	p.mu.Unlock()
	for flow, at := range owed {
		if err := p.o.Ledger.KeepPush(ctx, ledger.Push{Flow: flow, At: at}); err != nil && ctx.Err() == nil {
			p.o.Logger.WarnContext(ctx, "the other workers could not be told that the source of a flow has changed; they see it when they ask next", "flow", flow, "error", err)
		}
	}
}
