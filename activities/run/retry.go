package run

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
)

const (
	// ReadsAtATime is how many reads of single records an activity has under way.
	ReadsAtATime = 8

	readTries = 4 // of one read, before Temporal's slower retry takes over
	readPause = 250 * time.Millisecond
	// longestGateWait is how long an activity waits for a gate. Temporal waits for one
	// that stays closed longer.
	longestGateWait = 2 * time.Minute
	// minThrottlePause is the wait where the service did not say how long to wait.
	minThrottlePause = time.Second
)

// Gate says when a service that throttled may be called again.
type Gate interface {
	Wait(ctx context.Context) error
	Until() time.Time
}

// waitUntilOpen waits until a throttled call may be made again; false when that would
// take too long. began is when the call was made. If gate has not closed since, another
// service asked to wait, such as the one that issues tokens.
func waitUntilOpen(ctx context.Context, gate Gate, began time.Time, throttled error) bool {
	if gate == nil {
		return false
	}
	if until := gate.Until(); until.After(began) {
		return time.Until(until) <= longestGateWait && gate.Wait(ctx) == nil
	}
	pause := askedPause(throttled)
	return pause <= longestGateWait && sleep(ctx, pause)
}

// askedPause is how long a service asked to wait whose gate is not this one's.
func askedPause(throttled error) time.Duration {
	if fail, ok := errors.AsType[*apierr.Error](throttled); ok {
		return max(minThrottlePause, fail.RetryAfter)
	}
	return minThrottlePause
}

// opens is when a throttled call may be made again; zero where there is no gate.
func opens(gate Gate, began time.Time, throttled error) time.Time {
	if gate == nil {
		return time.Time{}
	}
	if until := gate.Until(); until.After(began) {
		return until
	}
	return time.Now().Add(askedPause(throttled))
}

// Retry repeats a read a few times before Temporal's slower retry takes over. It waits
// for a gate that opens soon. gate may be nil.
func Retry[T any](ctx context.Context, gate Gate, read func() (T, error)) (T, error) {
	for try := 1; ; {
		began := time.Now()
		out, err := read()
		switch apierr.ClassOf(err) {
		case apierr.Throttled:
			if apierr.ReasonOf(err) == apierr.ReasonQuota || !waitUntilOpen(ctx, gate, began, err) {
				return out, err
			}
		case apierr.Retryable:
			if try == readTries || !sleep(ctx, time.Duration(try)*readPause) {
				return out, err
			}
			try++
		default:
			return out, err
		}
	}
}

// OpensBefore says whether a service that throttled asks to wait for less than until a
// deadline. A wait for changes then looks again by itself; else it ends with the failure,
// so that the status tells until when the service wants to be left alone.
func OpensBefore(deadline time.Time, err error) bool {
	fail, ok := errors.AsType[*apierr.Error](err)
	return ok && fail.Class == apierr.Throttled && time.Now().Add(fail.RetryAfter).Before(deadline)
}

// sleep pauses for d; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// SleepUnlessStopping pauses for d; false when ctx ended or the worker began to stop.
func SleepUnlessStopping(ctx context.Context, d time.Duration) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
		return true
	case <-activity.GetWorkerStopChannel(ctx):
	case <-ctx.Done():
	}
	return false
}

// KeepBeating sends a heartbeat every second until stop is called, whatever the attempt
// waits for meanwhile. details may be nil.
func KeepBeating(ctx context.Context, details func() any) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second) // a cancellation comes with the answer to a heartbeat
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if details == nil {
					activity.RecordHeartbeat(ctx)
				} else {
					activity.RecordHeartbeat(ctx, details())
				}
			case <-done:
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// Checked is when a source was asked last and had nothing new. It goes out with heartbeats.
type Checked struct{ at atomic.Pointer[time.Time] }

// Set notes when that was.
func (c *Checked) Set(at time.Time) { c.at.Store(&at) }

// Beat is the heartbeat.
func (c *Checked) Beat() any {
	if at := c.at.Load(); at != nil {
		return activities.WaitingBeat{Checked: *at}
	}
	return activities.WaitingBeat{}
}
