package budget

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/transport"
)

const (
	// lapseAfter is how many renewals a share outlasts for its own worker. The others wait
	// longer (internal/ledger, grace).
	lapseAfter = 3
	// settleEvery is how soon a worker looks again whose shares are not what is due to it.
	settleEvery = 300 * time.Millisecond
	never       = time.Duration(0)
)

// Shared are limits of one service that all workers of an instance keep together.
type Shared struct {
	Name     string             // section of the configuration: "campaign", "dynamics"
	Limiter  *transport.Limiter // made with all of the limits
	InFlight int                // requests of all workers together
	Rate     float64            // requests started per second by all workers together; 0: no limit
	Most     int                // requests in flight that one worker can make use of; 0: all
}

// sharedLedger is what shares need of the ledger.
type sharedLedger interface {
	Alone() bool
	Woken() <-chan struct{}
	RenewShares(context.Context, ledger.Renewal) (ledger.Shares, error)
	ReturnShares(context.Context, ledger.WorkerID) error
}

// SharesOptions of one worker.
type SharesOptions struct {
	Ledger  sharedLedger
	Worker  ledger.WorkerID
	Name    string        // instance@host:pid
	Every   time.Duration // between renewals
	Limits  []Shared
	Gates   map[string]*transport.Gate // that close for all workers, by what they belong to
	Lanes   func() int                 // in hand; nil: not told
	Metrics tally.Scope                // nil: none
	Logger  *slog.Logger
}

// Shares keep one worker to its part of the limits that all workers keep together, and tell
// the others when a service asks it to wait.
type Shares struct {
	o     SharesOptions
	alone bool // no other worker can be there: the limits are this one's
	now   chan struct{}

	mu     sync.Mutex
	closed map[string]bool // gates that the others have not been told of
	crew   Crew
	told   bool // that renewals fail
}

// Crew is what a worker knows of all of them.
type Crew struct {
	Workers int
	Lanes   int // that all of them have in hand
}

// NewShares makes the shares of one worker. Where there may be others, nothing is sent before
// the first renewal.
func NewShares(o SharesOptions) *Shares {
	if o.Metrics == nil {
		o.Metrics = tally.NoopScope
	}
	s := &Shares{o: o, alone: o.Ledger.Alone(), now: make(chan struct{}, 1), closed: map[string]bool{}, crew: Crew{Workers: 1}}
	if s.alone {
		return s
	}
	s.stop()
	for name, gate := range o.Gates {
		gate.Tell(func() {
			s.mu.Lock()
			s.closed[name] = true
			s.mu.Unlock()
			select {
			case s.now <- struct{}{}:
			default: // it is about to look
			}
		})
	}
	return s
}

// stop has nothing sent any more.
func (s *Shares) stop() {
	for _, limit := range s.o.Limits {
		limit.Limiter.SetShare(transport.Share{Lapses: time.Now()})
	}
}

// Crew is what the last renewal told of all workers.
func (s *Shares) Crew() Crew {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crew
}

// Run renews until ctx ends. The only worker says once that it is there.
func (s *Shares) Run(ctx context.Context) {
	for {
		next := s.renew(ctx)
		if next == never {
			return
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-s.now:
		case <-s.o.Ledger.Woken():
		}
		timer.Stop()
	}
}

// renew asks for the shares and has the clients keep to them. It answers when to ask again.
func (s *Shares) renew(ctx context.Context) time.Duration {
	lasts := lapseAfter * s.o.Every
	began := time.Now()
	ask := ledger.Renewal{Worker: s.o.Worker, Name: s.o.Name, For: lasts, Limits: s.limits(), Closed: s.closings()}
	if s.o.Lanes != nil {
		ask.Lanes = s.o.Lanes()
	}
	if s.alone {
		ask.For = 0
	}
	within, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	got, err := s.o.Ledger.RenewShares(within, ask)
	if err != nil {
		s.failed(ctx, err, ask.Closed)
		return min(s.o.Every, time.Second)
	}
	if !s.alone {
		for _, limit := range s.o.Limits {
			limit.Limiter.SetShare(transport.Share{
				InFlight: int(got.Of[limit.Name+concurrency]), Rate: got.Of[limit.Name+rate], Lapses: began.Add(lasts),
			})
		}
		for name, rest := range got.Closed {
			if gate := s.o.Gates[name]; gate != nil {
				gate.CloseToo(rest)
			}
		}
	}
	for limit, share := range got.Of {
		s.o.Metrics.Tagged(map[string]string{"limit": limit}).Gauge("share").Update(share)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crew, s.told = Crew{Workers: got.Workers, Lanes: got.Lanes}, false
	switch {
	case s.alone:
		return never
	case !got.Settled:
		return min(s.o.Every, settleEvery)
	}
	return s.o.Every
}

// Limits are named as their settings.
const (
	concurrency = ".concurrency"
	rate        = ".rate"
)

func (s *Shares) limits() (out []ledger.Limit) {
	for _, limit := range s.o.Limits {
		inFlight, perSecond := limit.Limiter.Using()
		out = append(out, ledger.Limit{Name: limit.Name + concurrency, Total: float64(limit.InFlight), Whole: true, Most: float64(limit.Most), Uses: float64(inFlight)})
		if limit.Rate > 0 {
			out = append(out, ledger.Limit{Name: limit.Name + rate, Total: limit.Rate, Uses: perSecond})
		}
	}
	return out
}

// closings are the gates that the others are to be told of, with what is left of each.
func (s *Shares) closings() map[string]time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]time.Duration{}
	for name := range s.closed {
		if rest := s.o.Gates[name].Rest(); rest > 0 {
			out[name] = rest
		}
	}
	clear(s.closed)
	return out
}

// failed keeps what was not told for the next renewal.
func (s *Shares) failed(ctx context.Context, err error, closings map[string]time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range closings {
		s.closed[name] = true
	}
	if ctx.Err() == nil && !s.told && !s.alone {
		s.told = true
		s.o.Logger.Warn("the share of this worker cannot be renewed; when it lapses, nothing is sent until it can", "error", err)
	}
}

// Close gives the shares back. Nothing is sent any more.
func (s *Shares) Close(ctx context.Context) error {
	if !s.alone {
		s.stop()
	}
	return s.o.Ledger.ReturnShares(ctx, s.o.Worker)
}
