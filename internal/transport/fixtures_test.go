package transport_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// serve starts a TLS server and returns it with the pool that trusts it.
func serve(t testing.TB, h http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, pool
}

func request(t testing.TB, method, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	return req
}

func failure(t *testing.T, err error) *apierr.Error {
	t.Helper()
	var e *apierr.Error
	require.ErrorAs(t, err, &e)
	return e
}

// tokens counts what it is asked; each fetch gives token-1, token-2, …
type tokens struct {
	mu      sync.Mutex
	n       int
	dropped []string
	claims  []string
}

func (s *tokens) Token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == len(s.dropped) {
		s.n++
	}
	return fmt.Sprintf("token-%d", s.n), nil
}

func (s *tokens) Invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped = append(s.dropped, token)
}

type claimsTokens struct{ tokens }

func (s *claimsTokens) TokenWithClaims(_ context.Context, claims string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims = append(s.claims, claims)
	return "token-with-claims", nil
}

var _ transport.ClaimsTokenSource = (*claimsTokens)(nil)
