// Package kit holds what all sandbox services share: a clock that tests can move,
// scripted faults, and a certificate authority for the TLS listeners. All packages of
// sandbox use it.
package kit

import (
	"sync/atomic"
	"time"
)

// Clock is the sandbox's time: real time plus an offset that the admin port
// moves, so that tokens, links and retention windows expire on request.
type Clock struct{ offset atomic.Int64 }

// Now is the sandbox's time in UTC.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())).UTC() }

// Advance moves the clock by d, which may be negative.
func (c *Clock) Advance(d time.Duration) { c.offset.Add(int64(d)) }

// Offset is how far the clock is ahead of real time.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }
