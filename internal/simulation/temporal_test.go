package simulation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
)

// The budgets of workflows/options.go, as far as they decide an order.
const (
	heartbeatTimeout = 10 * time.Second
	firstPause       = time.Second
	longestPause     = time.Minute
)

// attempt is one attempt at an activity, in a worker of its own: it shares nothing
// with other attempts but the ledger and the two systems.
type attempt struct {
	w         *world
	name      string
	activity  string
	try       int
	scheduled time.Time
	ctx       context.Context
	cancel    context.CancelFunc

	mu        sync.Mutex
	beat      time.Time     // Temporal's last sign of life
	frozen    chan struct{} // closed when it goes on; nil while it runs
	frozenAt  time.Time
	frozenFor time.Duration
	standing  bool          // its clock stands still while it is frozen
	stood     time.Duration // by which its clock is behind
	dead      bool          // killed: it never goes on
	overdue   bool          // Temporal has given it up
	unwanted  bool          // its workflow has cancelled it
	denied    bool          // a request of it was answered with a 401; the schedule's own
}

type attemptKey struct{}

// activityContext is the context of an activity, of which our interceptor answers
// everything. It is made once, outside of any bubble, and has no channel.
var activityContext = sync.OnceValue(func() context.Context {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&interceptors{}}})
	var got context.Context
	capture := func(ctx context.Context) error {
		got = context.WithoutCancel(ctx)
		return nil
	}
	env.RegisterActivity(capture)
	if _, err := env.ExecuteActivity(capture); err != nil {
		panic(err)
	}
	return got
})

type interceptors struct {
	interceptor.WorkerInterceptorBase
}

func (*interceptors) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &inbound{}
	in.Next = next
	return in
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
}

func (in *inbound) Init(next interceptor.ActivityOutboundInterceptor) error {
	out := &outbound{}
	out.Next = next
	return in.Next.Init(out)
}

// outbound answers an activity in Temporal's place, but for what is the same for all.
type outbound struct {
	interceptor.ActivityOutboundInterceptorBase
}

func (*outbound) GetLogger(context.Context) log.Logger { return silent{} }

// RecordHeartbeat tells Temporal that an attempt lives. One that was given up or
// cancelled learns of it here, as a worker does by the answer to its heartbeat.
func (*outbound) RecordHeartbeat(ctx context.Context, _ ...any) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return
	}
	a.thaw()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.overdue || a.unwanted {
		a.cancel()
	}
	if !a.overdue {
		a.beat = time.Now()
	}
}

// GetInfo names the activity and when it was scheduled, as Temporal does.
func (o *outbound) GetInfo(ctx context.Context) activity.Info {
	info := o.Next.GetInfo(ctx)
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		info.ActivityID, info.Attempt, info.ScheduledTime = a.activity, int32(a.try), a.scheduled //nolint:gosec // tries are few
	}
	return info
}

func (*outbound) HasHeartbeatDetails(context.Context) bool { return false }

func (*outbound) GetHeartbeatDetails(context.Context, ...any) error { return errors.New("no details") }

func (*outbound) GetWorkerStopChannel(context.Context) <-chan struct{} { return nil }

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// thaw waits while the attempt is suspended, for ever where it is dead.
func (a *attempt) thaw() {
	a.mu.Lock()
	frozen, dead := a.frozen, a.dead
	a.mu.Unlock()
	if frozen != nil {
		select {
		case <-frozen:
		case <-a.w.closing:
		}
	}
	if dead {
		<-a.w.closing
	}
}

func (a *attempt) freeze(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.frozen, a.frozenAt, a.frozenFor, a.standing = make(chan struct{}), time.Now(), d, false
}

// stand suspends an attempt together with its clock, as a machine is.
func (a *attempt) stand(d time.Duration) {
	a.freeze(d)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.standing = true
}

// clock is the monotonic clock of an attempt's machine.
func (a *attempt) clock() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.frozen != nil && a.standing {
		now = a.frozenAt
	}
	return now.Add(-a.stood)
}

func (a *attempt) resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.frozen != nil {
		if a.standing {
			a.stood += time.Since(a.frozenAt)
		}
		close(a.frozen)
		a.frozen = nil
	}
}

func (a *attempt) kill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dead = true
}

func (a *attempt) isFrozen() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.frozen != nil
}

// isAsleep says that it is frozen for longer than a schedule lasts.
func (a *attempt) isAsleep() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.frozen != nil && a.frozenFor == asleep
}

func (a *attempt) isDead() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dead
}

// work is what an activity does, in the worker of an attempt.
type work func(a *attempt) (any, error)

type outcome struct {
	value any
	err   error
}

// stubborn attempts in a row, an operator starts the flow again.
const stubborn = 25

var errInterrupted = errors.New("interrupted by an operator")

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

var errStuck = errors.New("every attempt fails")

// call runs an activity as Temporal does: at least once, until an attempt reports,
// with a new attempt where the last has failed or given no sign of life. Where stop is
// closed, the attempt in hand is cancelled and there is no other; it may be nil.
func (w *world) call(name string, stop <-chan struct{}, do work) (any, error) {
	pause, scheduled := firstPause, time.Now()
	for try := 1; ; try++ {
		if closed(stop) {
			return nil, errInterrupted
		}
		out, again := w.attempt(&attempt{activity: name, try: try, scheduled: scheduled}, stop, do)
		if !again {
			return out.value, out.err
		}
		if closed(stop) {
			return nil, errInterrupted
		}
		wait := pause
		if app, ok := errors.AsType[*temporal.ApplicationError](out.err); ok {
			if app.NonRetryable() {
				return nil, out.err
			}
			wait = max(wait, app.NextRetryDelay())
		}
		if try >= stubborn {
			return nil, fmt.Errorf("%w: %s: %w", errStuck, name, out.err)
		}
		if err := w.sleepUnless(wait, stop); err != nil {
			return nil, err
		}
		pause = min(2*pause, longestPause)
	}
}

var errHeartbeat = errors.New("heartbeat timeout")

// attempt makes one attempt; again is true where it has not succeeded.
func (w *world) attempt(a *attempt, stop <-chan struct{}, do work) (out outcome, again bool) {
	a.w, a.name, a.beat = w, fmt.Sprintf("%s #%d", a.activity, a.try), time.Now()
	base := context.WithValue(activityContext(), attemptKey{}, a)
	a.ctx, a.cancel = context.WithCancel(base)
	w.enter(a)
	done := make(chan outcome, 1)
	w.running.Go(func() {
		defer a.cancel()
		if w.pass(a, seamBegin, "") == gone {
			return
		}
		value, err := do(a)
		if w.pass(a, seamEnd, "") == gone {
			return
		}
		done <- outcome{value, err}
	})
	defer w.leave(a)
	for {
		a.mu.Lock()
		rest := time.Until(a.beat.Add(heartbeatTimeout))
		a.overdue = a.overdue || rest <= 0
		a.mu.Unlock()
		if rest <= 0 {
			return outcome{err: errHeartbeat}, true
		}
		timer := time.NewTimer(rest)
		select {
		case out := <-done:
			timer.Stop()
			return out, out.err != nil
		case <-w.closing:
			timer.Stop()
			return outcome{err: errClosing}, false
		case <-stop:
			stop = nil
			a.mu.Lock()
			a.unwanted = true
			a.mu.Unlock()
		case <-timer.C:
		}
	}
}
