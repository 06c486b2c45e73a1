package hooks

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
)

const secret = "correct horse battery staple"

// taker is a listener that writes down which flows it woke.
type taker struct {
	*Listener
	t     *testing.T
	scope tally.TestScope
	http  *http.Client

	mu   sync.Mutex
	came []string
}

func (k *taker) woken() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string{}, k.came...)
}

func take(t *testing.T, edit func(*Options)) *taker {
	t.Helper()
	k := &taker{t: t, scope: tally.NewTestScope("", nil), http: &http.Client{Transport: &http.Transport{}}}
	o := Options{
		Listen: "127.0.0.1:0", Secrets: func() ([]string, error) { return []string{secret, "the one before it"}, nil }, Header: "X-Causeway-Secret", Query: "code",
		Tables: map[string][]string{"contact": {"contacts", "optout"}}, MaxBody: 1 << 20, Timeout: 10 * time.Second, Connections: 8, Metrics: k.scope,
		Came: func(flow string) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.came = append(k.came, flow)
		},
	}
	if edit != nil {
		edit(&o)
	}
	var err error
	k.Listener, err = New(o)
	require.NoError(t, err)
	require.NoError(t, k.Start())
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

// call posts to a path; said is the secret in the header.
func (k *taker) call(path, said string, body io.Reader) int {
	k.t.Helper()
	return k.do(k.http, "http", http.MethodPost, path, said, body)
}

func (k *taker) do(c *http.Client, scheme, method, path, said string, body io.Reader) int {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), method, scheme+"://"+k.Address()+path, body)
	require.NoError(k.t, err)
	if said != "" {
		req.Header.Set("X-Causeway-Secret", said)
	}
	req.Header.Set("x-ms-dynamics-entity-name", "contact")
	res, err := c.Do(req)
	require.NoError(k.t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(k.t, err)
	require.NoError(k.t, res.Body.Close())
	require.Empty(k.t, text, "an answer tells nothing but its status")
	return res.StatusCode
}

// outcome is how often a call came to it.
func (k *taker) outcome(name string) int64 {
	for _, c := range k.scope.Snapshot().Counters() {
		if c.Name() == "hooks_calls" && c.Tags()["outcome"] == name {
			return c.Value()
		}
	}
	return 0
}

// A call that says the secret, in any form that Dynamics can send, wakes the flows of its
// table, whatever its body says.
func TestACallWakesTheFlowsOfItsTable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, header, body string }{
		"HttpHeader":            {"/hooks/dynamics/contact", secret, `{"MessageName":"Update"}`},
		"WebhookKey":            {"/hooks/dynamics/contact?code=correct%20horse%20battery%20staple", "", `{"MessageName":"Update"}`},
		"the secret before":     {"/hooks/dynamics/contact", "the one before it", "{}"},
		"a body of 256 KB":      {"/hooks/dynamics/contact", secret, strings.Repeat("x", 256<<10)},
		"no body":               {"/hooks/dynamics/contact", secret, ""},
		"nonsense, in capitals": {"/hooks/dynamics/Contact", secret, "\x00\xff<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := take(t, nil)
			require.Equal(t, 200, k.call(c.path, c.header, strings.NewReader(c.body)))
			require.Equal(t, []string{"contacts", "optout"}, k.woken())
			require.EqualValues(t, 1, k.outcome(woke))
		})
	}
}

