package campaign

import (
	"encoding/json"
	"fmt"
)

// The methods here read and edit records as a Campaign user or a test does. They do not
// use the API, so nothing is metered.

func (s *Server) table(resource string) (*table, error) {
	t, ok := s.tables[resource]
	if !ok {
		return nil, fmt.Errorf("resource: got %q, want one of %v", resource, s.names)
	}
	return t, nil
}

// Profile returns the fields of a profile, nested as on the wire; nil when there is
// none.
func (s *Server) Profile(key string) map[string]any { return s.Record("profile", key) }

// Record returns the fields of a record; nil when there is none.
func (s *Server) Record(resource, key string) map[string]any {
	t, ok := s.tables[resource]
	if !ok {
		return nil
	}
	found, ok := t.find(key)
	if !ok {
		return nil
	}
	v, ok := t.read(found)
	if !ok {
		return nil
	}
	return s.document(t, v)
}

func (s *Server) document(t *table, v view) map[string]any {
	values := make([]string, len(t.Fields))
	unpack(v.data, values)
	now := s.o.Clock.Now()
	out := make(map[string]any, len(t.Fields))
	p := t.planFor(everything)
	for i := range p.steps {
		st := &p.steps[i]
		if st.field.Type == Collection {
			continue
		}
		into := out
		if item := st.field.item(); item != "" {
			if out[item] == nil {
				out[item] = map[string]any{}
			}
			into = out[item].(map[string]any)
		}
		text := st.text(t, values, v, now)
		switch st.field.Type {
		case Boolean:
			into[st.field.leaf()] = text == "true"
		case Number:
			into[st.field.leaf()] = json.Number(text)
		default:
			into[st.field.leaf()] = text
		}
	}
	return out
}

// Each calls f with every record of a resource, oldest first, until f returns false.
func (s *Server) Each(resource string, f func(key string, record map[string]any) bool) {
	s.after(resource, 0, func(_ int64, key string, record map[string]any) bool { return f(key, record) })
}

func (s *Server) after(resource string, id int64, f func(id int64, key string, record map[string]any) bool) {
	t, ok := s.tables[resource]
	if !ok {
		return
	}
	t.each(&condition{hidden: true}, id, func(_ int64, v view) bool { return f(v.id, value(v.data, t.key), s.document(t, v)) })
}

// Count is the number of records of a resource; 0 for an unknown one.
func (s *Server) Count(resource string) int64 {
	if t, ok := s.tables[resource]; ok {
		return t.live.Load()
	}
	return 0
}

// WriteCounts says how often a record was written through the API. It also works after
// the record was deleted.
func (s *Server) WriteCounts(resource, key string) WriteCounts {
	t, ok := s.tables[resource]
	if !ok {
		return WriteCounts{}
	}
	sh := &t.shards[t.shardOf(key)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if r, ok := sh.rows[key]; ok {
		return r.writes
	}
	return WriteCounts{}
}

// EachWrites calls f with the write counts of every key ever inserted, in no order.
func (s *Server) EachWrites(resource string, f func(key string, n WriteCounts)) {
	t, ok := s.tables[resource]
	if !ok {
		return
	}
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.RLock()
		copied := make(map[string]WriteCounts, len(sh.rows))
		for key, r := range sh.rows {
			copied[key] = r.writes
		}
		sh.mu.RUnlock()
		for key, n := range copied {
			f(key, n)
		}
	}
}

// Insert adds a record as a Campaign user would.
func (s *Server) Insert(resource string, body []byte) error {
	t, err := s.table(resource)
	if err != nil {
		return err
	}
	p, bad := t.parse(body, reader{admin: true, resolve: s.resolve})
	if bad == nil {
		_, bad = t.insert(p.changes, s.o.Clock.Now(), false)
	}
	return bad.err()
}

// InsertTwin adds a record whose key another one has already, as an instance lets people
// do where the key has no unique index (§4.3). The one that was there first answers to
// the key.
func (s *Server) InsertTwin(resource string, body []byte) error {
	t, err := s.table(resource)
	if err != nil {
		return err
	}
	p, bad := t.parse(body, reader{admin: true, resolve: s.resolve})
	if bad == nil {
		t.insertTwin(p.changes, s.o.Clock.Now())
	}
	return bad.err()
}

// Update changes a record as a Campaign user would.
func (s *Server) Update(resource, key string, body []byte) error {
	t, err := s.table(resource)
	if err != nil {
		return err
	}
	p, bad := t.parse(body, reader{admin: true, resolve: s.resolve})
	if bad == nil {
		found, ok := t.find(key)
		if !ok {
			return t.missing(key).err()
		}
		bad = t.update(address{found, key, true}, p.changes, s.o.Clock.Now(), false)
	}
	return bad.err()
}

// Delete removes a record as a Campaign user would.
func (s *Server) Delete(resource, key string) error {
	t, err := s.table(resource)
	if err != nil {
		return err
	}
	found, ok := t.find(key)
	if !ok {
		return t.missing(key).err()
	}
	return s.remove(t, address{found, key, true}, false).err()
}
