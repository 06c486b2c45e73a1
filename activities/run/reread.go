package run

import (
	"sync"
	"time"
)

// rereadEvery is for how long the metadata is not read again for the same question.
const rereadEvery = 10 * time.Minute

// Reread is what the metadata said when it was read again since a plan was resolved:
// because a record had a value that the plan does not list, or because a service refused a
// write for what the plan believes of its tables. The lanes of a process share it.
type Reread[P any] struct {
	mu    sync.Mutex
	asked map[string]time.Time // when the metadata was read for a question
	found *P                   // the newest plan; nil: nothing new was found
}

// Newest is the plan to go by: what was found since than was resolved, or than itself.
func (r *Reread[P]) Newest(than *P) *P {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.found != nil {
		return r.found
	}
	return than
}

// Newer is a plan that is newer than one which does not do. question says for what it does
// not; it holds no value of a record that is not to be kept for a while. The metadata is
// read once for each question and rereadEvery. Newer returns than itself when nothing newer
// is known; so does read by returning nil.
func (r *Reread[P]) Newer(than *P, question string, read func() (*P, error)) (*P, error) {
	r.mu.Lock() // the other records of the lane wait for the one that reads
	defer r.mu.Unlock()
	if r.found != nil && r.found != than {
		return r.found, nil
	}
	now := time.Now()
	if at, ok := r.asked[question]; ok && now.Sub(at) < rereadEvery {
		return than, nil
	}
	found, err := read()
	if err != nil {
		return than, err
	}
	if r.asked == nil || len(r.asked) > 1000 {
		r.asked = map[string]time.Time{}
	}
	r.asked[question] = now
	if found == nil {
		return than, nil
	}
	r.found = found
	return found, nil
}

// Rereads keeps a Reread for each plan.
type Rereads[P any] struct {
	mu  sync.Mutex
	all map[string]*Reread[P]
}

// Of is the one of a plan, in this process.
func (r *Rereads[P]) Of(plan string) *Reread[P] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]*Reread[P]{}
	}
	if r.all[plan] == nil {
		r.all[plan] = &Reread[P]{}
	}
	return r.all[plan]
}
