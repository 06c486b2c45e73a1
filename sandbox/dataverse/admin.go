package dataverse

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"causeway.dev/sandbox/kit"
)

// The admin surface edits rows as a person at work in Dynamics would, not as the
// application user.

// Row returns a row by property name; nil when there is none.
func (s *Server) Row(set, key string) map[string]any {
	t := s.sets[set]
	t.rlock()
	defer t.runlock()
	r, ok := t.find(strings.ToLower(key))
	if !ok {
		return nil
	}
	return t.document(r)
}

func (t *table) document(r *row) map[string]any {
	out := make(map[string]any, len(t.Columns))
	for i, c := range t.Columns {
		var v any
		if r.value(i) != nil && json.Unmarshal(r.value(i), &v) != nil {
			continue
		}
		out[c.property()] = v
	}
	return out
}

// Each calls f with every row in key order until f returns false.
func (s *Server) Each(set string, f func(key string, row map[string]any) bool) {
	for _, key := range s.Keys(set) {
		if row := s.Row(set, key); row != nil && !f(key, row) {
			return
		}
	}
}

// Keys lists the keys of an entity set in order.
func (s *Server) Keys(set string) []string {
	t := s.sets[set]
	t.rlock()
	defer t.runlock()
	keys := make([]string, 0, t.size())
	t.scan("", func(r *row) bool { keys = append(keys, r.key); return true })
	return keys
}

// Count is the number of rows.
func (s *Server) Count(set string) int64 {
	t := s.sets[set]
	t.rlock()
	defer t.runlock()
	return int64(t.size())
}

// Insert adds a row and returns its key.
func (s *Server) Insert(set string, values map[string]any) (string, error) {
	return s.edit(set, newKey(), values, true)
}

// Update changes a row.
func (s *Server) Update(set, key string, values map[string]any) error {
	_, err := s.edit(set, strings.ToLower(key), values, false)
	return err
}

func (s *Server) edit(set, key string, values map[string]any, create bool) (string, error) {
	t, ok := s.sets[set]
	if !ok {
		return "", fmt.Errorf("there is no entity set %s", set)
	}
	if t.union != nil {
		return "", t.closed
	}
	body, err := json.Marshal(values)
	if err != nil {
		return "", err
	}
	x := s.begin(salesUser)
	bad := func() *refusal {
		assigned, bad := t.parse(body, create, func(value string, targets []Target) (string, *refusal) {
			return x.reference(&http.Request{}, value, targets)
		})
		if bad != nil {
			return bad
		}
		for _, a := range assigned {
			if create && a.column == t.system.key && a.value != nil {
				key = linked(a.value)
			}
		}
		if _, exists := t.rows[key]; exists == create {
			return &refusal{404, "0x80040217", fmt.Sprintf("%s(%s): exists is %t, want %t", set, key, exists, !create)}
		}
		_, bad = x.put(t, key, assigned)
		return bad
	}()
	x.end(bad == nil)
	if bad != nil {
		return "", bad
	}
	return key, nil
}

// Delete removes a row. It returns false when there was none, or another row prevents
// it.
func (s *Server) Delete(set, key string) bool {
	t := s.sets[set]
	key = strings.ToLower(key)
	x := s.begin(salesUser)
	_, exists := t.rows[key]
	deleted := exists && x.remove(t, key) == nil
	x.end(deleted)
	return deleted
}

// SetTracking switches change tracking of a table.
func (s *Server) SetTracking(set string, on bool) {
	t := s.sets[set]
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tracked = on
}

// AdminHandler serves /tables/{set}[/{id}], /stats (DELETE starts the count again), /webhooks and
// the routes of adminDesk.
func (s *Server) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		u := s.Usage()
		kit.WriteJSON(w, 200, map[string]int64{"requests": u.Requests, "operations": u.Operations, "execution_ms": u.Execution.Milliseconds(),
			"throttled": u.Throttled, "widest": u.Widest, "version": s.version.Load()})
	})
	mux.HandleFunc("DELETE /stats", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetUsage()
		w.WriteHeader(http.StatusNoContent)
	})
	s.adminDesk(mux)
	s.adminWebhooks(mux)
	mux.HandleFunc("/tables/{set}", s.adminTable)
	mux.HandleFunc("/tables/{set}/{id}", s.adminRow)
	return mux
}

func (s *Server) adminTable(w http.ResponseWriter, r *http.Request) {
	set := r.PathValue("set")
	t, ok := s.sets[set]
	if !ok {
		kit.WriteJSON(w, 404, map[string]string{"error": "no such entity set"})
		return
	}
	switch r.Method {
	case http.MethodGet:
		keys := s.Keys(set)
		first := ""
		if len(keys) > 0 {
			first = keys[0]
		}
		kit.WriteJSON(w, 200, map[string]any{"count": len(keys), "first": first, "tracked": t.tracked})
	case http.MethodPost:
		values, err := decodeValues(r.Body)
		var key string
		if err == nil {
			key, err = s.Insert(set, values)
		}
		if err != nil {
			kit.WriteJSON(w, 400, map[string]string{"error": err.Error()})
			return
		}
		kit.WriteJSON(w, 201, map[string]string{"id": key})
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func decodeValues(body io.Reader) (map[string]any, error) {
	dec := json.NewDecoder(body)
	dec.UseNumber()
	var values map[string]any
	err := dec.Decode(&values)
	return values, err
}

func (s *Server) adminRow(w http.ResponseWriter, r *http.Request) {
	set, id := r.PathValue("set"), r.PathValue("id")
	if _, ok := s.sets[set]; !ok {
		kit.WriteJSON(w, 404, map[string]string{"error": "no such entity set"})
		return
	}
	switch r.Method {
	case http.MethodGet:
		row := s.Row(set, id)
		if row == nil {
			kit.WriteJSON(w, 404, map[string]string{"error": "no such row"})
			return
		}
		kit.WriteJSON(w, 200, row)
	case http.MethodPatch:
		values, err := decodeValues(r.Body)
		if err == nil {
			err = s.Update(set, id, values)
		}
		if err != nil {
			kit.WriteJSON(w, 400, map[string]string{"error": err.Error()})
			return
		}
		kit.WriteJSON(w, 200, s.Row(set, id))
	case http.MethodDelete:
		if !s.Delete(set, id) {
			kit.WriteJSON(w, 404, map[string]string{"error": "no such row"})
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}
