package run

import (
	"context"
	"log/slog"
	"runtime/debug"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
)

// Panics keeps the values of a panic in an activity out of Temporal and the log: what the
// SDK would keep of it is the value and may be what a record holds. The place is in the
// worker's log.
type Panics struct {
	interceptor.WorkerInterceptorBase
	Logger *slog.Logger
}

// InterceptActivity is part of interceptor.WorkerInterceptor.
func (p *Panics) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &panicGuard{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, log: p.Logger}
}

type panicGuard struct {
	interceptor.ActivityInboundInterceptorBase
	log *slog.Logger
}

// ExecuteActivity runs an activity. Temporal tries one that panicked again, as it would
// without this.
func (g *panicGuard) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			g.log.Error("panic in an activity", "panic", PanicText(p), "stack", string(debug.Stack()))
			result, err = nil, temporal.NewApplicationError("the program failed ("+PanicText(p)+"); the worker's log has the place, please report it", CodePanic)
		}
	}()
	return g.Next.ExecuteActivity(ctx, in)
}
