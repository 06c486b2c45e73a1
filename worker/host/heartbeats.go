package host

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
)

// beatEvery is how long an activity may say nothing.
const beatEvery = time.Second

// heartbeats has every activity give a sign of life every second, whatever it waits for:
// a call of the ledger may last longer than Temporal waits, and an activity that is given
// up for that is begun anew, each time. What an activity said last is said again.
//
// An activity that never returns is ended by its start-to-close timeout. The ledger ends a
// statement that lasts too long by itself.
type heartbeats struct {
	interceptor.WorkerInterceptorBase
}

func (*heartbeats) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &beatingActivity{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}}
}

type beatingActivity struct {
	interceptor.ActivityInboundInterceptorBase
	last *lastBeat
}

func (b *beatingActivity) Init(outbound interceptor.ActivityOutboundInterceptor) error {
	b.last = &lastBeat{ActivityOutboundInterceptorBase: interceptor.ActivityOutboundInterceptorBase{Next: outbound}}
	return b.Next.Init(b.last)
}

func (b *beatingActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if !activity.GetInfo(ctx).IsLocalActivity {
		done := make(chan struct{})
		var beating sync.WaitGroup
		beating.Go(func() { b.last.repeat(ctx, done) })
		defer beating.Wait()
		defer close(done)
	}
	return b.Next.ExecuteActivity(ctx, in)
}

// lastBeat keeps what an activity said last.
type lastBeat struct {
	interceptor.ActivityOutboundInterceptorBase

	mu      sync.Mutex
	at      time.Time
	details []any
}

func (l *lastBeat) RecordHeartbeat(ctx context.Context, details ...any) {
	l.mu.Lock()
	l.at, l.details = time.Now(), details
	l.mu.Unlock()
	l.Next.RecordHeartbeat(ctx, details...)
}

func (l *lastBeat) repeat(ctx context.Context, done <-chan struct{}) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-done:
			return
		}
		l.mu.Lock()
		quiet, details := time.Since(l.at) >= beatEvery, l.details
		l.mu.Unlock()
		if quiet {
			l.Next.RecordHeartbeat(ctx, details...)
		}
	}
}
