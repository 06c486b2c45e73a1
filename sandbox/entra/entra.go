// Package entra stands in for Microsoft Entra ID: the token endpoint of services, and the
// sign-in of people by OpenID Connect (docs/protocol/dynamics.md §1, docs/protocol/entra.md).
// Package stack runs it beside Dataverse.
package entra

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"causeway.dev/sandbox/kit"
)

// Options of a tenant.
type Options struct {
	Clock                          *kit.Clock
	Faults                         *kit.Faults
	Tenant, ClientID, ClientSecret string
	Certificate                    *x509.Certificate // of the client, registered beside its secret; nil = none
	ExpiresIn                      time.Duration     // of tokens; default 3599 s
	DeviceInterval                 time.Duration     // between two questions of a device; default 5 s
	Directory                      Directory         // empty = DefaultDirectory
}

// Server is one tenant.
type Server struct {
	o       Options
	handler http.Handler

	mu        sync.Mutex
	tokens    map[string]time.Time // of services, until they expire
	used      map[string]time.Time // ids of assertions, until they expire
	directory Directory
	keys      []*signingKey // the first one signs; made when they are first needed

	codes, refresh map[string]*grant
	pending        map[string]*visit  // pages on which somebody is to pick a user
	devices        map[string]*device // by device code
}

// New returns a Server.
func New(o Options) *Server {
	if o.ExpiresIn == 0 {
		o.ExpiresIn = 3599 * time.Second
	}
	if o.DeviceInterval == 0 {
		o.DeviceInterval = 5 * time.Second
	}
	s := &Server{
		o: o, tokens: map[string]time.Time{}, used: map[string]time.Time{}, directory: o.Directory,
		codes: map[string]*grant{}, refresh: map[string]*grant{}, pending: map[string]*visit{}, devices: map[string]*device{},
	}
	if len(s.directory.Users)+len(s.directory.Apps)+len(s.directory.Groups) == 0 {
		s.directory = DefaultDirectory()
	}
	s.handler = o.Faults.Wrap("entra", http.HandlerFunc(s.serve))
	return s
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.o.Clock.Now().Format(http.TimeFormat))
	switch r.URL.Path {
	case "/common/discovery/instance":
		kit.WriteJSON(w, http.StatusOK, map[string]any{
			"api-version": "1.1", "tenant_discovery_endpoint": s.base(r) + "/v2.0/.well-known/openid-configuration",
			"metadata": []any{map[string]any{"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host}}},
		})
		return
	case "/common/discovery/keys", "/common/discovery/v2.0/keys":
		s.jwks(w, r)
		return
	case devicePage:
		s.deviceLogin(w, r)
		return
	}
	path, ours := strings.CutPrefix(r.URL.Path, "/"+s.o.Tenant)
	if !ours {
		path = ""
	}
	switch path {
	case "/v2.0/.well-known/openid-configuration":
		s.discovery(w, r, s.issuer(r), "/oauth2/v2.0", "/discovery/v2.0/keys")
	case "/.well-known/openid-configuration":
		s.discovery(w, r, s.base(r)+"/", "/oauth2", "/discovery/keys")
	case "/discovery/v2.0/keys", "/discovery/keys":
		s.jwks(w, r)
	case "/oauth2/v2.0/token":
		s.token(w, r, false)
	case "/oauth2/token":
		s.token(w, r, true)
	case "/oauth2/v2.0/authorize":
		s.authorize(w, r)
	case "/oauth2/v2.0/devicecode":
		s.deviceCode(w, r)
	case "/oauth2/v2.0/logout":
		s.logout(w, r)
	case "/login":
		s.login(w, r)
	default:
		s.refuse(w, http.StatusBadRequest, "invalid_request", 90002, "Tenant not found. Check the tenant and the endpoint.")
	}
}

// discovery is the document that clients begin with. It names what is served here.
func (s *Server) discovery(w http.ResponseWriter, r *http.Request, issuer, oauth, keys string) {
	base := s.base(r)
	doc := map[string]any{
		"issuer": issuer, "authorization_endpoint": base + "/oauth2/v2.0/authorize", "token_endpoint": base + oauth + "/token",
		"device_authorization_endpoint": base + "/oauth2/v2.0/devicecode", "end_session_endpoint": base + "/oauth2/v2.0/logout",
		"jwks_uri":                              base + keys,
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"claims_supported": []string{"sub", "iss", "aud", "exp", "iat", "nbf", "nonce", "preferred_username", "name", "tid", "ver", "oid",
			"email", "groups", "roles"},
		"request_uri_parameter_supported": false, "http_logout_supported": true, "frontchannel_logout_supported": true,
		"tenant_region_scope": "EU", "cloud_instance_name": r.Host, "cloud_graph_host_name": "graph.windows.net", "msgraph_host": "graph.microsoft.com",
	}
	kit.WriteJSON(w, http.StatusOK, doc)
}

func (s *Server) fail(w http.ResponseWriter, p *problem) {
	s.refuse(w, p.status, p.code, p.number, p.text)
}

func (s *Server) refuse(w http.ResponseWriter, status int, code string, number int, text string) {
	kit.WriteJSON(w, status, map[string]any{
		"error": code, "error_description": fmt.Sprintf("AADSTS%d: %s", number, text), "error_codes": []int{number},
		"timestamp": s.o.Clock.Now().Format("2006-01-02 15:04:05Z"), "trace_id": uuid.NewString(), "correlation_id": uuid.NewString(),
	})
}
