package stack

import (
	"context"
	"errors"
	"net/http"
	"time"

	"causeway.dev/sandbox/exports"
	"causeway.dev/sandbox/kit"
)

var errNoSFTP = errors.New("the stack has no SFTP server to export to")

// ExportOptOuts runs Campaign's opt-out export at once. It writes the profiles that
// changed since the last run into a file, with the given twists.
func (s *Stack) ExportOptOuts(ctx context.Context, twists ...exports.Twist) (exports.Result, error) {
	return s.export(ctx, exports.OptOuts, twists)
}

// ExportLogs runs the export of delivery and tracking logs at once.
func (s *Stack) ExportLogs(ctx context.Context, twists ...exports.Twist) (exports.Result, error) {
	return s.export(ctx, exports.Logs, twists)
}

func (s *Stack) export(ctx context.Context, id string, twists []exports.Twist) (exports.Result, error) {
	if s.Exports == nil {
		return exports.Result{}, errNoSFTP
	}
	return s.Exports.Run(ctx, id, twists...)
}

// Advance moves the clock and runs the exports that are then due.
func (s *Stack) Advance(d time.Duration) {
	s.Clock.Advance(d)
	if s.Exports != nil {
		s.Exports.RunDue()
		s.Imports.RunDue()
	}
}

// runDue runs the exports that become due while the stack runs. This includes those
// that become due because a test moved the clock.
func (s *Stack) runDue() {
	defer s.saving.Done()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.Exports.RunDue()
			s.Imports.RunDue()
		case <-s.stop:
			return
		}
	}
}

// table lets the exports read Campaign, which is created after them.
type table struct{ s *Stack }

func (t table) Extract(resource string, fields []string, since, until time.Time, f func(values []string, modified time.Time) error) error {
	return t.s.Campaign.Extract(resource, fields, since, until, f)
}

// adminExports adds the workflows' part of the admin port. id is WKF_optout or
// WKF_logs:
//
//	GET  /campaign/workflows/{id}           state, next and last run
//	POST /campaign/workflows/{id}/run       export at once: {"twists":["truncated_gzip"]}
//	POST /campaign/workflows/{id}/last-run  {"at":"2026-03-01T00:00:00Z"}: what the next run starts from
//	POST /campaign/workflows/{id}/fail      {"reason":"…"}
//	POST /campaign/workflows/complete       transfer the rest of partial files
func (s *Stack) adminExports(mux *http.ServeMux) {
	if s.Exports == nil {
		return
	}
	mux.HandleFunc("GET /campaign/workflows/{id}", func(w http.ResponseWriter, r *http.Request) {
		status, err := s.Exports.Status(r.PathValue("id"))
		reply(w, http.StatusOK, status, err)
	})
	mux.HandleFunc("POST /campaign/workflows/{id}/run", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Twists []exports.Twist `json:"twists"`
		}
		if decode(w, r, &body) {
			done, err := s.Exports.Run(r.Context(), r.PathValue("id"), body.Twists...)
			reply(w, http.StatusCreated, done, err)
		}
	})
	mux.HandleFunc("POST /campaign/workflows/{id}/last-run", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			At time.Time `json:"at"`
		}
		if decode(w, r, &body) {
			reply(w, http.StatusOK, map[string]any{}, s.Exports.SetLastRun(r.PathValue("id"), body.At))
		}
	})
	mux.HandleFunc("POST /campaign/workflows/{id}/fail", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Reason string `json:"reason"`
		}
		if decode(w, r, &body) {
			reply(w, http.StatusOK, map[string]any{}, s.Exports.Fail(r.PathValue("id"), body.Reason))
		}
	})
	mux.HandleFunc("POST /campaign/workflows/complete", func(w http.ResponseWriter, _ *http.Request) {
		names, err := s.Exports.Complete()
		reply(w, http.StatusOK, map[string][]string{"files": names}, err)
	})
}

func reply(w http.ResponseWriter, status int, v any, err error) {
	if err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	kit.WriteJSON(w, status, v)
}
