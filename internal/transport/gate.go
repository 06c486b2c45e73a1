package transport

import (
	"context"
	"sync/atomic"
	"time"

	"causeway.dev/internal/apierr"
)

// Gate is shared by everything that uses one credential. A throttled service
// closes it: until it opens, calls fail at once and nothing is sent, because
// more requests lengthen the wait.
type Gate struct {
	made  time.Time    // anchors it to the monotonic clock: setting the machine's clock neither opens nor closes it
	until atomic.Int64 // nanoseconds since made; 0 = never closed
	told  atomic.Pointer[func()]
}

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{made: time.Now()} }

// Tell has f called after each Close, so that other processes can be told. f must not block.
func (g *Gate) Tell(f func()) { g.told.Store(&f) }

// Close keeps the gate closed for d from now, as the service asked this process. A gate
// that is closed for longer already stays so.
func (g *Gate) Close(d time.Duration) {
	g.CloseToo(d)
	if told := g.told.Load(); told != nil {
		(*told)()
	}
}

// CloseToo is Close for what the service asked another process: nobody is told.
func (g *Gate) CloseToo(d time.Duration) {
	until := int64(time.Since(g.made) + d)
	for {
		set := g.until.Load()
		if set >= until || g.until.CompareAndSwap(set, until) {
			return
		}
	}
}

// Rest is how long the gate stays closed; 0 or less when it is open.
func (g *Gate) Rest() time.Duration {
	until := g.until.Load()
	if until == 0 {
		return 0
	}
	return time.Duration(until) - time.Since(g.made)
}

// Until is when the gate opens; a time in the past when it is open.
func (g *Gate) Until() time.Time { return g.made.Add(time.Duration(g.until.Load())) }

// Err is the failure of a call that the closed gate stops, with the rest of the
// closing as RetryAfter; nil when the gate is open.
func (g *Gate) Err(service, op string) *apierr.Error {
	rest := g.Rest()
	if rest <= 0 {
		return nil
	}
	return &apierr.Error{
		Class: apierr.Throttled, Reason: apierr.ReasonThrottled, Service: service, Op: op,
		Message: "the service asked to wait; nothing is sent until then", RetryAfter: rest,
	}
}

// Wait blocks until the gate is open or ctx ends, and then returns ctx's error.
func (g *Gate) Wait(ctx context.Context) error {
	for {
		rest := g.Rest()
		if rest <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(rest)
		select {
		case <-timer.C: // it may have been closed again meanwhile
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
