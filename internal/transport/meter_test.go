package transport_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// told counts what a meter is told.
type told struct{ sent, notServed atomic.Int64 }

func (m *told) Sent()      { m.sent.Add(1) }
func (m *told) NotServed() { m.notServed.Add(1) }

// throttledTokens are not to be had.
type throttledTokens struct{ tokens }

func (*throttledTokens) Token(context.Context) (string, error) {
	return "", &apierr.Error{Class: apierr.Throttled, Reason: apierr.ReasonThrottled, Service: "ims", RetryAfter: time.Minute}
}

// A request is paid for when it leaves, not when it waits for a token or a gate.
func TestAMeterIsToldOfRequestsThatLeave(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	s, pool := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		if r.Header.Get("Authorization") == "Bearer token-1" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	closed := transport.NewGate()
	closed.Close(time.Hour)
	for name, tt := range map[string]struct {
		options         transport.Options
		url             string
		sent, notServed int64
	}{
		"sent":                     {transport.Options{}, s.URL, 1, 0},
		"sent again after a 401":   {transport.Options{Tokens: &tokens{}}, s.URL, 2, 1},
		"no token":                 {transport.Options{Tokens: &throttledTokens{}}, s.URL, 0, 0},
		"the gate is closed":       {transport.Options{Gate: closed}, s.URL, 0, 0},
		"nobody takes connections": {transport.Options{}, "https://127.0.0.1:1", 0, 0},
	} {
		before := seen.Load()
		tt.options.RootCAs = pool
		m := &told{}
		_, _ = transport.New(tt.options).Do(transport.WithMeter(t.Context(), m), "read", request(t, http.MethodGet, tt.url))
		require.Equal(t, tt.sent, m.sent.Load(), name)
		require.Equal(t, tt.notServed, m.notServed.Load(), name)
		require.Equal(t, tt.sent, seen.Load()-before, name)
	}
}

// What the fence holds back with a connection in hand was not sent.
func TestAMeterIsNotToldOfWhatTheFenceHoldsBack(t *testing.T) {
	t.Parallel()
	s, pool := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request left") })
	asked := 0
	late := errors.New("another has taken over")
	ctx := transport.WithFence(t.Context(), func(context.Context, bool) error {
		if asked++; asked > 1 {
			return late
		}
		return nil
	})
	m := &told{}
	_, err := transport.New(transport.Options{RootCAs: pool}).Do(transport.WithMeter(ctx, m), "make", request(t, http.MethodPost, s.URL))
	require.ErrorIs(t, err, late)
	require.Equal(t, m.sent.Load(), m.notServed.Load())
}
