package dataverse_test

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/transport"
)

const (
	ada   = "11111111-2222-3333-4444-555555555555"
	grace = "22222222-2222-3333-4444-555555555555"
	api   = "/api/data/v9.2"
)

var contacts = dataverse.Query{EntitySet: "contacts", KeyColumn: "contactid", Select: []string{"firstname", "emailaddress1"}}

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

// client is a client of the recorder; gate may be nil.
func (r *recorder) client(t testing.TB, gate *transport.Gate) *dataverse.Client {
	t.Helper()
	c, err := dataverse.New(dataverse.Options{OrgURL: r.url + "/", PageSize: 100,
		Transport: transport.New(transport.Options{Service: "dataverse", RootCAs: r.pool, Gate: gate})})
	require.NoError(t, err)
	return c
}

// one is the only request that was sent.
func (r *recorder) one(t testing.TB) seen {
	t.Helper()
	all := r.all()
	require.Len(t, all, 1)
	return all[0]
}

// answer is a handler that always says the same.
// answer answers always the same; {origin} in its body is the address of the server.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "{origin}", "https://"+r.Host))
	}
}

func failure(t testing.TB, err error) *apierr.Error {
	t.Helper()
	var e *apierr.Error
	require.ErrorAs(t, err, &e)
	return e
}

// script answers the requests one after the other; more of them fail the test.
func script(t testing.TB, answers ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		i := int(n.Add(1)) - 1
		if i >= len(answers) {
			t.Errorf("request %d was not expected", i+1)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		answers[i](w, r)
	}
}

// hangUp takes the request and closes the connection.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_ = conn.Close()
}

// breakOff promises more of a body than it sends.
func breakOff(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)+10))
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
		hangUp(w, r)
	}
}
