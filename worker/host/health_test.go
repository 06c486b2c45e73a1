package host

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// A worker that waits for the ledger of another one says so on /readyz.
func TestReadyzSaysForWhomAWorkerWaits(t *testing.T) {
	t.Parallel()
	h := newHealth("127.0.0.1:0", http.NotFoundHandler(), func(context.Context) error { return nil })
	ask := func() (int, string) {
		resp, err := http.Get("http://" + h.address() + "/readyz")
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	h.waitFor("waiting for the ledger, which process 12 has")
	require.NoError(t, h.start())
	require.NoError(t, h.start(), "begun already")
	defer func() { require.NoError(t, h.close()) }()
	status, text := ask()
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "waiting for the ledger, which process 12 has\n", text)
	h.setStarted(true)
	status, _ = ask()
	require.Equal(t, http.StatusOK, status)
	h.setStarted(false)
	_, text = ask()
	require.Equal(t, "not started, or draining\n", text)
}
