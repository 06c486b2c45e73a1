package transport

import (
	"sync"
	"sync/atomic"
	"time"
)

// lasting is how long an operation must have met nothing but answers that nobody
// expects before they are taken for how things are.
const lasting = 2 * time.Minute

// Patience tells one odd answer from a state that only an operator can end: a
// redirect or a refusal without a reason may come from something in between, and
// pass. It remembers, by operation, since when there was nothing else.
type Patience struct {
	any   atomic.Bool // fast path: hardly any operation ever meets one
	mu    sync.Mutex
	since map[string]time.Time
}

// Lasts notes an odd answer to an operation. It is true when every answer of the
// last two minutes, or longer, was one.
func (p *Patience) Lasts(op string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since == nil {
		p.since = map[string]time.Time{}
	}
	first, ok := p.since[op]
	if !ok {
		first = time.Now()
		p.since[op] = first
		p.any.Store(true)
	}
	return time.Since(first) >= lasting
}

// Ends notes a good answer to an operation.
func (p *Patience) Ends(op string) {
	if !p.any.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.since, op)
	p.any.Store(len(p.since) > 0)
}
