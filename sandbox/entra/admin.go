package entra

import (
	"encoding/json"
	"net/http"

	"causeway.dev/sandbox/kit"
)

// SetDirectory replaces the people, groups and applications of the tenant. What they have
// signed in to goes on as far as they are still there.
func (s *Server) SetDirectory(d Directory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.directory = d
}

// AdminHandler serves tests and people, without credentials:
//
//	/directory  GET, PUT a Directory
//	/keys       GET the ids of published keys, the signing one first; POST a new one; DELETE withdraws the old ones
//	/sessions   DELETE: every refresh token is revoked
//	/tokens     DELETE: every token of a service expires now
func (s *Server) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /directory", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		d := s.directory
		s.mu.Unlock()
		kit.WriteJSON(w, http.StatusOK, d)
	})
	mux.HandleFunc("PUT /directory", func(w http.ResponseWriter, r *http.Request) {
		var d Directory
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&d); err != nil {
			kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "the body: " + err.Error()})
			return
		}
		s.SetDirectory(d)
		kit.WriteJSON(w, http.StatusOK, d)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) { s.listKeys(w, http.StatusOK) })
	mux.HandleFunc("POST /keys", func(w http.ResponseWriter, _ *http.Request) {
		s.RotateKey()
		s.listKeys(w, http.StatusCreated)
	})
	mux.HandleFunc("DELETE /keys", func(w http.ResponseWriter, _ *http.Request) {
		s.WithdrawKeys()
		s.listKeys(w, http.StatusOK)
	})
	mux.HandleFunc("DELETE /sessions", func(w http.ResponseWriter, _ *http.Request) {
		s.Revoke()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /tokens", func(w http.ResponseWriter, _ *http.Request) {
		s.ExpireAll()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (s *Server) listKeys(w http.ResponseWriter, status int) {
	ids := []string{}
	for _, k := range s.published() {
		ids = append(ids, k.id)
	}
	kit.WriteJSON(w, status, map[string]any{"keys": ids})
}
