// Package accesstest is a small OpenID Connect issuer for tests: it publishes its keys, and
// makes tokens of whatever kind a test asks for.
package accesstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
)

// Audience is whom its tokens are made for.
const Audience = "causeway-cli"

// Issuer is an issuer on a loopback address, with TLS.
type Issuer struct {
	t      testing.TB
	server *httptest.Server
	Silent atomic.Bool  // it answers nothing but errors
	Asked  atomic.Int64 // how often its keys were read

	mu   sync.Mutex
	keys []jose.JSONWebKey // the last one signs
}

// New starts an issuer that ends with the test.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{t: t}
	i.Rotate("first")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, map[string]any{"issuer": i.URL(), "jwks_uri": i.URL() + "/keys", "authorization_endpoint": i.URL() + "/authorize", "token_endpoint": i.URL() + "/token"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.Asked.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		set := jose.JSONWebKeySet{}
		for _, k := range i.keys {
			set.Keys = append(set.Keys, k.Public())
		}
		i.answer(w, set)
	})
	i.server = httptest.NewTLSServer(mux)
	t.Cleanup(i.server.Close)
	return i
}

func (i *Issuer) answer(w http.ResponseWriter, what any) {
	if i.Silent.Load() {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what)
}

// URL is the issuer's name.
func (i *Issuer) URL() string { return i.server.URL }

// Client is one that trusts its certificate.
func (i *Issuer) Client() *http.Client { return i.server.Client() }

// Certificate is what to trust, in DER.
func (i *Issuer) Certificate() []byte { return i.server.Certificate().Raw }

// Rotate makes a new key that signs from now on; the older ones stay published.
func (i *Issuer) Rotate(id string) {
	i.t.Helper()
	key := newKey(i.t, id)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, key)
}

func newKey(t testing.TB, id string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return jose.JSONWebKey{Key: key, KeyID: id, Algorithm: string(jose.ES256), Use: "sig"}
}

// Token is one that counts for an hour, of somebody in groups. change may be nil.
func (i *Issuer) Token(subject, name string, groups []string, change func(claims map[string]any)) string {
	i.t.Helper()
	i.mu.Lock()
	key := i.keys[len(i.keys)-1]
	i.mu.Unlock()
	return i.signed(key, subject, name, groups, change)
}

// Forged is a token that says to be of this issuer and of its newest key, and is signed
// with another.
func (i *Issuer) Forged(subject, name string, groups []string) string {
	i.t.Helper()
	i.mu.Lock()
	id := i.keys[len(i.keys)-1].KeyID
	i.mu.Unlock()
	return i.signed(newKey(i.t, id), subject, name, groups, nil)
}

func (i *Issuer) signed(key jose.JSONWebKey, subject, name string, groups []string, change func(map[string]any)) string {
	i.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	require.NoError(i.t, err)
	now := time.Now()
	claims := map[string]any{
		"iss": i.URL(), "aud": Audience, "sub": subject, "name": name, "groups": groups,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	if change != nil {
		change(claims)
	}
	token, err := jwt.Signed(signer).Claims(maps.Clone(claims)).Serialize()
	require.NoError(i.t, err)
	return token
}
