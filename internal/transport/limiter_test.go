package transport_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/transport"
)

func TestLimiterLetsWaitersInFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := transport.NewLimiter(transport.LimiterOptions{Max: 1})
		require.NoError(t, l.Acquire(t.Context()))
		var order []int
		ctx, giveUp := context.WithCancel(t.Context())
		for i := range 5 {
			go func() {
				mine := t.Context()
				if i == 2 {
					mine = ctx
				}
				if l.Acquire(mine) == nil {
					order = append(order, i)
					l.Release(transport.OK, 0)
				}
			}()
			synctest.Wait()
		}
		giveUp()
		synctest.Wait()
		require.Equal(t, 1, l.InFlight())
		l.Release(transport.OK, 0)
		synctest.Wait()
		require.Equal(t, []int{0, 1, 3, 4}, order)
		require.Zero(t, l.InFlight())
	})
}

func TestLimiterUsesNearlyAllOfTheRateAndNeverMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond, seconds, workers = 500, 20, 16
		l := transport.NewLimiter(transport.LimiterOptions{Max: workers, RatePerSecond: perSecond})
		ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
		defer cancel()
		var mu sync.Mutex
		started := map[int64]int{} // by tenth of a second
		total := 0
		began := time.Now()
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for l.Acquire(ctx) == nil {
					mu.Lock()
					total++
					started[int64(time.Since(began)/(100*time.Millisecond))]++
					mu.Unlock()
					time.Sleep(7 * time.Millisecond)
					l.Release(transport.OK, 7*time.Millisecond)
				}
			})
		}
		all.Wait()
		require.GreaterOrEqual(t, total, perSecond*seconds*97/100)
		require.LessOrEqual(t, total, perSecond*seconds+perSecond/50)
		for tenth, n := range started {
			require.LessOrEqual(t, n, perSecond/10+perSecond/50, "a burst in tenth %d", tenth)
		}
		require.Zero(t, l.InFlight())
	})
}

func TestLimiterWaitingForTheRateEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := transport.NewLimiter(transport.LimiterOptions{Max: 8, RatePerSecond: 0.001, Burst: 1})
		require.NoError(t, l.Acquire(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		require.Equal(t, context.DeadlineExceeded, l.Acquire(ctx))
		require.Equal(t, time.Second, time.Since(began))
		require.Equal(t, 1, l.InFlight())
	})
}

// answers has l make n requests, as many at a time as it lets in, each taking took.
func answers(t *testing.T, l *transport.Limiter, n int, outcome transport.Outcome, took time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if l.Acquire(t.Context()) == nil {
				time.Sleep(took)
				l.Release(outcome, took)
			}
		})
	}
	all.Wait()
}

func TestLimiterGrowsWhileAnswersAreQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := transport.NewLimiter(transport.LimiterOptions{Min: 2, Max: 32, Adaptive: true})
		require.Equal(t, 2, l.Target())
		answers(t, l, 200, transport.OK, 20*time.Millisecond)
		require.Equal(t, 32, l.Target())
	})
}

func TestLimiterShrinksOnRefusalsOncePerSecondDownToMin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, outcome := range []transport.Outcome{transport.Refused, transport.Failed} {
			l := transport.NewLimiter(transport.LimiterOptions{Min: 3, Max: 100, Adaptive: true})
			l.SetTarget(100)
			answers(t, l, 100, outcome, time.Millisecond)
			require.Equal(t, 70, l.Target(), "one volley is one signal")
			for range 30 {
				time.Sleep(time.Second)
				answers(t, l, 1, outcome, time.Millisecond)
			}
			require.Equal(t, 3, l.Target())
		}
	})
}

func TestLimiterShrinksWhileAnswersTakeTwiceAsLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := transport.NewLimiter(transport.LimiterOptions{Min: 4, Max: 64, Adaptive: true})
		answers(t, l, 500, transport.OK, 50*time.Millisecond)
		require.Equal(t, 64, l.Target())
		answers(t, l, 500, transport.OK, 100*time.Millisecond)
		require.Equal(t, 64, l.Target(), "about twice is still well")
		answers(t, l, 500, transport.OK, 400*time.Millisecond)
		require.Less(t, l.Target(), 40)
	})
}

func TestLimiterDoesNotGrowUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := transport.NewLimiter(transport.LimiterOptions{Min: 10, Max: 100, Adaptive: true})
		for range 300 {
			answers(t, l, 1, transport.OK, time.Millisecond)
		}
		require.Equal(t, 10, l.Target())
	})
}

func TestLimiterTakesAHintOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := transport.NewLimiter(transport.LimiterOptions{Min: 2, Max: 20, Adaptive: true})
		l.SetTarget(12)
		require.Equal(t, 12, l.Target())
		answers(t, l, 1, transport.Refused, time.Millisecond)
		require.Equal(t, 8, l.Target())
		l.SetTarget(12)
		require.Equal(t, 8, l.Target(), "the same hint again is no news")
		l.SetTarget(1000)
		require.Equal(t, 20, l.Target())
	})
}

func TestFixedLimiterStaysAtMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := transport.NewLimiter(transport.LimiterOptions{Min: 1, Max: 5})
		answers(t, l, 20, transport.Refused, time.Millisecond)
		require.Equal(t, 5, l.Target())
	})
}