// What is no call of Dynamics wakes nothing, and whoever does not know the secret does not
// learn which tables there are.
func TestOtherCallsWakeNothing(t *testing.T) {
	t.Parallel()
	k := take(t, nil)
	require.Equal(t, 401, k.call("/hooks/dynamics/contact", "", nil))
	require.Equal(t, 401, k.call("/hooks/dynamics/contact", "correct horse battery stapl", nil))
	require.Equal(t, 401, k.call("/hooks/dynamics/contact?code=", "", nil))
	require.Equal(t, 401, k.call("/hooks/dynamics/nothing", "wrong", nil))
	require.Equal(t, 401, k.call("/metrics", "", nil))
	require.Equal(t, 404, k.call("/hooks/dynamics/nothing", secret, nil))
	require.Equal(t, 404, k.call("/hooks/dynamics/", secret, nil))
	require.Equal(t, 404, k.call("/hooks/dynamics/contact/1", secret, nil))
	require.Equal(t, 404, k.call("/", secret, nil))
	require.Equal(t, 404, k.do(k.http, "http", http.MethodGet, "/hooks/dynamics/contact", secret, nil))
	require.Equal(t, 413, k.call("/hooks/dynamics/contact", secret, bytes.NewReader(make([]byte, 2<<20))), "its length was said")
	require.Equal(t, 413, k.call("/hooks/dynamics/contact", secret, io.MultiReader(bytes.NewReader(make([]byte, 2<<20)))), "it was not")
	require.Empty(t, k.woken())
	require.EqualValues(t, 5, k.outcome(refused))
	require.EqualValues(t, 3, k.outcome(unknownTable))
	require.EqualValues(t, 2, k.outcome(tooLarge))
	require.EqualValues(t, 2, k.outcome(malformed))
}

// Callers who connect and say nothing keep others out for no longer than a call may take.
func TestSlowCallersKeepNobodyOut(t *testing.T) {
	t.Parallel()
	k := take(t, func(o *Options) { o.Timeout, o.Connections = time.Second, 4 })
	for i := range 8 {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", k.Address())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		if i%2 == 0 {
			_, err = io.WriteString(c, "POST /hooks/dynamics/contact HTTP/1.1\r\nHost: x\r\nX-Causeway-Secret: "+secret+"\r\nContent-Length: 100\r\n\r\n{")
		} else {
			_, err = io.WriteString(c, "POST /hooks")
		}
		require.NoError(t, err)
	}
	require.Equal(t, 200, k.call("/hooks/dynamics/contact", secret, nil))
	require.Equal(t, []string{"contacts", "optout"}, k.woken(), "a call whose body does not come wakes nothing")
}

// authority signs certificates of tests.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	made := a.sign(a.cert)
	a.key = made.PrivateKey.(*ecdsa.PrivateKey)
	var err error
	a.cert, err = x509.ParseCertificate(made.Certificate[0])
	require.NoError(t, err)
	return a
}

func (a *authority) sign(c *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, signer)
	require.NoError(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) leaf(name string) tls.Certificate {
	return a.sign(&x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
}

func (a *authority) client(shown ...tls.Certificate) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: shown, MinVersion: tls.VersionTLS12}}}
}

// With client_ca_file only those whose certificate it has signed get as far as the secret.
func TestCallersShowACertificate(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	own := ours.leaf("worker")
	k := take(t, func(o *Options) {
		o.Certificate, o.ClientCAs = func() (tls.Certificate, error) { return own, nil }, pool
	})
	require.Equal(t, 200, k.do(ours.client(ours.leaf("relay")), "https", http.MethodPost, "/hooks/dynamics/contact", secret, nil))
	require.Equal(t, 401, k.do(ours.client(ours.leaf("relay")), "https", http.MethodPost, "/hooks/dynamics/contact", "wrong", nil))
	for name, c := range map[string]*http.Client{"none": ours.client(), "another's": ours.client(theirs.leaf("relay"))} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+k.Address()+"/hooks/dynamics/contact", nil)
		require.NoError(t, err)
		req.Header.Set("X-Causeway-Secret", secret)
		res, err := c.Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		require.Error(t, err, name)
	}
	require.Equal(t, []string{"contacts", "optout"}, k.woken())
}

// A secret that cannot be read at the start is said; later the call is to be made again.
func TestASecretThatCannotBeRead(t *testing.T) {
	t.Parallel()
	broken := func() ([]string, error) { return nil, context.DeadlineExceeded }
	_, err := New(Options{Secrets: broken})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	k := take(t, nil)
	k.mu.Lock()
	k.Listener.mu.Lock()
	k.o.Secrets, k.Listener.read = broken, time.Time{}
	k.Listener.mu.Unlock()
	k.mu.Unlock()
	require.Equal(t, 503, k.call("/hooks/dynamics/contact", secret, nil), "Dynamics makes such a call once more")
	require.Empty(t, k.woken())
}
