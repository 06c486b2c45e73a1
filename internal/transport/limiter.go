package transport

import (
	"container/list"
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Outcome is what a request tells the limiter.
type Outcome int

const (
	OK      Outcome = iota // answered, whatever the answer
	Refused                // 429: the service wants less
	Failed                 // timed out, reset, 5xx
)

// LimiterOptions bound the load on one service.
type LimiterOptions struct {
	Min, Max      int     // requests in flight; Min 1 or more
	RatePerSecond float64 // requests started per second; 0 = no limit
	Burst         int     // of RatePerSecond; default a tenth of a second's worth
	Adaptive      bool    // move between Min and Max by answer times and refusals
}

// Limiter bounds requests in flight and per second, first come, first served.
type Limiter struct {
	o    LimiterOptions
	rate *rate.Limiter

	mu       sync.Mutex
	inFlight int
	target   float64
	waiting  list.List // of chan struct{}
	floor    float64   // smoothed fastest answer, seconds
	recent   float64   // smoothed answer, seconds
	shrunk   time.Time
}

const (
	shrinkBy    = 0.7
	shrinkEvery = time.Second // one bad moment is one signal, however many requests met it
	slowFactor  = 2.0
)

// NewLimiter starts at Max when not adaptive, else half way.
func NewLimiter(o LimiterOptions) *Limiter {
	o.Min = max(1, o.Min)
	o.Max = max(o.Min, o.Max)
	l := &Limiter{o: o, target: float64(o.Max)}
	if o.RatePerSecond > 0 {
		if o.Burst == 0 {
			o.Burst = max(1, int(o.RatePerSecond/10))
		}
		l.rate = rate.NewLimiter(rate.Limit(o.RatePerSecond), o.Burst)
	}
	return l
}

// Acquire waits for a place, then for the rate. Each nil answer calls for one Release.
func (l *Limiter) Acquire(ctx context.Context) error {
	if err := l.place(ctx); err != nil {
		return err
	}
	if l.rate == nil {
		return nil
	}
	if err := l.rate.Wait(ctx); err != nil {
		l.leave()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return nil
}

func (l *Limiter) place(ctx context.Context) error {
	l.mu.Lock()
	if l.inFlight < int(l.target) && l.waiting.Len() == 0 {
		l.inFlight++
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	at := l.waiting.PushBack(turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		select {
		case <-turn: // it was our turn at the same moment: pass it on
			l.inFlight--
			l.wake()
		default:
			l.waiting.Remove(at)
		}
		return ctx.Err()
	}
}

// wake lets waiters in while there is room. The caller holds mu.
func (l *Limiter) wake() {
	for l.inFlight < int(l.target) && l.waiting.Len() > 0 {
		first := l.waiting.Front()
		l.waiting.Remove(first)
		l.inFlight++
		close(first.Value.(chan struct{}))
	}
}

func (l *Limiter) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	l.wake()
}

// Release gives the place back and learns from how the request went.
func (l *Limiter) Release(outcome Outcome, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	if l.o.Adaptive {
		l.learn(outcome, took.Seconds())
	}
	l.wake()
}

func (l *Limiter) learn(outcome Outcome, seconds float64) {
	if outcome != OK {
		if time.Since(l.shrunk) >= shrinkEvery {
			l.shrunk = time.Now()
			l.target = max(float64(l.o.Min), l.target*shrinkBy)
		}
		return
	}
	if l.floor == 0 || seconds < l.floor {
		l.floor = seconds
	} else {
		l.floor += (seconds - l.floor) / 10_000 // forget slowly: a service may become slower for good
	}
	if l.recent == 0 {
		l.recent = seconds
	}
	l.recent += (seconds - l.recent) / 50
	// Below some tens of milliseconds a factor of two is scheduling noise.
	if l.recent > slowFactor*l.floor+0.05 {
		l.target = max(float64(l.o.Min), l.target-0.1)
		return
	}
	l.target = min(float64(l.o.Max), l.target+1/l.target)
}

// SetTarget takes a service's own hint of a good degree of parallelism.
func (l *Limiter) SetTarget(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.target = float64(min(l.o.Max, max(l.o.Min, n)))
	l.wake()
}

// InFlight is the number of requests in flight.
func (l *Limiter) InFlight() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inFlight
}

// Target is how many requests may be in flight now.
func (l *Limiter) Target() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.target)
}
