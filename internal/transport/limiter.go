package transport

import (
	"container/list"
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Outcome is what a request tells the limiter about the service.
type Outcome int

const (
	OK        Outcome = iota // answered, whatever the answer says about the record
	Refused                  // 429: the service wants less
	Failed                   // timed out, reset, or a gateway's 5xx
	Abandoned                // the caller gave up: says nothing about the service
)

// LimiterOptions bound the load on one service.
type LimiterOptions struct {
	Min, Max      int     // requests in flight; at least 1
	RatePerSecond float64 // requests started per second; 0 = no limit
	Burst         int     // requests that may start at once; default a 50th of a second's worth
	Adaptive      bool    // move between Min and Max by answer times and refusals; else stay at Max
	LearnRate     bool    // find the rate that the service takes from its refusals
}

// Limiter bounds requests in flight and per second, first come, first served.
type Limiter struct {
	o LimiterOptions

	mu       sync.Mutex
	rate     *rate.Limiter // nil: no limit, now or later
	changed  chan struct{} // closed when rate is another one
	share    *Share        // nil: the limits are this process's alone
	pace     pace
	inFlight int
	waiting  list.List // of chan struct{}, closed when it is that waiter's turn
	target   float64
	hint     int
	aimd     aimd
}

// NewLimiter returns a limiter that starts at Max, or at Min when it is adaptive
// and finds its way up.
func NewLimiter(o LimiterOptions) *Limiter {
	o.Min = max(1, o.Min)
	o.Max = max(o.Min, o.Max)
	l := &Limiter{o: o, target: float64(o.Max), aimd: newAIMD(o.Min, o.Max), changed: make(chan struct{})}
	if o.Adaptive {
		l.target = float64(o.Min)
	}
	l.pace = pace{hard: o.RatePerSecond, now: time.Now}
	if o.RatePerSecond > 0 || o.LearnRate {
		l.rate = rate.NewLimiter(0, 0)
		l.setRate()
	}
	return l
}

// newRate begins a rate anew, with nothing saved up. The caller holds mu.
func (l *Limiter) newRate() {
	l.rate = rate.NewLimiter(0, 0)
	l.setRate()
	l.rate.AllowN(time.Now(), l.rate.Burst())
}

// setRate takes over what pace found. The caller holds mu, or l alone.
func (l *Limiter) setRate() {
	limit := l.pace.limit()
	if limit == l.rate.Limit() {
		return
	}
	switch {
	case l.pace.learnt > 0:
		l.rate.SetBurst(1) // nobody knows how large a burst the service takes
	case l.o.Burst > 0:
		l.rate.SetBurst(l.o.Burst)
	case limit != rate.Inf:
		l.rate.SetBurst(max(1, int(limit/50)))
	}
	l.rate.SetLimit(limit)
}

// Acquire waits for a place, then for the rate; it fails only with ctx's error.
// Each nil answer calls for one Release.
func (l *Limiter) Acquire(ctx context.Context) error {
	if err := l.place(ctx); err != nil {
		return err
	}
	if err := l.turn(ctx); err != nil {
		l.Release(Abandoned, 0)
		return err
	}
	return nil
}

func (l *Limiter) place(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.open() && l.inFlight < int(l.target) && l.waiting.Len() == 0 {
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
	}
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

// turn waits for the moment the rate allows. A turn is reserved when asked for,
// so a late wake-up costs nothing of the rate.
func (l *Limiter) turn(ctx context.Context) error {
	for {
		l.mu.Lock()
		by, changed := l.rate, l.changed
		if by == nil {
			l.mu.Unlock()
			return nil
		}
		if l.o.LearnRate {
			l.setRate()
		}
		l.mu.Unlock()
		turn := by.Reserve()
		delay := turn.Delay()
		if delay <= 0 {
			return nil
		}
		timer := time.NewTimer(delay)
		select {
		case <-changed:
			timer.Stop()
			continue // by the new rate
		case <-ctx.Done():
			timer.Stop()
			turn.Cancel()
			return ctx.Err()
		case <-timer.C:
		}
		select {
		case <-changed: // at the same moment
		default:
			return nil
		}
	}
}

// wake lets waiters in while there is room. The caller holds mu.
func (l *Limiter) wake() {
	for l.open() && l.inFlight < int(l.target) && l.waiting.Len() > 0 {
		turn := l.waiting.Remove(l.waiting.Front()).(chan struct{})
		l.inFlight++
		close(turn)
	}
}

// Release gives the place back and learns from how the request went.
func (l *Limiter) Release(outcome Outcome, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.o.Adaptive && outcome != Abandoned {
		busy := l.waiting.Len() > 0 || float64(2*l.inFlight) >= l.target
		l.target = l.aimd.next(l.target, outcome, took, busy)
	}
	if l.o.LearnRate {
		switch start := l.pace.now().Add(-took); outcome {
		case OK:
			l.pace.answered(start)
		case Refused:
			l.pace.refuse(start)
		}
	}
	l.inFlight--
	l.wake()
}

// SetTarget takes a service's hint of a good degree of parallelism, bounded by
// Min and Max. The same hint again changes nothing, so that what was learnt
// since stays.
func (l *Limiter) SetTarget(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n == l.hint {
		return
	}
	l.hint = n
	l.aimd.starting = false
	l.target = min(l.aimd.hi, max(l.aimd.lo, float64(n)))
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
