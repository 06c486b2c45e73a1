package campaign

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"causeway.dev/sandbox/kit"
)

// Gate is the part of Adobe's gateway that checks credentials. It is the same in front
// of every service of Adobe.
type Gate struct {
	Service string // as in a fault's Service
	Faults  *kit.Faults
	Tokens  interface{ Valid(token string) bool }
	APIKey  string
}

// Admit checks the key, then the token (§1.4). It answers a request that it does not
// let through.
func (g Gate) Admit(w http.ResponseWriter, r *http.Request) bool {
	key, auth := r.Header.Get("X-Api-Key"), r.Header.Get("Authorization")
	token, bearer := strings.CutPrefix(auth, "Bearer ")
	switch {
	case key == "":
		deny(w, http.StatusForbidden, "403000", "Api Key is required")
		return false
	case key != g.APIKey:
		deny(w, http.StatusForbidden, "403003", "Api Key is invalid")
		return false
	case auth == "":
		deny(w, http.StatusForbidden, "403010", "Oauth token is missing.")
		return false
	}
	if _, expired := g.Faults.Named(g.Service, "token_expired", r); expired || !bearer || !g.Tokens.Valid(token) {
		deny(w, http.StatusUnauthorized, "401013", "Oauth token is not valid")
		return false
	}
	return true
}

// Foreign answers a token whose product profile does not include the resource.
func (g Gate) Foreign(w http.ResponseWriter) {
	deny(w, http.StatusForbidden, "403023", "Profile is not valid")
}

// Throttle answers 429 when a scripted fault says so.
func (g Gate) Throttle(w http.ResponseWriter, r *http.Request) bool {
	rule, hit := g.Faults.Named(g.Service, "throttle", r)
	if hit {
		for name, value := range rule.Headers {
			w.Header().Set(name, value)
		}
		deny(w, http.StatusTooManyRequests, "429050", "Too many requests")
	}
	return hit
}

// gateway checks what Adobe's gateway checks, in its order: key, token, product
// profile, throttling. Then it hands the request over to Campaign (§1.4).
func (s *Server) gateway(w http.ResponseWriter, r *http.Request) {
	if !s.gate.Admit(w, r) {
		return
	}
	tenant, rest, routed := split(r.URL.EscapedPath())
	switch {
	case !routed:
		oops(w, http.StatusInternalServerError)
		return
	case tenant != s.o.Tenant:
		s.gate.Foreign(w)
		return
	}
	if s.gate.Throttle(w, r) {
		return
	}
	if limit := s.limit.Load(); limit != nil && !limit.Allow() {
		s.denied.Add(1)
		w.Header().Set("Retry-After", strconv.Itoa(int(max(1, math.Ceil(1/float64(limit.Limit()))))))
		deny(w, http.StatusTooManyRequests, "429050", "Too many requests")
		return
	}
	now := s.o.Clock.Now()
	if s.o.EnforceEngineBudget && s.meter.hour(now).Engine() >= int64(s.o.EngineBudgetPerHour) {
		w.Header().Set("Retry-After", strconv.FormatInt(3600-now.Unix()%3600, 10))
		deny(w, http.StatusTooManyRequests, "429001", "Service usage limit reached")
		return
	}
	s.route(w, r, rest)
}

// split splits /<tenant>/campaign/<rest>.
func split(path string) (tenant, rest string, ok bool) {
	tenant, rest, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	rest, ok = strings.CutPrefix(rest, "campaign/")
	return tenant, rest, ok && tenant != ""
}

func deny(w http.ResponseWriter, status int, code, message string) {
	kit.WriteJSON(w, status, map[string]string{"error_code": code, "message": message})
}

// oops is the answer of the routing layer to a path that it does not know.
func oops(w http.ResponseWriter, status int) {
	kit.WriteJSON(w, status, map[string]any{"code": status, "message": "Oops. Something went wrong. Check your URI and try again."})
}
