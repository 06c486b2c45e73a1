package transport

import (
	"sync"
	"sync/atomic"
	"time"
)

// lasting is how long an operation must have met nothing but answers that nobody
// expects before they are taken for how things are.
const lasting = 2 * time.Minute

// forgotten is after how long without any answer to an operation its last odd answer
// says nothing any more. Temporal repeats what failed at least once a minute.
const forgotten = 5 * time.Minute

// Patience tells one odd answer from a state that only an operator can end: a
// redirect or a refusal without a reason may come from something in between, and
// pass. It remembers, by operation, since when there was nothing else.
type Patience struct {
	watch   *Watch // is told; may be nil
	service string
	any     atomic.Bool // fast path: hardly any operation ever meets one
	mu      sync.Mutex
	odd     map[string]oddAnswers
}

// oddAnswers are those of one operation, with no good answer among them.
type oddAnswers struct{ first, last time.Time }

// ToldTo has a Watch told of the odd answers of a service. It is called before any other
// method.
func (p *Patience) ToldTo(w *Watch, service string) { p.watch, p.service = w, service }

// Lasts notes an odd answer to an operation. It is true when odd answers, and no
// other, have come for two minutes or longer.
func (p *Patience) Lasts(op, answer string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.odd == nil {
		p.odd = map[string]oddAnswers{}
	}
	now := time.Now()
	seen, ok := p.odd[op]
	if !ok || now.Sub(seen.last) > forgotten {
		seen.first = now
	}
	seen.last = now
	p.odd[op] = seen
	p.any.Store(true)
	p.watch.note(p.service, op, seen, answer)
	return now.Sub(seen.first) >= lasting
}

// Ends notes a good answer to an operation.
func (p *Patience) Ends(op string) {
	if !p.any.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.odd[op]; ok {
		delete(p.odd, op)
		p.watch.end(p.service, op)
	}
	p.any.Store(len(p.odd) > 0)
}
