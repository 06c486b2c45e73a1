package run

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"go.temporal.io/sdk/temporal"
)

const (
	BeatEvery  = 2 * time.Second // heartbeat of a lane, with its counts
	MaxRounds  = 4               // tries of a record within one attempt of the activity
	MaxGateTry = 2 * time.Minute // a longer closing of the gate is waited for by Temporal
	RoundPause = 500 * time.Millisecond
)

// Pause sleeps unless ctx ends first.
func Pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// Gate says when a throttled service may be called again.
type Gate interface {
	Wait(ctx context.Context) error
	Until() time.Time
}

const (
	// CarefulAfter deaths at a lane, its records are written one at a time, each
	// noted first, so that the next death tells which of them it was.
	CarefulAfter = 3
	// PoisonAfter deaths in a row with the same record in hand, it is set aside.
	// One death proves little: a worker may be killed at any record.
	PoisonAfter = 3
)

// Codes of records at which the code itself fails.
const (
	CodePanic  = "Panic"
	CodePoison = "Poison"
)

// PanicText describes a panic without what may be a record's values.
func PanicText(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}

// ErrFencedLane ends an attempt whose lane another one has taken.
func ErrFencedLane() error {
	return temporal.NewApplicationErrorWithOptions("another attempt has taken over this lane", "Fenced",
		temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
}
