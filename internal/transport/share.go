package transport

import (
	"errors"
	"net/http"
	"time"
)

// Share is what this process may use of limits that several processes keep together.
type Share struct {
	InFlight int     // requests; 0 sends nothing
	Rate     float64 // requests started per second, where the limiter has a rate; 0 sends nothing
	// Lapses is when it ends unless it was renewed: from then on others may use it. It is a
	// time of this process, measured from before the share was asked for; the zero time never
	// comes.
	Lapses time.Time
}

// errLapsed says that a request was not sent because the share of this process has lapsed.
var errLapsed = errors.New("the share of this worker has lapsed")

// SetShare has the limiter keep to a share from now on. Requests in flight are not taken back:
// Using says how many there are. A rate that is learnt stays within the share.
func (l *Limiter) SetShare(s Share) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.share = &s
	l.o.Max = s.InFlight
	l.aimd.lo, l.aimd.hi = float64(min(l.o.Min, s.InFlight)), float64(s.InFlight)
	if l.o.Adaptive {
		l.target = min(max(l.target, l.aimd.lo), l.aimd.hi)
	} else {
		l.target = l.aimd.hi
	}
	if l.o.RatePerSecond > 0 && s.Rate != l.pace.hard {
		// Who waits for a turn by the old rate takes one by the new rate.
		l.pace.hard = s.Rate
		l.newRate()
		close(l.changed)
		l.changed = make(chan struct{})
	}
	l.wake()
}

// Using is the most that this process may be using of a share at this moment: what it was
// given last, and more while requests of an earlier, larger share are in flight.
func (l *Limiter) Using() (inFlight int, perSecond float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	inFlight = l.inFlight
	if l.share != nil && !l.share.lapsed() {
		inFlight = max(inFlight, l.share.InFlight)
		perSecond = l.share.Rate
	}
	return inFlight, perSecond
}

// lapsed believes whichever of the two clocks is ahead: one of them stands still while the
// machine sleeps.
func (s *Share) lapsed() bool {
	if s.Lapses.IsZero() {
		return false
	}
	now := time.Now()
	return !now.Before(s.Lapses) || !now.Round(0).Before(s.Lapses.Round(0))
}

// open says whether anything may be sent now. The caller holds mu.
func (l *Limiter) open() bool {
	if l.share == nil {
		return true
	}
	return !l.share.lapsed() && (l.o.RatePerSecond == 0 || l.share.Rate > 0)
}

// mayLeave is asked at the last moment before a request leaves: a process that was paused may
// wake when others have its share.
func (l *Limiter) mayLeave() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open() {
		return errLapsed
	}
	return nil
}

// leaving adds the question whether the share has lapsed to what is asked before a request
// leaves; nil asks nothing.
func (c *Client) leaving(ask func() error, refused func(error)) func() error {
	if c.o.Limiter == nil || !c.o.Limiter.shared() {
		return ask
	}
	return func() error {
		if err := c.o.Limiter.mayLeave(); err != nil {
			refused(err)
			return err
		}
		if ask == nil {
			return nil
		}
		return ask()
	}
}

func (l *Limiter) shared() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.share != nil
}

// rewind makes a request that did not leave ready to be sent; false when its body is gone.
func rewind(req *http.Request) bool {
	if req.Body == nil || req.Body == http.NoBody {
		return true
	}
	if req.GetBody == nil {
		return false
	}
	body, err := req.GetBody()
	req.Body = body
	return err == nil
}
