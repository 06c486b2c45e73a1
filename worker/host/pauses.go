package host

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
)

const (
	firstPause   = time.Second
	longestPause = time.Minute
	forgetPause  = time.Hour // after it, an activity counts as one that has not failed
)

// pauses has the pause after a failure of an activity grow with each failure in a row that
// this process has seen. Temporal's own pause would grow with each attempt, also with
// those whose workers died: after ten kills, one failure would cost a minute.
type pauses struct {
	interceptor.WorkerInterceptorBase

	mu     sync.Mutex
	failed map[string]failures // by activity
}

type failures struct {
	count int
	last  time.Time
}

func (p *pauses) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &pausingActivity{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, pauses: p}
}

type pausingActivity struct {
	interceptor.ActivityInboundInterceptorBase
	pauses *pauses
}

func (a *pausingActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	result, err := a.Next.ExecuteActivity(ctx, in)
	info := activity.GetInfo(ctx)
	id := info.WorkflowExecution.RunID + " " + info.ActivityID
	if info.IsLocalActivity || err == nil || ctx.Err() != nil || temporal.IsCanceledError(err) || errors.Is(err, activity.ErrResultPending) {
		a.pauses.forget(id)
		return result, err
	}
	return result, a.pauses.after(id, time.Now(), err)
}

// after is err with the pause that follows it.
func (p *pauses) after(id string, now time.Time, err error) error {
	app, ok := err.(*temporal.ApplicationError) //nolint:errorlint // one that is wrapped is another failure
	if ok && (app.NonRetryable() || app.NextRetryDelay() > 0 || app.HasDetails()) {
		return err
	}
	options := temporal.ApplicationErrorOptions{NextRetryDelay: p.next(id, now)}
	if ok {
		options.Category, options.Cause = app.Category(), app.Unwrap()
		return temporal.NewApplicationErrorWithOptions(app.Message(), app.Type(), options)
	}
	options.Cause = errors.Unwrap(err)
	t := reflect.TypeOf(err)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), t.Name(), options)
}

// next counts a failure and returns the pause that follows it.
func (p *pauses) next(id string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = map[string]failures{}
	}
	for other, f := range p.failed {
		if now.Sub(f.last) > forgetPause {
			delete(p.failed, other)
		}
	}
	f := p.failed[id]
	pause := longestPause
	if f.count < 6 {
		pause = firstPause << f.count
	}
	p.failed[id] = failures{count: f.count + 1, last: now}
	return pause
}

func (p *pauses) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.failed, id)
}
