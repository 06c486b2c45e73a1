package eventlog

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// publishedAfter is how long after the event its CloudEvent is made.
const publishedAfter = 1120 * time.Millisecond

// Unruly says how many events the journal repeats or delivers out of order. Adobe
// promises neither once nor in order (§6.1).
type Unruly struct {
	Duplicates float64 `json:"duplicates"` // share of the events published twice
	Disorder   float64 `json:"disorder"`   // share of the events published too late, by up to 50 others
}

const furthest = 50

// publish puts events into the journal: those of the past now, the others when the
// clock reaches them. The caller holds the lock.
func (l *Log) publish(refs []ref, u Unruly, rng *rand.Rand) {
	l.catchUp()
	slices.SortStableFunc(refs, func(a, b ref) int { return cmp.Compare(a.at, b.at) })
	now := l.clock.Now().UnixMilli()
	due, _ := slices.BinarySearchFunc(refs, now, func(r ref, now int64) int {
		if r.at <= now {
			return -1
		}
		return 1
	})
	for _, r := range disturb(refs[:due], u, rng) {
		l.append(r)
	}
	l.pending = append(l.pending, disturb(refs[due:], u, rng)...)
	slices.SortStableFunc(l.pending, func(a, b ref) int { return cmp.Compare(a.at, b.at) })
	l.version++
}

// disturb repeats and delays some of the events. A delayed event is published together
// with the event it follows.
func disturb(refs []ref, u Unruly, rng *rand.Rand) []ref {
	if u == (Unruly{}) || len(refs) == 0 {
		return refs
	}
	type delayed struct {
		ref
		place float64
	}
	out := make([]delayed, 0, len(refs)+int(float64(len(refs))*u.Duplicates))
	for i, r := range refs {
		place := float64(i)
		if rng.Float64() < u.Disorder {
			place += 1 + rng.Float64()*furthest
		}
		out = append(out, delayed{r, place})
		if rng.Float64() < u.Duplicates {
			out = append(out, delayed{r, float64(i) + rng.Float64()*4*furthest})
		}
	}
	slices.SortStableFunc(out, func(a, b delayed) int { return cmp.Compare(a.place, b.place) })
	sorted := make([]ref, len(out))
	var at int64
	for i, d := range out {
		at = max(at, d.at)
		sorted[i] = d.ref
		sorted[i].at = at
	}
	return sorted
}

// append publishes one event. Its time of publication is never before that of the
// event before it.
func (l *Log) append(r ref) {
	if n := len(l.published); n > 0 {
		r.at = max(r.at, l.published[n-1].at)
	}
	l.published = append(l.published, r)
}

// catchUp publishes the pending events whose time has come. The caller holds the lock.
func (l *Log) catchUp() {
	if len(l.pending) == 0 {
		return
	}
	now := l.clock.Now().UnixMilli()
	n := 0
	for n < len(l.pending) && l.pending[n].at <= now {
		l.append(l.pending[n])
		n++
	}
	if n > 0 {
		l.pending = l.pending[n:]
		l.version++
	}
}

// The journal reads appearances by number, from 0.

// Epoch identifies this log, so that its positions are not taken for another's.
func (l *Log) Epoch() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epoch
}

// Len is the number of appearances so far.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catchUp()
	return len(l.published)
}

// FirstSince is the number of the first appearance at or after a moment.
func (l *Log) FirstSince(at time.Time) int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	n, _ := slices.BinarySearchFunc(l.published, at.UnixMilli(), func(r ref, ms int64) int { return cmp.Compare(r.at, ms) })
	return n
}
