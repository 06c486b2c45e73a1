package transport

import (
	"context"
	"sync"
	"time"
)

// answerWithin is how long a fenced request that has left may wait for its answer after its
// context ended. To break it off undoes nothing: the service may have carried it out, and
// what it did would have to be looked up. It is less than a stop may reasonably take.
const answerWithin = 10 * time.Second

// lingering is a context for one fenced request. Until the request has left, it ends with
// the context that it was made of. From then on it stays until the answer has come, or for
// answerWithin.
type lingering struct {
	ctx    context.Context
	cancel context.CancelFunc
	of     context.Context
	unhook func() bool

	mu   sync.Mutex
	left bool
	over *time.Timer
}

// answered begins the context of a request of ctx. The caller ends it.
func answered(ctx context.Context) *lingering {
	l := &lingering{of: ctx}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.unhook = context.AfterFunc(ctx, l.interrupt)
	return l
}

// leaves says that the request is about to leave; an error when that is too late.
func (l *lingering) leaves() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.of.Err(); err != nil {
		return err
	}
	l.left = true
	return nil
}

func (l *lingering) interrupt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.left {
		l.cancel()
		return
	}
	l.over = time.AfterFunc(answerWithin, l.cancel)
}

func (l *lingering) end() {
	l.unhook()
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over != nil {
		l.over.Stop()
	}
}
