package stack

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"causeway.dev/sandbox/kit"
)

// admin serves the admin port for people and tests, without credentials:
//
//	/dynamics/…  rows, timelines, processes, merges and usage of Dynamics; what its role may read, and its version
//	/dynamics/webhooks    GET list, POST a dataverse.Webhook, DELETE ?name=
//	/campaign/…  records and meter of Campaign
//	/campaign/events      GET counts, POST an eventlog.Funnel: mailings and their events
//	/campaign/events/one  POST an eventlog.Pushed: one event
//	/campaign/workflows/… the exports: see exports.go
//	/sftp                 GET usage and counts, POST limits; /sftp/host-key, /sftp/sessions: see sftp.go
//	/entra/…     people, groups and applications, signing keys, sign-ins of Entra ID
//	/faults      GET list, POST a kit.Rule, DELETE ?id= or all
//	/clock       GET, POST {"advance":"48h"}
//	/tokens      DELETE: every Campaign token expires now
//	/health
func (s *Stack) admin() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/dynamics/", http.StripPrefix("/dynamics", s.Dynamics.AdminHandler()))
	mux.Handle("/campaign/", http.StripPrefix("/campaign", s.Campaign.AdminHandler()))
	mux.HandleFunc("GET /campaign/events", s.eventCounts)
	mux.HandleFunc("POST /campaign/events", s.adminGenerate)
	mux.HandleFunc("POST /campaign/events/one", s.adminPush)
	s.adminSFTP(mux)
	s.adminExports(mux)
	s.adminImports(mux)
	mux.Handle("/entra/", http.StripPrefix("/entra", s.Entra.AdminHandler()))
	mux.Handle("/faults", s.Faults.AdminHandler())
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /clock", func(w http.ResponseWriter, _ *http.Request) { s.writeClock(w) })
	mux.HandleFunc("POST /clock", s.advance)
	mux.HandleFunc("DELETE /tokens", func(w http.ResponseWriter, _ *http.Request) {
		s.IMS.ExpireAll()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (s *Stack) writeClock(w http.ResponseWriter) {
	kit.WriteJSON(w, http.StatusOK, map[string]string{"now": s.Clock.Now().Format(time.RFC3339), "offset": s.Clock.Offset().String()})
}

func (s *Stack) advance(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Advance string `json:"advance"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<10)).Decode(&body); err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": `the body: want {"advance":"48h"}`})
		return
	}
	d, err := time.ParseDuration(body.Advance)
	if err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "advance: want a duration such as 48h or -30m"})
		return
	}
	s.Advance(d)
	s.writeClock(w)
}
