package host

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
)

// What does not answer is as bad as what refuses, and hides nothing else; when it answers
// again, that shows.
func TestAvailabilityIsShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var refused error
		hangs := true
		scope := tally.NewTestScope("", nil)
		a := &availability{scope: scope, logger: slog.New(slog.DiscardHandler), asks: map[string]func(context.Context) error{
			"ledger_up": func(context.Context) error { return refused },
			"temporal_up": func(ctx context.Context) error {
				if !hangs {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			},
		}}
		shown := func() [2]float64 {
			a.refresh(t.Context())
			seen := scope.Snapshot().Gauges()
			return [2]float64{seen["ledger_up+"].Value(), seen["temporal_up+"].Value()}
		}
		require.Equal(t, [2]float64{1, 0}, shown())
		refused, hangs = errors.New("the disk is full"), false
		require.Equal(t, [2]float64{0, 1}, shown())
		refused = nil
		require.Equal(t, [2]float64{1, 1}, shown())

		// A worker that ends says nothing of what it did not wait for.
		ctx, cancel := context.WithCancel(t.Context())
		hangs = true
		time.AfterFunc(time.Second, cancel)
		a.run(ctx, time.Hour)
		require.Equal(t, 1.0, scope.Snapshot().Gauges()["temporal_up+"].Value())
	})
}
