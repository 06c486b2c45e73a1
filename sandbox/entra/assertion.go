package entra

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// thumbprintOf says whether the header of an assertion names a certificate: by the SHA-256
// thumbprint as base64url, or as the plain base64 that MSAL for Go writes; or, as older
// clients do, by the SHA-1 one.
func thumbprintOf(cert *x509.Certificate, header map[string]any) bool {
	sum := sha256.Sum256(cert.Raw)
	if named, ok := header["x5t#S256"].(string); ok {
		return named == base64.RawURLEncoding.EncodeToString(sum[:]) || named == base64.StdEncoding.EncodeToString(sum[:])
	}
	return header["x5t"] == thumbprint(cert.Raw)
}

// longestAssertion is how far ahead an assertion may expire.
const longestAssertion = 24 * time.Hour

// assertion checks a signed proof of the client's certificate (§1.2): its
// thumbprint, signature, audience, issuer and times, and that it is not used twice.
func (s *Server) assertion(r *http.Request, kind, text string) error {
	switch {
	case kind != assertionType:
		return errors.New("its type is unknown")
	case s.o.Certificate == nil:
		return errors.New("no certificate is registered for the application")
	}
	now := s.o.Clock.Now()
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(text, &claims, func(t *jwt.Token) (any, error) {
		if !thumbprintOf(s.o.Certificate, t.Header) {
			return nil, errors.New("the thumbprint is that of another certificate")
		}
		return s.o.Certificate.PublicKey, nil
	},
		jwt.WithValidMethods([]string{"PS256", "RS256"}), jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithLeeway(5*time.Minute),
		jwt.WithAudience("https://"+r.Host+r.URL.Path), jwt.WithExpirationRequired(),
		jwt.WithIssuer(s.o.ClientID), jwt.WithSubject(s.o.ClientID))
	if err != nil {
		return err
	}
	switch {
	case claims.ID == "":
		return errors.New("it has no id")
	case claims.ExpiresAt.After(now.Add(longestAssertion)):
		return errors.New("it is valid for too long")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, expiry := range s.used {
		if now.After(expiry) {
			delete(s.used, id)
		}
	}
	if _, again := s.used[claims.ID]; again {
		return errors.New("it was used before")
	}
	s.used[claims.ID] = claims.ExpiresAt.Add(5 * time.Minute)
	return nil
}
