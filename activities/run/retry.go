package run

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/internal/apierr"
)

const (
	// ReadWidth is how many single reads an activity has under way at a time.
	ReadWidth = 8

	readTries = 4 // of one read, before Temporal's slower retry takes over
	readPause = 250 * time.Millisecond
	// maxGateWait is the longest closing of a gate that is waited for in an activity;
	// a longer one is waited for by Temporal.
	maxGateWait = 2 * time.Minute
	// minThrottlePause is waited where nobody said how long to wait.
	minThrottlePause = time.Second
)

// Gate says when a throttled service may be called again.
type Gate interface {
	Wait(ctx context.Context) error
	Until() time.Time
}

// OpenSoon waits until a call that was throttled may be made again; false when that
// would take too long. began is when the call was made: if gate was not closed since,
// it was another service that asked to wait, such as the one that issues tokens.
func OpenSoon(ctx context.Context, gate Gate, began time.Time, throttled error) bool {
	if gate == nil {
		return false
	}
	if until := gate.Until(); until.After(began) {
		return time.Until(until) <= maxGateWait && gate.Wait(ctx) == nil
	}
	pause := minThrottlePause
	if fail, ok := errors.AsType[*apierr.Error](throttled); ok {
		pause = max(pause, fail.RetryAfter)
	}
	return pause <= maxGateWait && Sleep(ctx, pause)
}

// Retry reads a few times before Temporal's slower retry takes over, and waits for
// a gate that opens soon. gate may be nil.
func Retry[T any](ctx context.Context, gate Gate, read func() (T, error)) (T, error) {
	for try := 1; ; {
		began := time.Now()
		out, err := read()
		switch apierr.ClassOf(err) {
		case apierr.Throttled:
			if apierr.ReasonOf(err) == apierr.ReasonQuota || !OpenSoon(ctx, gate, began, err) {
				return out, err
			}
		case apierr.Retryable:
			if try == readTries || !Sleep(ctx, time.Duration(try)*readPause) {
				return out, err
			}
			try++
		default:
			return out, err
		}
	}
}

// Sleep waits; false when ctx ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// SleepUnlessStopping is Sleep for a wait that a worker which stops does not sit out.
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

// KeepBeating tells Temporal every second that an attempt lives, whatever it waits
// for, until stop is called. details may be nil.
func KeepBeating(ctx context.Context, details func() any) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second) // so that a cancellation arrives as soon
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

// KeepMark bounds the age of the saved position while nothing changes.
const KeepMark = time.Minute
