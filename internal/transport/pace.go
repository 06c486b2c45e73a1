package transport

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	steadyAfter = 2 * time.Second // a refusal after so long is about the rate, not a burst
	freshFor    = 4 * time.Second // two stretches up to so long are compared as one bucket's
	idleGap     = 250 * time.Millisecond
	forgetAbove = 16 // times the learnt rate: the service is quite another one by then
	tick        = 100 * time.Millisecond
	ticks       = 11 // the last second, and the tick under way
)

// pace finds how many requests per second a service takes that says so only by
// refusing. Each refusal closes the gate for a second or more, so it is found
// with few: a burst's refusal tells both the size of the bucket and its refill,
// once there is a second one to compare it with. Between refusals the rate creeps
// towards what was found, stays there, and then goes beyond it, slowly at first
// (the growth of TCP CUBIC).
type pace struct {
	hard float64 // configured bound, requests/s; 0 = none
	now  func() time.Time

	learnt  float64       // requests/s; 0 = nothing yet
	refused time.Time     // when it was learnt
	plateau time.Duration // until the rate is learnt again; short while unsure
	dip     float64       // part of learnt that the rate starts below it

	began, last time.Time // of the stretch of answers since the gate opened
	n           float64   // answers in it
	prevN       float64   // of the stretch before
	prevT       time.Duration
	recent      [ticks]float64 // answers per tick
	recentAt    int64          // the tick of the latest
}

// limit is the rate for now; rate.Inf when nothing bounds it.
func (p *pace) limit() rate.Limit {
	bound := math.Inf(1)
	if p.hard > 0 {
		bound = p.hard
	}
	if p.learnt > 0 {
		at := float64(p.now().Sub(p.refused)-p.plateau) / float64(p.plateau)
		growth := 1 + p.dip*at*at*at
		if growth > forgetAbove {
			p.learnt, p.prevT = 0, 0
		} else {
			bound = min(bound, p.learnt*growth)
		}
	}
	if math.IsInf(bound, 1) {
		return rate.Inf
	}
	return rate.Limit(bound)
}

// answered counts a request that was taken; it was sent at start.
func (p *pace) answered(start time.Time) {
	now := p.now()
	if start.Before(p.refused) {
		return // sent before the gate closed
	}
	if p.began.IsZero() || now.Sub(p.last) > p.idle() {
		p.began, p.n, p.recentAt = start, 0, 0
		p.recent = [ticks]float64{}
	}
	p.last = now
	p.n++
	at := now.UnixNano() / int64(tick)
	for i := max(p.recentAt+1, at-ticks+1); i <= at; i++ {
		p.recent[i%ticks] = 0
	}
	p.recentAt = max(p.recentAt, at)
	p.recent[at%ticks]++
}

// idle is a gap between answers that ends a stretch: nobody was asking.
func (p *pace) idle() time.Duration {
	if limit := p.limit(); limit != rate.Inf {
		return max(idleGap, time.Duration(4/float64(limit)*float64(time.Second)))
	}
	return idleGap
}

// refuse learns from a request sent at start that the service refused.
func (p *pace) refuse(start time.Time) {
	if !start.After(p.refused) {
		return // sent together with one that told us already
	}
	took := start.Sub(p.began)
	n := p.n
	if p.began.IsZero() || took <= 0 {
		took, n = tick, 1 // refused at once
	}
	second := n / took.Seconds()
	if took >= time.Second {
		second = -p.recent[p.recentAt%ticks]
		for _, answers := range p.recent {
			second += answers
		}
	}
	before := p.learnt
	switch bucket := p.bucket(n, took); {
	case bucket > 0:
		p.learnt = min(0.99*bucket, 0.98*second)
	case took < steadyAfter:
		// A burst's size over its time is far too much, over the second that the
		// gate stays closed as well at most too little.
		p.learnt = math.Sqrt(second * n / (took + time.Second).Seconds())
	default:
		p.learnt = 0.98 * second
	}
	p.learnt = max(1, p.learnt)
	switch {
	case took < steadyAfter:
		p.dip, p.plateau = 0.05, 5*time.Second
	case math.Abs(p.learnt-before) > 0.03*before:
		p.dip, p.plateau = 0.02, 15*time.Second
	default: // found twice: sure enough
		p.dip, p.plateau = 0.01, time.Minute
	}
	p.prevN, p.prevT = n, took
	p.refused, p.began = p.now(), time.Time{}
}

// bucket is the refill per second of a token bucket that was emptied twice, by
// prevN requests in prevT and by n in took; 0 when they tell too little.
func (p *pace) bucket(n float64, took time.Duration) float64 {
	if p.prevT == 0 || took < 2*p.prevT || took > freshFor {
		return 0
	}
	return max(0, (n-p.prevN)/(took-p.prevT).Seconds())
}
