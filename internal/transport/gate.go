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
type Gate struct{ until atomic.Int64 } // unix nanoseconds; 0 = open

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{} }

// Close keeps the gate closed for d from now, or longer if it already is.
func (g *Gate) Close(d time.Duration) {
	until := time.Now().Add(d).UnixNano()
	for {
		now := g.until.Load()
		if now >= until || g.until.CompareAndSwap(now, until) {
			return
		}
	}
}

// Until is when the gate opens; a time in the past when it is open.
func (g *Gate) Until() time.Time { return time.Unix(0, g.until.Load()) }

// Err is the failure of a call that the closed gate stops; nil when it is open.
func (g *Gate) Err(service, op string) *apierr.Error {
	until := g.until.Load()
	if until == 0 {
		return nil
	}
	rest := time.Until(time.Unix(0, until))
	if rest <= 0 {
		return nil
	}
	return &apierr.Error{
		Class: apierr.Throttled, Reason: apierr.ReasonThrottled, Service: service, Op: op,
		Message: "the service asked to wait; nothing is sent until then", RetryAfter: rest,
	}
}

// Wait blocks until the gate is open or ctx ends.
func (g *Gate) Wait(ctx context.Context) error {
	for {
		rest := time.Until(g.Until())
		if rest <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(rest)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
