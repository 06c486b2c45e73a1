// Package entra stands in for the Microsoft Entra ID token endpoint, as far as client
// credentials and MSAL need it (docs/protocol/dynamics.md §1). Package stack runs it
// beside Dataverse.
package entra

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"causeway.dev/sandbox/kit"
)

// Options of the token endpoint.
type Options struct {
	Clock                          *kit.Clock
	Faults                         *kit.Faults
	Tenant, ClientID, ClientSecret string
	Certificate                    *x509.Certificate // of the client, registered beside its secret; nil = none
	ExpiresIn                      time.Duration     // default 3599 s
}

// Server is the token endpoint of one tenant.
type Server struct {
	o       Options
	handler http.Handler

	mu     sync.Mutex
	tokens map[string]time.Time
	used   map[string]time.Time // ids of assertions, until they expire
}

// New returns a Server.
func New(o Options) *Server {
	if o.ExpiresIn == 0 {
		o.ExpiresIn = 3599 * time.Second
	}
	s := &Server{o: o, tokens: map[string]time.Time{}, used: map[string]time.Time{}}
	s.handler = o.Faults.Wrap("entra", http.HandlerFunc(s.serve))
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	base := "https://" + r.Host + "/" + s.o.Tenant
	switch r.URL.Path {
	case "/" + s.o.Tenant + "/v2.0/.well-known/openid-configuration":
		kit.WriteJSON(w, http.StatusOK, map[string]string{
			"issuer": base + "/v2.0", "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + "/oauth2/v2.0/token",
		})
	case "/common/discovery/instance":
		kit.WriteJSON(w, http.StatusOK, map[string]any{
			"api-version": "1.1", "tenant_discovery_endpoint": base + "/v2.0/.well-known/openid-configuration",
			"metadata": []any{map[string]any{"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host}}},
		})
	case "/" + s.o.Tenant + "/oauth2/v2.0/token":
		s.token(w, r)
	default:
		s.refuse(w, http.StatusBadRequest, "invalid_request", 90002, "Tenant not found. Check the tenant and the endpoint.")
	}
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if err := r.ParseForm(); err != nil {
		s.refuse(w, http.StatusBadRequest, "invalid_request", 900144, "The request body cannot be read.")
		return
	}
	f := r.PostForm
	secret := s.secretNow(r)
	resource, isDefault := "", false
	for scope := range strings.FieldsSeq(f.Get("scope")) {
		if head, ok := strings.CutSuffix(scope, "/.default"); ok {
			resource, isDefault = head, true
		}
	}
	switch {
	case f.Get("grant_type") != "client_credentials":
		s.refuse(w, http.StatusBadRequest, "unsupported_grant_type", 70003, "The grant type is not supported.")
	case f.Get("client_id") != s.o.ClientID:
		s.refuse(w, http.StatusBadRequest, "unauthorized_client", 700016, "The application was not found in the directory.")
	case f.Get("client_assertion") != "":
		if err := s.assertion(r, f.Get("client_assertion_type"), f.Get("client_assertion")); err != nil {
			s.refuse(w, http.StatusUnauthorized, "invalid_client", 700027, "The client assertion cannot be accepted: "+err.Error()+".")
			return
		}
		s.grant(w, r, resource, isDefault)
	case f.Get("client_secret") == "":
		s.refuse(w, http.StatusUnauthorized, "invalid_client", 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case secret != s.o.ClientSecret && f.Get("client_secret") == s.o.ClientSecret:
		s.refuse(w, http.StatusUnauthorized, "invalid_client", 7000222, "The provided client secret keys for app '"+s.o.ClientID+"' are expired.")
	case f.Get("client_secret") != secret:
		s.refuse(w, http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided.")
	default:
		s.grant(w, r, resource, isDefault)
	}
}

// secretNow is the secret that the app registration has now. The named fault
// secret_replaced says in its body that it is another than at the start, which has
// expired.
func (s *Server) secretNow(r *http.Request) string {
	if rule, hit := s.o.Faults.Named("entra", "secret_replaced", r); hit {
		return rule.Body
	}
	return s.o.ClientSecret
}

// grant answers a client that proved who it is.
func (s *Server) grant(w http.ResponseWriter, r *http.Request, resource string, isDefault bool) {
	switch {
	case !isDefault:
		s.refuse(w, http.StatusBadRequest, "invalid_scope", 70011, "The scope is not valid for this grant.")
	case resource != "https://"+r.Host:
		s.refuse(w, http.StatusBadRequest, "invalid_resource", 500011, "The resource principal was not found in the tenant.")
	default:
		kit.WriteJSON(w, http.StatusOK, map[string]any{
			"token_type": "Bearer", "expires_in": int(s.o.ExpiresIn.Seconds()), "ext_expires_in": int(s.o.ExpiresIn.Seconds()), "access_token": s.issue(),
		})
	}
}

func (s *Server) refuse(w http.ResponseWriter, status int, code string, number int, text string) {
	kit.WriteJSON(w, status, map[string]any{
		"error": code, "error_description": fmt.Sprintf("AADSTS%d: %s", number, text), "error_codes": []int{number},
		"timestamp": s.o.Clock.Now().Format("2006-01-02 15:04:05Z"), "trace_id": uuid.NewString(), "correlation_id": uuid.NewString(),
	})
}

func (s *Server) issue() string {
	raw := make([]byte, 48)
	_, _ = rand.Read(raw)
	token := "eyJ" + base64.RawURLEncoding.EncodeToString(raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Clock.Now()
	for old, expiry := range s.tokens {
		if now.After(expiry) {
			delete(s.tokens, old)
		}
	}
	s.tokens[token] = now.Add(s.o.ExpiresIn)
	return token
}

// ExpireAll ends the life of every token issued so far.
func (s *Server) ExpireAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Valid says whether token was issued here and has not expired.
func (s *Server) Valid(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	expiry, ok := s.tokens[token]
	return ok && s.o.Clock.Now().Before(expiry)
}
