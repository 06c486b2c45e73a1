package entra

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // x5t is a SHA-1 thumbprint by its definition
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"causeway.dev/sandbox/kit"
)

// signingKey signs tokens. Its id is the thumbprint of its certificate.
type signingKey struct {
	id   string
	key  *rsa.PrivateKey
	cert []byte // DER
}

// shared is the first key of every directory in a process. At Entra ID, tenants share
// their keys too: only the issuer tells whose a token is.
var shared = sync.OnceValue(newKey)

func newKey() *signingKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // the system has no randomness
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "accounts.sandbox.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(5, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err) // nothing of the template is given by anybody
	}
	return &signingKey{id: thumbprint(der), key: key, cert: der}
}

func thumbprint(der []byte) string {
	sum := sha1.Sum(der) //nolint:gosec // see above
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// published are the keys that tokens may be checked with; the first one signs.
func (s *Server) published() []*signingKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) == 0 {
		s.keys = []*signingKey{shared()}
	}
	return slices.Clone(s.keys)
}

// RotateKey has a new key sign from now on and returns its id. The old ones stay
// published until they are withdrawn.
func (s *Server) RotateKey() string {
	old, fresh := s.published(), newKey()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append([]*signingKey{fresh}, old...)
	return fresh.id
}

// WithdrawKeys publishes no key but the one that signs.
func (s *Server) WithdrawKeys() {
	first := s.published()[:1]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = first
}

// jwks is the document of the published keys.
func (s *Server) jwks(w http.ResponseWriter, r *http.Request) {
	keys := []map[string]any{}
	for _, k := range s.published() {
		keys = append(keys, map[string]any{
			"kty": "RSA", "use": "sig", "kid": k.id, "x5t": k.id, "n": base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()),
			"e":   base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.key.E)).Bytes()),
			"x5c": []string{base64.StdEncoding.EncodeToString(k.cert)}, "issuer": s.issuer(r), "cloud_instance_name": r.Host,
		})
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

// sign makes a token with the newest key.
func (s *Server) sign(claims map[string]any, header map[string]any) string {
	key := s.published()[0]
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(claims))
	token.Header["kid"] = key.id
	for name, value := range header {
		token.Header[name] = value
	}
	text, err := token.SignedString(key.key)
	if err != nil {
		panic(err) // the claims are ours and can be written as JSON
	}
	return text
}

// signForGraph makes a token that only Microsoft Graph can check: its signature covers
// the hash of the nonce that the header shows.
func (s *Server) signForGraph(claims map[string]any) string {
	nonce := unguessable()
	sum := sha256.Sum256([]byte(nonce))
	signed := s.sign(claims, map[string]any{"nonce": hex.EncodeToString(sum[:])})
	_, rest, _ := strings.Cut(signed, ".")
	header, _ := json.Marshal(map[string]any{"typ": "JWT", "alg": "RS256", "kid": s.published()[0].id, "nonce": nonce})
	return base64.RawURLEncoding.EncodeToString(header) + "." + rest
}

func unguessable() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	return base64.RawURLEncoding.EncodeToString(raw)
}
