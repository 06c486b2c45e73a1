// Package ims stands in for Adobe's token service (OAuth server-to-server,
// docs/protocol/campaign.md §1.1). Package stack runs it beside Campaign.
package ims

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"causeway.dev/sandbox/kit"
)

// Options of the token service.
type Options struct {
	Clock           *kit.Clock
	Faults          *kit.Faults
	ClientID        string
	Secrets         []string      // up to two are live during a rotation
	Scopes          []string      // that may be asked for; empty = any
	ExpiresIn       time.Duration // default 86399 s
	TokensPerMinute int           // 0 = no limit
	Organization    string        // tenant in Campaign's URL, shown by the profile
}

// Server is the token service.
type Server struct {
	o       Options
	handler http.Handler

	mu     sync.RWMutex
	tokens map[string]time.Time // token -> expiry
	asked  []time.Time
}

// New returns a Server.
func New(o Options) *Server {
	if o.ExpiresIn == 0 {
		o.ExpiresIn = 86399 * time.Second
	}
	s := &Server{o: o, tokens: map[string]time.Time{}}
	s.handler = o.Faults.Wrap("ims", http.HandlerFunc(s.serve))
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.o.Clock.Now().Format(http.TimeFormat))
	switch r.URL.Path {
	case "/ims/token/v2", "/ims/token/v3": // Adobe's own library still asks v2
		s.token(w, r)
	case "/ims/profile/v1":
		s.profile(w, r)
	case "/ims/validate_token/v1":
		s.validate(w, r)
	default:
		kit.WriteJSON(w, http.StatusNotFound, oauthError("not_found", "no such endpoint"))
	}
}

// profile shows which instances a token may use. It explains a 403023 of the gateway.
func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		kit.WriteJSON(w, http.StatusMethodNotAllowed, oauthError("invalid_request", "use GET"))
	case !bearer || !s.Valid(token):
		kit.WriteJSON(w, http.StatusUnauthorized, oauthError("invalid_token", "the token is missing or no longer valid"))
	case r.Header.Get("X-Api-Key") != s.o.ClientID:
		kit.WriteJSON(w, http.StatusForbidden, oauthError("invalid_client", "invalid x-api-key header"))
	default:
		kit.WriteJSON(w, http.StatusOK, map[string]any{
			"projectedProductContext": []any{map[string]any{
				"prodCtx": map[string]string{"serviceCode": "dma_tartan", "organization_id": s.o.Organization},
			}},
		})
	}
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		kit.WriteJSON(w, http.StatusMethodNotAllowed, oauthError("invalid_request", "use POST"))
		return
	}
	if err := readForm(r); err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, oauthError("invalid_request", "the form cannot be read"))
		return
	}
	switch {
	case r.Form.Get("grant_type") != "client_credentials":
		kit.WriteJSON(w, http.StatusBadRequest, oauthError("unsupported_grant_type", "unsupported grant_type parameter"))
	case r.Form.Get("client_id") != s.o.ClientID:
		kit.WriteJSON(w, http.StatusBadRequest, oauthError("invalid_client", "invalid client_id parameter"))
	case !slices.Contains(s.secretsNow(r), r.Form.Get("client_secret")):
		kit.WriteJSON(w, http.StatusBadRequest, oauthError("invalid_client", "invalid client_secret parameter"))
	case !s.scopesKnown(r.Form.Get("scope")):
		kit.WriteJSON(w, http.StatusBadRequest, oauthError("invalid_scope", "a scope is not allowed for this credential"))
	case !s.admit():
		w.Header().Set("Retry-After", "30")
		kit.WriteJSON(w, http.StatusTooManyRequests, oauthError("too_many_requests", "too many tokens were requested"))
	default:
		kit.WriteJSON(w, http.StatusOK, map[string]any{
			"access_token": s.issue(), "token_type": "bearer", "expires_in": int(s.o.ExpiresIn.Seconds()),
		})
	}
}

// secretsNow are the credential's secrets. The named fault secret_replaced says in its
// body which is the only one left.
func (s *Server) secretsNow(r *http.Request) []string {
	if rule, hit := s.o.Faults.Named("ims", "secret_replaced", r); hit {
		return []string{rule.Body}
	}
	return s.o.Secrets
}

func oauthError(code, description string) map[string]string {
	return map[string]string{"error": code, "error_description": description}
}

// scopesKnown expects commas between scopes; spaces make one unknown scope.
func (s *Server) scopesKnown(list string) bool {
	if list == "" {
		return false
	}
	if len(s.o.Scopes) == 0 {
		return !strings.Contains(strings.ReplaceAll(list, ", ", ","), " ")
	}
	for scope := range strings.SplitSeq(list, ",") {
		if !slices.Contains(s.o.Scopes, strings.TrimSpace(scope)) {
			return false
		}
	}
	return true
}

func (s *Server) admit() bool {
	if s.o.TokensPerMinute == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Clock.Now()
	s.asked = slices.DeleteFunc(s.asked, func(t time.Time) bool { return now.Sub(t) >= time.Minute })
	if len(s.asked) >= s.o.TokensPerMinute {
		return false
	}
	s.asked = append(s.asked, now)
	return true
}

func (s *Server) issue() string {
	raw := make([]byte, 24)
	_, _ = rand.Read(raw)
	now := s.o.Clock.Now()
	claims, err := json.Marshal(map[string]string{ // numbers are texts, and milliseconds
		"id": base64.RawURLEncoding.EncodeToString(raw), "type": "access_token", "client_id": s.o.ClientID,
		"created_at": strconv.FormatInt(now.UnixMilli(), 10), "expires_in": strconv.FormatInt(s.o.ExpiresIn.Milliseconds(), 10),
	})
	if err != nil {
		panic(err) // unreachable: they are texts
	}
	token := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims) + ".sandbox"
	s.mu.Lock()
	defer s.mu.Unlock()
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
	s.mu.RLock()
	defer s.mu.RUnlock()
	expiry, ok := s.tokens[token]
	return ok && s.o.Clock.Now().Before(expiry)
}
