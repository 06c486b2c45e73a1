package run

import (
	"context"
	"hash/fnv"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// PauseUnlessStopping sleeps; false when the activity is to end.
func PauseUnlessStopping(ctx context.Context, d time.Duration) bool {
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

// LaneOf gives records of one key one lane, on every page of a run.
func LaneOf(key string, lanes int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return int(h.Sum32() % uint32(lanes)) //nolint:gosec // lanes is 1 to 32
}

func Fetched(p *ledger.Page) *activities.FetchResult {
	return &activities.FetchResult{Page: p.Number, Phase: activities.Phase(p.Phase), Read: p.Read, Lanes: p.LaneSizes, More: !p.Next.None()}
}

// WindowFilter selects by modifiedon; "" selects everything.
func WindowFilter(w activities.Window) string {
	var parts []string
	if !w.Since.IsZero() {
		parts = append(parts, "modifiedon ge "+w.Since.UTC().Format(time.RFC3339))
	}
	if !w.Until.IsZero() {
		parts = append(parts, "modifiedon lt "+w.Until.UTC().Format(time.RFC3339))
	}
	return strings.Join(parts, " and ")
}

// Retried reads a few times before Temporal's slower retry takes over.
func Retried[T any](ctx context.Context, read func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		out, err := read()
		if apierr.ClassOf(err) != apierr.Retryable || try == ReadTries || !Pause(ctx, time.Duration(try)*ReadPause) {
			return out, err
		}
	}
}
