package campaign

import (
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/kit"
)

// Profile returns what a profile holds, nested as on the wire; nil without one.
func (s *Server) Profile(key string) map[string]any { return s.Record("profile", key) }

// Record returns what a record holds; nil without one.
func (s *Server) Record(resource, key string) map[string]any {
	t := s.tables[resource]
	if t == nil {
		return nil
	}
	r, bad := t.get(key)
	if bad != nil {
		return nil
	}
	return t.document(r)
}

func (t *table) document(r *row) map[string]any {
	out := map[string]any{}
	for i, f := range t.Fields {
		into := out
		name := f.Name
		if parent, child, nested := strings.Cut(f.Name, "."); nested {
			item, ok := out[parent].(map[string]any)
			if !ok {
				item = map[string]any{}
				out[parent] = item
			}
			into, name = item, child
		}
		switch f.Type {
		case "boolean":
			into[name] = r.values[i] == "true"
		case "number":
			into[name] = json.Number(r.values[i])
		default:
			into[name] = r.values[i]
		}
	}
	return out
}

// Each calls f with every record of a resource until f returns false.
func (s *Server) Each(resource string, f func(key string, record map[string]any) bool) {
	t := s.tables[resource]
	t.mu.RLock()
	rows := append([]*row(nil), t.order...)
	t.mu.RUnlock()
	for _, r := range rows {
		t.mu.RLock()
		gone, doc := r.gone, map[string]any(nil)
		if !gone {
			doc = t.document(r)
		}
		key := r.values[t.key]
		t.mu.RUnlock()
		if !gone && !f(key, doc) {
			return
		}
	}
}

// Count is the number of records of a resource.
func (s *Server) Count(resource string) int64 { return s.tables[resource].count() }

// WriteCounts says how often a record was written through the API.
func (s *Server) WriteCounts(resource, key string) WriteCounts {
	t := s.tables[resource]
	t.mu.RLock()
	defer t.mu.RUnlock()
	if r, ok := t.rows[key]; ok {
		return r.writes
	}
	return WriteCounts{}
}

// Insert adds a record as a Campaign user would.
func (s *Server) Insert(resource string, body []byte) error {
	t := s.tables[resource]
	changes, bad := t.parseBody(body)
	if bad == nil {
		_, bad = t.insert(changes, s.o.Clock.Now(), false)
	}
	return bad.err()
}

// Update changes a record as a Campaign user would.
func (s *Server) Update(resource, key string, body []byte) error {
	t := s.tables[resource]
	changes, bad := t.parseBody(body)
	if bad == nil {
		bad = t.update(key, changes, s.o.Clock.Now(), false)
	}
	return bad.err()
}

// Delete removes a record as a Campaign user would.
func (s *Server) Delete(resource, key string) error {
	return s.tables[resource].remove(key, false).err()
}

func (p *problem) err() error {
	if p == nil {
		return nil
	}
	return errors.New(p.text)
}

// AdminHandler serves /meter and /resources/{resource}[/{key}].
func (s *Server) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /meter", func(w http.ResponseWriter, _ *http.Request) { kit.WriteJSON(w, 200, s.Meter()) })
	mux.HandleFunc("POST /meter/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetMeter()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("/resources/{resource}/{key}", s.adminRecord)
	mux.HandleFunc("GET /resources/{resource}", func(w http.ResponseWriter, r *http.Request) {
		t := s.tables[r.PathValue("resource")]
		if t == nil {
			kit.WriteJSON(w, 404, map[string]string{"error": "no such resource"})
			return
		}
		kit.WriteJSON(w, 200, map[string]int64{"count": t.count()})
	})
	return mux
}

func (s *Server) adminRecord(w http.ResponseWriter, r *http.Request) {
	resource, key := r.PathValue("resource"), r.PathValue("key")
	if s.tables[resource] == nil {
		kit.WriteJSON(w, 404, map[string]string{"error": "no such resource"})
		return
	}
	var err error
	switch r.Method {
	case http.MethodGet:
		if doc := s.Record(resource, key); doc != nil {
			kit.WriteJSON(w, 200, doc)
			return
		}
		err = errors.New("no such record")
	case http.MethodPatch:
		body, readErr := io.ReadAll(r.Body)
		if err = readErr; err == nil && gjson.ValidBytes(body) {
			err = s.Update(resource, key, body)
		}
	case http.MethodDelete:
		err = s.Delete(resource, key)
	default:
		err = errors.New("use GET, PATCH or DELETE")
	}
	if err != nil {
		kit.WriteJSON(w, 400, map[string]string{"error": err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// savedRow and saved are the snapshot's form.
type savedRow struct {
	Values []string
	Gone   bool
	Writes WriteCounts
}

type saved struct {
	Fields map[string][]string
	Rows   map[string][]savedRow
	Clock  time.Duration
}

const snapshotFile = "campaign.gob"

// Save writes all records to dir, replacing the last snapshot at once.
func (s *Server) Save(dir string) error {
	out := saved{Fields: map[string][]string{}, Rows: map[string][]savedRow{}}
	for name, t := range s.tables {
		t.mu.RLock()
		for _, f := range t.Fields {
			out.Fields[name] = append(out.Fields[name], f.Name)
		}
		for _, r := range t.order {
			out.Rows[name] = append(out.Rows[name], savedRow{append([]string(nil), r.values...), r.gone, r.writes})
		}
		t.mu.RUnlock()
	}
	tmp := filepath.Join(dir, snapshotFile+".tmp")
	f, err := os.Create(tmp)
	if err != nil {
		return fmt.Errorf("saving the Campaign sandbox: %w", err)
	}
	err = gob.NewEncoder(f).Encode(out)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp, filepath.Join(dir, snapshotFile))
	}
	if err != nil {
		return fmt.Errorf("saving the Campaign sandbox: %w", err)
	}
	return nil
}

// Load reads a snapshot; false when there is none.
func (s *Server) Load(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, snapshotFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("loading the Campaign sandbox: %w", err)
	}
	defer f.Close()
	var in saved
	if err := gob.NewDecoder(f).Decode(&in); err != nil {
		return false, fmt.Errorf("loading the Campaign sandbox from %s: %w", f.Name(), err)
	}
	for name, rows := range in.Rows {
		t := s.tables[name]
		if t == nil || len(in.Fields[name]) != len(t.Fields) {
			return false, fmt.Errorf("the snapshot in %s is of another build; delete the folder to start afresh", dir)
		}
		for i, sr := range rows {
			r := &row{id: int64(i + 1), gone: sr.Gone, values: sr.Values, writes: sr.Writes}
			t.order = append(t.order, r)
			key := r.values[t.key]
			if key == "" {
				key = fmt.Sprintf("#%d", r.id)
			}
			t.rows[key] = r
			if r.gone {
				t.holes++
			}
		}
		t.nextID = int64(len(rows))
	}
	return true, nil
}
