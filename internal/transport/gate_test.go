package transport_test

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

func TestAClosedGateSendsNothing(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s, pool := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	source := &tokens{}
	gate := transport.NewGate()
	c := transport.New(transport.Options{Service: "x", RootCAs: pool, Gate: gate, Tokens: source})
	res, err := c.Do(t.Context(), "read", request(t, http.MethodGet, s.URL))
	require.NoError(t, err)
	require.Equal(t, http.StatusTooManyRequests, res.Status)

	other := transport.New(transport.Options{Service: "y", RootCAs: pool, Gate: gate})
	_, err = other.Do(t.Context(), "read", request(t, http.MethodGet, s.URL))
	e := failure(t, err)
	require.Equal(t, apierr.Throttled, e.Class)
	require.Equal(t, "y", e.Service)
	require.Greater(t, e.RetryAfter, 30*time.Second)
	require.LessOrEqual(t, e.RetryAfter, 90*time.Second)
	require.EqualValues(t, 1, calls.Load())
}

func TestAGateClosedWhileWaitingInLineSendsNothing(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	arrived, answer := make(chan struct{}), make(chan struct{})
	s, pool := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			close(arrived)
		}
		<-answer
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	limiter := transport.NewLimiter(transport.LimiterOptions{Max: 1})
	c := transport.New(transport.Options{Service: "x", RootCAs: pool, Gate: transport.NewGate(), Limiter: limiter})
	errs := make(chan error, 2)
	do := func() {
		_, err := c.Do(t.Context(), "read", request(t, http.MethodGet, s.URL))
		errs <- err
	}
	go do()
	<-arrived
	go do()
	close(answer)
	first, second := <-errs, <-errs
	if first != nil {
		first, second = second, first
	}
	require.NoError(t, first)
	require.Equal(t, apierr.Throttled, apierr.ClassOf(second))
	require.EqualValues(t, 1, calls.Load())
	require.Zero(t, limiter.InFlight())
}

func TestGateStaysClosedExactlyAsLongAsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := transport.NewGate()
		require.Nil(t, gate.Err("x", "read"))
		gate.Close(30 * time.Second)
		gate.Close(time.Second) // a shorter closing does not open it
		time.Sleep(10 * time.Second)
		require.Equal(t, 20*time.Second, gate.Err("x", "read").RetryAfter)
		began := time.Now()
		require.NoError(t, gate.Wait(t.Context()))
		require.Equal(t, 20*time.Second, time.Since(began))
		require.Nil(t, gate.Err("x", "read"))
	})
}

func TestGateWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	gate := transport.NewGate()
	gate.Close(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, context.Canceled, gate.Wait(ctx))
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		value string
		want  time.Duration
		ok    bool
	}{
		"seconds":             {"17", 17 * time.Second, true},
		"zero":                {"0", 0, true},
		"a fraction":          {"0.5", 500 * time.Millisecond, true},
		"a date":              {sent.Add(time.Minute).Format(http.TimeFormat), time.Minute, true},
		"a date gone by":      {sent.Add(-time.Minute).Format(http.TimeFormat), 0, true},
		"absurd":              {"1" + strconv.Itoa(1<<62), 7 * 24 * time.Hour, true},
		"missing":             {"", 0, false},
		"negative":            {"-3", 0, false},
		"not a number at all": {"NaN", 0, false},
		"text":                {"soon", 0, false},
	} {
		h := http.Header{"Date": {sent.Format(http.TimeFormat)}}
		if tt.value != "" {
			h.Set("Retry-After", tt.value)
		}
		got, ok := transport.RetryAfter(h)
		require.Equal(t, tt.ok, ok, name)
		require.Equal(t, tt.want, got, name)
	}
}
