package transport_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/transport"
)

// fenced is a server that notes what reached it, and a client of it.
func fenced(t *testing.T) (send func(ctx context.Context, method string) error, got func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Method+" "+string(body))
	}))
	t.Cleanup(server.Close)
	base := transport.NewBase(server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs)
	t.Cleanup(base.CloseIdleConnections)
	c := transport.New(transport.Options{Service: "test", Base: base})
	send = func(ctx context.Context, method string) error {
		var body io.Reader
		if method == http.MethodPatch {
			body = strings.NewReader("x")
		}
		req, err := http.NewRequest(method, server.URL+"/things", body)
		require.NoError(t, err)
		_, err = c.Do(ctx, "op", req)
		return err
	}
	return send, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, seen...)
	}
}

var errOver = errors.New("somebody else writes now")

// A request that changes something asks before it leaves; what the fence says is its
// failure, and nothing arrives.
func TestAFencedWriteIsNotSent(t *testing.T) {
	t.Parallel()
	send, got := fenced(t)
	var fresh []bool
	over := false
	ctx := transport.WithFence(t.Context(), func(_ context.Context, f bool) error {
		fresh = append(fresh, f)
		if over {
			return errOver
		}
		return nil
	})
	require.NoError(t, send(ctx, http.MethodPatch))
	require.NoError(t, send(ctx, http.MethodDelete))
	require.Equal(t, []bool{false, false, true, true}, fresh, "at once, and with a connection in hand; a delete trusts no earlier answer")
	over = true
	require.ErrorIs(t, send(ctx, http.MethodPatch), errOver)
	require.ErrorIs(t, send(ctx, http.MethodDelete), errOver)
	require.NoError(t, send(ctx, http.MethodGet), "who reads does no harm")
	require.NoError(t, send(t.Context(), http.MethodPatch), "without a fence")
	require.Equal(t, []string{"PATCH x", "DELETE ", "GET ", "PATCH x"}, got())
}

// The last question is put when a connection is in hand: whatever took its time
// before, a limiter, a token or the handshake, the answer is not old.
func TestTheFenceIsAskedWithAConnectionInHand(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPatch, http.MethodDelete} {
		send, got := fenced(t)
		require.NoError(t, send(t.Context(), http.MethodGet), "so that there is a connection to be used again")
		asked := 0
		ctx := transport.WithFence(t.Context(), func(context.Context, bool) error {
			if asked++; asked == 1 {
				return nil
			}
			return errOver
		})
		require.ErrorIs(t, send(ctx, method), errOver)
		require.NoError(t, send(t.Context(), http.MethodGet), "the next request is not held up by it")
		require.Equal(t, []string{"GET ", "GET "}, got())
	}
}
