package transport_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/transport"
)

// BenchmarkDo posts a small record over TLS on the loopback; client and server
// share the machine.
func BenchmarkDo(b *testing.B) {
	s, pool := serve(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"PKey":"@abc"}`)
	})
	c := transport.New(transport.Options{Service: "x", RootCAs: pool, Tokens: &tokens{}, Gate: transport.NewGate(),
		Limiter: transport.NewLimiter(transport.LimiterOptions{Min: 4, Max: 64, Adaptive: true})})
	body := bytes.Repeat([]byte("x"), 400)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequest(http.MethodPost, s.URL+"/things", bytes.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			res, err := c.Do(b.Context(), "make", req)
			if err != nil || res.Status != http.StatusCreated {
				b.Errorf("got %v, %v", res, err)
				return
			}
		}
	})
}

func BenchmarkLimiter(b *testing.B) {
	l := transport.NewLimiter(transport.LimiterOptions{Min: 8, Max: 64, Adaptive: true})
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			require.NoError(b, l.Acquire(b.Context()))
			l.Release(transport.OK, 1)
		}
	})
}
