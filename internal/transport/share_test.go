package transport_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"causeway.dev/internal/transport"
)

// A share that lapses while a request waits for its connection keeps it from leaving. It
// leaves when there is a share again.
func TestARequestDoesNotLeaveOnAShareThatHasLapsed(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			var renewed, early atomic.Bool
			server, roots := serve(t, func(http.ResponseWriter, *http.Request) {
				if !renewed.Load() {
					early.Store(true)
				}
			})
			limiter := transport.NewLimiter(transport.LimiterOptions{Max: 2})
			limiter.SetShare(transport.Share{InFlight: 1, Lapses: time.Now().Add(time.Hour)})
			var dialled atomic.Bool
			base := transport.NewBase(roots)
			dial := base.DialContext
			base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if !dialled.Swap(true) {
					limiter.SetShare(transport.Share{InFlight: 1, Lapses: time.Now()}) // as if the process had been paused
				}
				return dial(ctx, network, addr)
			}
			client := transport.New(transport.Options{Service: "campaign", Base: base, Limiter: limiter})
			done := make(chan error, 1)
			go func() {
				req, err := http.NewRequestWithContext(t.Context(), method, server.URL, strings.NewReader("body"))
				if err == nil {
					_, err = client.Do(t.Context(), "op", req)
				}
				done <- err
			}()
			require.Eventually(t, func() bool { return dialled.Load() && (limiter.InFlight() == 0 || early.Load()) }, time.Minute, time.Millisecond)
			renewed.Store(true)
			limiter.SetShare(transport.Share{InFlight: 1, Lapses: time.Now().Add(time.Hour)})
			require.NoError(t, <-done)
			require.False(t, early.Load(), "it left without a share")
		})
	}
}

// A smaller share holds at once for what has not left, and Using tells of what has.
func TestALimiterKeepsToItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := transport.NewLimiter(transport.LimiterOptions{Min: 2, Max: 8, Adaptive: true, RatePerSecond: 1000})
		var in atomic.Int64
		l.SetShare(transport.Share{Lapses: time.Now()})
		for range 12 {
			go func() {
				if l.Acquire(t.Context()) == nil {
					in.Add(1)
				}
			}()
		}
		give := func(n int, perSecond float64, lasts time.Duration) {
			l.SetShare(transport.Share{InFlight: n, Rate: perSecond, Lapses: time.Now().Add(lasts)})
			synctest.Wait()
			time.Sleep(100 * time.Millisecond) // turns of the rate
			synctest.Wait()
		}
		give(0, 500, time.Minute)
		give(6, 0, time.Minute)
		require.Zero(t, in.Load(), "nothing goes without a place, or without a rate")
		give(6, 500, time.Minute)
		n, perSecond := l.Using()
		require.Equal(t, 6, n)
		require.EqualValues(t, 500, perSecond)
		give(1, 100, time.Minute)
		held := l.InFlight()
		require.Greater(t, held, 1)
		n, _ = l.Using()
		require.Equal(t, held, n, "what is in flight is not taken back")
		sent := in.Load()
		l.Release(transport.OK, time.Millisecond)
		synctest.Wait()
		require.Equal(t, sent, in.Load(), "there are more in flight than the share allows")

		l.SetShare(transport.Share{InFlight: held - 1, Rate: 500, Lapses: time.Now().Add(50 * time.Millisecond)})
		time.Sleep(100 * time.Millisecond)
		l.Release(transport.OK, time.Millisecond)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, sent, in.Load(), "nothing goes on a share that has lapsed")
		_, perSecond = l.Using()
		require.Zero(t, perSecond)

		give(8, 500, time.Minute)
		for in.Load() < 12 {
			l.Release(transport.OK, time.Millisecond)
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		}
		require.LessOrEqual(t, l.InFlight(), 8)
	})
}

// Who waits for a turn by a rate takes one by the next, so a smaller rate holds at once.
func TestASmallerRateHoldsForThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := transport.NewLimiter(transport.LimiterOptions{Max: 100, RatePerSecond: 100, Burst: 1})
		var left atomic.Int64
		for range 100 {
			go func() {
				if l.Acquire(t.Context()) == nil {
					left.Add(1)
				}
			}()
		}
		time.Sleep(205 * time.Millisecond)
		synctest.Wait()
		before := left.Load()
		require.InDelta(t, 20, before, 2)
		l.SetShare(transport.Share{InFlight: 100, Rate: 10, Lapses: time.Now().Add(time.Hour)})
		time.Sleep(time.Second)
		synctest.Wait()
		require.LessOrEqual(t, left.Load()-before, int64(10))
		require.GreaterOrEqual(t, left.Load()-before, int64(9))
		time.Sleep(time.Minute)
	})
}

// What is learnt stays within the share.
func TestALearntRateStaysWithinTheShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const share = 40
		l := transport.NewLimiter(transport.LimiterOptions{Min: 4, Max: 16, Adaptive: true, RatePerSecond: 1000, LearnRate: true})
		l.SetShare(transport.Share{InFlight: 16, Rate: share, Lapses: time.Now().Add(time.Hour)})
		s := &throttled{bucket: newBucket(400, 40), gate: transport.NewGate(), answer: 10 * time.Millisecond}
		s.use(t.Context(), l, 32, time.Minute)
		require.InDelta(t, share*60, s.taken, share*2)
		require.Zero(t, s.refused)
	})
}

func newBucket(perSecond, burst int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), burst)
}
