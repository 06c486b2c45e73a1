package transport_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"causeway.dev/internal/transport"
)

// throttled is a service behind a token bucket that answers 429 with
// Retry-After: 1 when it is empty, as Adobe's gateway does.
type throttled struct {
	bucket *rate.Limiter
	gate   *transport.Gate
	answer time.Duration

	mu             sync.Mutex
	taken, refused int
}

// use keeps workers busy for d and returns the part of the allowed rate used.
func (s *throttled) use(ctx context.Context, l *transport.Limiter, workers int, d time.Duration) float64 {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for s.gate.Wait(ctx) == nil && l.Acquire(ctx) == nil {
				if s.gate.Until().After(time.Now()) {
					l.Release(transport.Abandoned, 0)
					continue
				}
				time.Sleep(s.answer)
				s.mu.Lock()
				outcome := transport.OK
				if s.bucket.Allow() {
					s.taken++
				} else {
					s.refused++
					s.gate.Close(time.Second)
					outcome = transport.Refused
				}
				s.mu.Unlock()
				l.Release(outcome, s.answer)
			}
		})
	}
	all.Wait()
	return float64(s.taken) / (float64(s.bucket.Limit()) * d.Seconds())
}

func TestTheRateOfAThrottlingServiceIsFoundAndUsed(t *testing.T) {
	after := 10 * time.Minute // of the test's own clock
	if testing.Short() {
		after = 2 * time.Minute // the race detector makes each request take many times as long
	}
	for _, c := range []struct {
		rate, burst, workers int
		answer               time.Duration
	}{
		{500, 50, 64, 5 * time.Millisecond},
		{500, 500, 64, 5 * time.Millisecond},
		{500, 5, 64, 20 * time.Millisecond},
		{100, 10, 64, 50 * time.Millisecond},
		{20, 40, 8, 200 * time.Millisecond},
		{2000, 200, 64, 2 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%d per second, burst %d", c.rate, c.burst), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := transport.NewLimiter(transport.LimiterOptions{Min: 4, Max: c.workers, Adaptive: true, LearnRate: true})
				s := &throttled{bucket: rate.NewLimiter(rate.Limit(c.rate), c.burst), gate: transport.NewGate(), answer: c.answer}
				first := s.use(t.Context(), l, c.workers, time.Minute)
				s.taken, s.refused = 0, 0
				then := s.use(t.Context(), l, c.workers, after)
				t.Logf("first minute %.1f %%, then %.1f %% with %d refused", 100*first, 100*then, s.refused)
				require.Greater(t, then, 0.97)
				require.Greater(t, first, 0.5) // while it is still looking
			})
		})
	}
}

func TestALowRateIsNotKeptForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := transport.NewLimiter(transport.LimiterOptions{Min: 4, Max: 32, Adaptive: true, LearnRate: true})
		s := &throttled{bucket: rate.NewLimiter(10, 1), gate: transport.NewGate(), answer: 10 * time.Millisecond}
		s.use(t.Context(), l, 32, 2*time.Minute)
		s.bucket = rate.NewLimiter(400, 40) // the service is itself again
		s.use(t.Context(), l, 32, 12*time.Minute)
		s.taken = 0
		require.Greater(t, s.use(t.Context(), l, 32, 5*time.Minute), 0.95)
	})
}
