package transport

import "time"

const (
	shrinkBy    = 0.7
	shrinkEvery = time.Second // one bad moment is one signal, however many requests met it
	slowFactor  = 2.0
	// slowSlack is noise of this machine's scheduling, not news of the service.
	slowSlack = 25 * time.Millisecond
	// The quickest answer is remembered for floorWindow; then it may rise, but
	// only by floorRise, or a service that we keep busy would seem quick for ever.
	floorWindow = 30 * time.Second
	floorRise   = 1.25
)

// aimd finds how many requests a service takes at a time: additive increase
// while answers come about as quickly as the quickest, a slow decrease while
// they take more than twice as long, a multiplicative one on refusals.
type aimd struct {
	lo, hi   float64
	now      func() time.Time
	starting bool // doubles per round of answers until the first bad sign

	shrunk      time.Time
	floor       time.Duration // quickest answer known
	recent      time.Duration // smoothed answer time
	window      time.Duration // quickest answer of the current window
	windowStart time.Time
}

func newAIMD(lo, hi int) aimd {
	return aimd{lo: float64(lo), hi: float64(hi), now: time.Now, starting: true}
}

// next is the target after one more request. busy says that the target was
// nearly used: an idle limiter learns nothing about room above.
func (a *aimd) next(target float64, outcome Outcome, took time.Duration, busy bool) float64 {
	now := a.now()
	if outcome != OK {
		a.starting = false
		if now.Sub(a.shrunk) < shrinkEvery {
			return target
		}
		a.shrunk = now
		return max(a.lo, target*shrinkBy)
	}
	a.observe(now, took)
	switch slow := float64(a.recent) > slowFactor*float64(a.floor)+float64(slowSlack); {
	case slow:
		a.starting = false
		return max(a.lo, target-0.1) // a tenth per round of answers
	case !busy:
		return target
	case a.starting:
		return min(a.hi, target+1)
	default:
		return min(a.hi, target+1/target)
	}
}

func (a *aimd) observe(now time.Time, took time.Duration) {
	if a.floor == 0 {
		a.floor, a.recent, a.window, a.windowStart = took, took, took, now
	}
	a.recent += (took - a.recent) / 20
	a.floor = min(a.floor, took)
	a.window = min(a.window, took)
	if now.Sub(a.windowStart) >= floorWindow {
		a.floor = min(a.window, time.Duration(float64(a.floor)*floorRise))
		a.window, a.windowStart = took, now
	}
}
