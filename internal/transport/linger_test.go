package transport_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/transport"
)

// answering is a server that holds its answers back until it is told to give them, and a
// client of it.
func answering(t *testing.T) (send func(ctx context.Context, method string) error, arrived <-chan string, answer func()) {
	t.Helper()
	came, may := make(chan string, 10), make(chan struct{}, 10)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came <- r.Method
		select {
		case <-may:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	base := transport.NewBase(server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs)
	t.Cleanup(base.CloseIdleConnections)
	c := transport.New(transport.Options{Service: "test", Base: base})
	return func(ctx context.Context, method string) error {
		req, err := http.NewRequest(method, server.URL+"/things", nil)
		require.NoError(t, err)
		_, err = c.Do(ctx, "op", req)
		return err
	}, came, func() { may <- struct{}{} }
}

func open(context.Context, bool) error { return nil }

// What the service may have carried out already is worth its answer, also to who stops.
func TestAFencedWriteThatHasLeftIsAnswered(t *testing.T) {
	t.Parallel()
	send, arrived, answer := answering(t)
	ctx, cancel := context.WithCancel(transport.WithFence(t.Context(), open))
	go func() {
		<-arrived
		cancel()
		answer()
	}()
	require.NoError(t, send(ctx, http.MethodPost))
	require.ErrorIs(t, send(ctx, http.MethodPost), context.Canceled, "it is too late for another")
}

// What only reads, or belongs to no lane, is broken off at once.
func TestWhatNeedsNoAnswerIsBrokenOff(t *testing.T) {
	t.Parallel()
	for method, with := range map[string]func(context.Context) context.Context{
		http.MethodGet:  func(ctx context.Context) context.Context { return transport.WithFence(ctx, open) },
		http.MethodPost: func(ctx context.Context) context.Context { return ctx },
	} {
		send, arrived, _ := answering(t)
		ctx, cancel := context.WithCancel(with(t.Context()))
		go func() {
			<-arrived
			cancel()
		}()
		require.ErrorIs(t, send(ctx, method), context.Canceled)
	}
}

// A request that has a connection in hand when its context ends does not leave.
func TestAFencedWriteDoesNotLeaveAfterTheEnd(t *testing.T) {
	t.Parallel()
	send, arrived, _ := answering(t)
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	ctx = transport.WithFence(ctx, func(context.Context, bool) error {
		if asked++; asked == 2 {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, send(ctx, http.MethodPost), context.Canceled)
	require.Equal(t, 2, asked)
	require.Empty(t, arrived)
}
