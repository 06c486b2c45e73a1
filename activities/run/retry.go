package run

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// KeepBeating tells Temporal every second that an attempt lives, whatever it
// waits for, until stop is called. details may be nil.
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

const (
	ReadWidth = 8 // single reads at a time
	ReadTries = 4 // of one read, before Temporal's slower retry takes over
	ReadPause = 250 * time.Millisecond
)

// KeepMark bounds the age of the saved link while nothing changes.
const KeepMark = time.Minute
