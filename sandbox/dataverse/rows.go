package dataverse

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// create serves POST (§5.1).
func (s *Server) create(w http.ResponseWriter, r *http.Request, t *table) {
	set, bad := s.body(r, t, true)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	key := newKey()
	for _, a := range set {
		if t.Columns[a.column].Name == t.Key && a.value != nil {
			key = strings.Trim(string(a.value), `"`)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.rows[key]; taken {
		s.fail(w, &refusal{412, "0x80040237", "A record with matching key values already exists."})
		return
	}
	added := t.put(key, set, s.version.Add(1), s.o.Clock.Now(), applicationUser)
	s.done(w, r, t, added, http.StatusCreated)
}

func (s *Server) body(r *http.Request, t *table, create bool) ([]assignment, *refusal) {
	data, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return nil, &refusal{400, "0x80048d19", "Stream was not readable."}
	}
	return t.parse(data, create)
}

// done answers a write: 204, or the row when it was asked for.
func (s *Server) done(w http.ResponseWriter, r *http.Request, t *table, row *row, status int) {
	if !strings.Contains(strings.Join(r.Header.Values("Prefer"), ","), "return=representation") {
		w.Header().Set("OData-EntityId", fmt.Sprintf("https://%s%s/%s(%s)", r.Host, root, t.EntitySet, row.key))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	rd, bad := s.parseReading(r, t)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	w.Header().Set("Preference-Applied", "return=representation")
	s.json(w, status, t.appendRow(nil, row, rd.selected))
}

// row serves one row by key.
func (s *Server) row(w http.ResponseWriter, r *http.Request, t *table, key string) {
	missing := &refusal{404, "0x80040217", fmt.Sprintf("%s With Id = %s Does Not Exist", t.LogicalName, key)}
	switch r.Method {
	case http.MethodGet:
		rd, bad := s.parseReading(r, t)
		if bad != nil {
			s.fail(w, bad)
			return
		}
		t.mu.RLock()
		defer t.mu.RUnlock()
		found, ok := t.rows[key]
		if !ok {
			s.fail(w, missing)
			return
		}
		if etag(found) == r.Header.Get("If-None-Match") {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		s.json(w, http.StatusOK, t.appendRow(nil, found, rd.selected))
	case http.MethodPatch:
		s.patch(w, r, t, key, missing)
	case http.MethodDelete:
		t.mu.Lock()
		defer t.mu.Unlock()
		found, ok := t.rows[key]
		if !ok {
			s.fail(w, missing)
			return
		}
		if bad := matches(r, found); bad != nil {
			s.fail(w, bad)
			return
		}
		t.remove(key, s.version.Add(1), s.o.Clock.Now())
		w.WriteHeader(http.StatusNoContent)
	default:
		s.fail(w, &refusal{405, "0x8006088a", "The method is not allowed here."})
	}
}

func etag(r *row) string { return fmt.Sprintf(`W/"%d"`, r.version) }

// matches checks If-Match against an existing row.
func matches(r *http.Request, found *row) *refusal {
	want := r.Header.Get("If-Match")
	if want == "" || want == "*" || want == etag(found) {
		return nil
	}
	return &refusal{412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided."}
}

// patch updates or creates, as its conditions allow.
func (s *Server) patch(w http.ResponseWriter, r *http.Request, t *table, key string, missing *refusal) {
	t.mu.RLock()
	_, exists := t.rows[key]
	t.mu.RUnlock()
	set, bad := s.body(r, t, !exists)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	found, exists := t.rows[key]
	switch {
	case exists && r.Header.Get("If-None-Match") == "*":
		s.fail(w, &refusal{412, "0x80040237", "A record with matching key values already exists."})
	case !exists && r.Header.Get("If-Match") != "":
		s.fail(w, missing)
	case exists && matches(r, found) != nil:
		s.fail(w, matches(r, found))
	default:
		status := http.StatusOK
		if !exists {
			status = http.StatusCreated
		}
		s.done(w, r, t, t.put(key, set, s.version.Add(1), s.o.Clock.Now(), applicationUser), status)
	}
}
