package ims

import (
	"net/http"
	"strconv"
	"strings"

	"causeway.dev/sandbox/kit"
)

// validate says whether a token is still good (docs/protocol/campaign-rows.md).
// The token is a parameter, or the Bearer of the request.
func (s *Server) validate(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		kit.WriteJSON(w, http.StatusMethodNotAllowed, oauthError("invalid_request", "use GET or POST"))
		return
	}
	if err := readForm(r); err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, oauthError("invalid_request", "the form cannot be read"))
		return
	}
	token := r.Form.Get("token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && token == "" {
		token = bearer
	}
	client := r.Form.Get("client_id")
	if client == "" {
		client = r.Header.Get("X-IMS-ClientId")
	}
	switch kind := r.Form.Get("type"); {
	case client != s.o.ClientID:
		kit.WriteJSON(w, http.StatusBadRequest, oauthError("invalid_client", "invalid client_id parameter"))
	case kind != "access_token":
		kit.WriteJSON(w, http.StatusBadRequest, oauthError("invalid_request", "the parameter type must be access_token"))
	case token == "":
		kit.WriteJSON(w, http.StatusBadRequest, oauthError("invalid_request", "the token is missing"))
	default:
		kit.WriteJSON(w, http.StatusOK, s.judge(token))
	}
}

// readForm reads the parameters of a request, encoded either way.
func readForm(r *http.Request) error {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return r.ParseMultipartForm(1 << 20)
	}
	return r.ParseForm()
}

func (s *Server) judge(token string) map[string]any {
	s.mu.RLock()
	expiry, known := s.tokens[token]
	s.mu.RUnlock()
	switch {
	case !known:
		return map[string]any{"valid": false, "reason": "bad_signature"}
	case !s.o.Clock.Now().Before(expiry):
		return map[string]any{"valid": false, "reason": "expired"}
	}
	return map[string]any{"valid": true, "token": map[string]string{
		"type": "access_token", "client_id": s.o.ClientID, "expires_in": strconv.FormatInt(s.o.ExpiresIn.Milliseconds(), 10),
		"created_at": strconv.FormatInt(expiry.Add(-s.o.ExpiresIn).UnixMilli(), 10),
	}}
}
