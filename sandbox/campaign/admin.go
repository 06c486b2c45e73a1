package campaign

import (
	"io"
	"net/http"
	"strconv"

	"causeway.dev/sandbox/kit"
)

// AdminHandler serves the admin port:
//
//	GET    /meter                               calls by kind; ?by=hour
//	POST   /meter/reset
//	GET    /stats                               records by resource
//	GET    /resources/{resource}?after=&limit=  records, oldest first
//	POST   /resources/{resource}                add a record
//	GET, PATCH, DELETE /resources/{resource}/{key}
//	GET    /writes/{resource}/{key}             how often it was written
func (s *Server) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /meter", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("by") == "hour" {
			kit.WriteJSON(w, http.StatusOK, s.MeterByHour())
			return
		}
		kit.WriteJSON(w, http.StatusOK, s.Meter())
	})
	mux.HandleFunc("POST /meter/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetMeter()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /stats", s.adminStats)
	mux.HandleFunc("GET /resources/{resource}", s.adminList)
	mux.HandleFunc("POST /resources/{resource}", s.adminAdd)
	mux.HandleFunc("GET /resources/{resource}/{key}", s.adminGet)
	mux.HandleFunc("PATCH /resources/{resource}/{key}", s.adminEdit)
	mux.HandleFunc("DELETE /resources/{resource}/{key}", func(w http.ResponseWriter, r *http.Request) {
		outcome(w, http.StatusNoContent, s.Delete(r.PathValue("resource"), r.PathValue("key")))
	})
	mux.HandleFunc("GET /writes/{resource}/{key}", func(w http.ResponseWriter, r *http.Request) {
		n := s.WriteCounts(r.PathValue("resource"), r.PathValue("key"))
		kit.WriteJSON(w, http.StatusOK, map[string]uint32{"inserts": n.Inserts, "updates": n.Updates, "deletes": n.Deletes, "refused": n.Refused})
	})
	return mux
}

func outcome(w http.ResponseWriter, status int, err error) {
	if err != nil {
		kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	w.WriteHeader(status)
}

func (s *Server) adminStats(w http.ResponseWriter, _ *http.Request) {
	counts := map[string]int64{}
	for _, name := range s.names {
		counts[name] = s.Count(name)
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"records": counts, "requests": s.request.Load(), "version": s.Version()})
}

func (s *Server) adminList(w http.ResponseWriter, r *http.Request) {
	resource := r.PathValue("resource")
	if _, err := s.table(resource); err != nil {
		kit.WriteJSON(w, http.StatusNotFound, map[string]string{"error": err.Error()})
		return
	}
	after, limit := int64(0), 100
	var err error
	if text := r.URL.Query().Get("after"); text != "" {
		if after, err = strconv.ParseInt(text, 10, 64); err != nil || after < 0 {
			kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "after: want the next of the page before"})
			return
		}
	}
	if text := r.URL.Query().Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > 10_000 {
			kit.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "limit: want 1 to 10000"})
			return
		}
	}
	out := struct {
		Count   int64            `json:"count"`
		Content []map[string]any `json:"content"`
		Next    int64            `json:"next,omitempty"`
	}{Count: s.Count(resource), Content: []map[string]any{}}
	last := after
	s.after(resource, after, func(id int64, _ string, record map[string]any) bool {
		if len(out.Content) == limit {
			out.Next = last
			return false
		}
		out.Content, last = append(out.Content, record), id
		return true
	})
	kit.WriteJSON(w, http.StatusOK, out)
}

func (s *Server) adminAdd(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err == nil {
		err = s.Insert(r.PathValue("resource"), body)
	}
	outcome(w, http.StatusCreated, err)
}

func (s *Server) adminGet(w http.ResponseWriter, r *http.Request) {
	doc := s.Record(r.PathValue("resource"), r.PathValue("key"))
	if doc == nil {
		kit.WriteJSON(w, http.StatusNotFound, map[string]string{"error": "no such record"})
		return
	}
	kit.WriteJSON(w, http.StatusOK, doc)
}

func (s *Server) adminEdit(w http.ResponseWriter, r *http.Request) {
	resource, key := r.PathValue("resource"), r.PathValue("key")
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err == nil {
		err = s.Update(resource, key, body)
	}
	if err != nil {
		outcome(w, 0, err)
		return
	}
	kit.WriteJSON(w, http.StatusOK, s.Record(resource, key))
}
