package campaign_test

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/transport"
)

var profile = campaign.Resource{API: "profileAndServicesExt", Name: "profile"}

// seen is what a request looked like on the wire.
type seen struct {
	Method, URI, Body string
	Header            http.Header
}

// recorder answers with the given handler and keeps what it was sent.
type recorder struct {
	mu   sync.Mutex
	sent []seen
	url  string
	pool *x509.CertPool
}

func record(t testing.TB, h http.HandlerFunc) *recorder {
	t.Helper()
	rec := &recorder{}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rec.mu.Lock()
		rec.sent = append(rec.sent, seen{r.Method, r.RequestURI, string(body), r.Header.Clone()})
		rec.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(s.Close)
	rec.url = s.URL
	rec.pool = x509.NewCertPool()
	rec.pool.AddCert(s.Certificate())
	return rec
}

func (r *recorder) all() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]seen(nil), r.sent...)
}

// client is a client of the recorder under a base path; gate may be nil.
func (r *recorder) client(t testing.TB, gate *transport.Gate) *campaign.Client {
	t.Helper()
	c, err := campaign.New(campaign.Options{BaseURL: r.url + "/acme/", APIKey: "key-1",
		Transport: transport.New(transport.Options{Service: "campaign", RootCAs: r.pool, Gate: gate})})
	require.NoError(t, err)
	return c
}

// answer is a handler that always says the same.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func failure(t testing.TB, err error) *apierr.Error {
	t.Helper()
	var e *apierr.Error
	require.ErrorAs(t, err, &e)
	return e
}
