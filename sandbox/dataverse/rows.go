package dataverse

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

const maxBody = 128 << 20

func (s *Server) body(r *http.Request) ([]byte, *refusal) {
	if kind := r.Header.Get("Content-Type"); kind != "" && !strings.HasPrefix(kind, "application/json") && !strings.HasSuffix(r.URL.Path, "/$batch") {
		return nil, &refusal{415, "0x80060888", "The content type '" + kind + "' is not supported. Send application/json."}
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, &refusal{400, "0x80048d19", "Stream was not readable."}
	}
	if len(data) > maxBody {
		return nil, &refusal{413, "0x80048d19", "The request is too large."}
	}
	return data, nil
}

// aborted plays a plug-in of the customer that refuses a write (§9).
func (s *Server) aborted(r *http.Request) *refusal {
	if _, hit := s.o.Faults.Named("dataverse", "plugin_abort", r); hit {
		return &refusal{400, "0x80040265", "An error occurred in the plug-in: the record was refused."}
	}
	return nil
}

// create serves POST (§5.1).
func (s *Server) create(w http.ResponseWriter, r *http.Request, t *table) {
	data, bad := s.body(r)
	if bad == nil {
		bad = s.aborted(r)
	}
	var added *row
	if bad == nil {
		bad = s.inTx(r, func(x *tx) *refusal {
			added, bad = x.create(r, t, data, nil)
			return bad
		})
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	s.done(w, r, t, added, added.key, http.StatusCreated)
}

// create adds a row. named are the values in its URL; those in the body win.
func (x *tx) create(r *http.Request, t *table, data []byte, named []assignment) (*row, *refusal) {
	set, bad := x.parse(r, t, data, true)
	if bad != nil {
		return nil, bad
	}
	key := newKey()
	for _, a := range set {
		if t.Columns[a.column].Name == t.Key && a.value != nil {
			key = strings.Trim(string(a.value), `"`)
		}
	}
	if _, taken := t.rows[key]; taken {
		return nil, exists
	}
	return x.put(t, key, append(append([]assignment{}, named...), set...))
}

var exists = &refusal{412, "0x80040237", "A record with matching key values already exists."}

func (x *tx) parse(r *http.Request, t *table, data []byte, create bool) ([]assignment, *refusal) {
	return t.parse(data, create, func(value string, targets []Target) (string, *refusal) { return x.reference(r, value, targets) })
}

// done answers a write: 204, or the row if the request wants it. address is how the
// URL named the row, because an alternate key comes back as such (§5.3).
func (s *Server) done(w http.ResponseWriter, r *http.Request, t *table, row *row, address string, status int) {
	url := fmt.Sprintf("%s/%s(%s)", base(r), t.EntitySet, address)
	if x, ok := r.Context().Value(txKey{}).(*tx); ok {
		if id := r.Header.Get(contentID); id != "" {
			x.refs[id] = fmt.Sprintf("%s/%s(%s)", rootOf(r), t.EntitySet, row.key)
		}
	}
	if !strings.Contains(strings.Join(r.Header.Values("Prefer"), ","), "return=representation") {
		if status == http.StatusCreated && r.Method == http.MethodPost {
			w.Header().Set("Location", url)
		}
		w.Header().Set("OData-EntityId", url)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	rd, bad := s.parseReading(r, t)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	w.Header().Set("Preference-Applied", "return=representation")
	rd.applied(w)
	if _, locked := r.Context().Value(txKey{}).(*tx); !locked {
		defer s.rlock(rd)()
	}
	s.json(w, status, s.appendEntity(make([]byte, 0, 1<<10), rd, s.entity(r, t, rd.shape), row))
}

// row serves one row by key.
func (s *Server) row(w http.ResponseWriter, r *http.Request, t *table, inner string) {
	switch r.Method {
	case http.MethodGet:
		s.read(w, r, t, inner)
	case http.MethodPatch:
		s.patch(w, r, t, inner)
	case http.MethodDelete:
		bad := s.aborted(r)
		if bad == nil {
			bad = s.inTx(r, func(x *tx) *refusal {
				found, _, bad := x.find(r, t, inner)
				if bad != nil {
					return bad
				}
				return x.remove(t, found.key)
			})
		}
		if bad != nil {
			s.fail(w, bad)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		s.fail(w, &refusal{405, "0x8006088a", "The method is not allowed here."})
	}
}

// find returns the row that a URL names, if the conditions of the request hold.
func (x *tx) find(r *http.Request, t *table, inner string) (*row, address, *refusal) {
	a, bad := t.address(inner)
	if bad != nil {
		return nil, a, bad
	}
	found, ok := t.rows[a.key]
	if !ok {
		return nil, a, t.missing(a)
	}
	return found, a, matches(r, found)
}

func (s *Server) read(w http.ResponseWriter, r *http.Request, t *table, inner string) {
	rd, bad := s.parseReading(r, t)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	defer s.rlock(rd)()
	a, bad := t.address(inner)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	found, ok := t.find(a.key)
	switch {
	case !ok:
		s.fail(w, t.missing(a))
	case !rd.shows(found):
		s.fail(w, s.concealed(t, a))
	case !rd.wide() && unchanged(r, found):
		w.WriteHeader(http.StatusNotModified)
	default:
		rd.applied(w)
		s.json(w, http.StatusOK, s.appendEntity(make([]byte, 0, 1<<10), rd, s.entity(r, t, rd.shape), found))
	}
}

func etag(r *row) string { return fmt.Sprintf(`W/"%d"`, r.version) }

// unchanged says that the client has this version of the row already.
func unchanged(r *http.Request, found *row) bool {
	have := r.Header.Get("If-None-Match")
	return have != "" && have == etag(found)
}

// matches checks If-Match against an existing row.
func matches(r *http.Request, found *row) *refusal {
	want := r.Header.Get("If-Match")
	if want == "" || want == "*" || want == etag(found) {
		return nil
	}
	return &refusal{412, "0x80060882", "The version of the existing record doesn't match the RowVersion property provided."}
}

// patch updates or creates, as its conditions allow.
func (s *Server) patch(w http.ResponseWriter, r *http.Request, t *table, inner string) {
	data, bad := s.body(r)
	if bad == nil {
		bad = s.aborted(r)
	}
	var written *row
	address, status := inner, http.StatusOK
	if bad == nil {
		bad = s.inTx(r, func(x *tx) *refusal {
			var created bool
			written, created, bad = x.upsert(r, t, inner, data)
			if created {
				status = http.StatusCreated
			}
			return bad
		})
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	if guidForm.MatchString(strings.TrimPrefix(inner, t.Key+"=")) {
		address = written.key
	}
	s.done(w, r, t, written, address, status)
}

// upsert carries out a PATCH as the table of §5.1 says.
func (x *tx) upsert(r *http.Request, t *table, inner string, data []byte) (written *row, created bool, bad *refusal) {
	a, bad := t.address(inner)
	if bad != nil {
		return nil, false, bad
	}
	found, present := t.rows[a.key]
	switch {
	case present && r.Header.Get("If-None-Match") == "*":
		return nil, false, exists
	case !present && r.Header.Get("If-Match") != "":
		return nil, false, t.missing(a)
	case !present && a.alt != "":
		written, bad = x.create(r, t, data, a.named)
		return written, true, bad
	case present:
		if bad := matches(r, found); bad != nil {
			return nil, false, bad
		}
	}
	set, bad := x.parse(r, t, data, !present)
	if bad != nil {
		return nil, false, bad
	}
	if a.alt != "" { // values of the key's columns are dropped silently (§5.3)
		kept := set[:0]
		for _, one := range set {
			named := false
			for _, n := range a.named {
				named = named || n.column == one.column
			}
			if !named {
				kept = append(kept, one)
			}
		}
		set = kept
	}
	written, bad = x.put(t, a.key, set)
	return written, !present, bad
}

// property serves a single column of a row: PUT sets it, DELETE nulls it, and the same
// of <navigation property>/$ref does so to a lookup (§5.1, §2.3).
func (s *Server) property(w http.ResponseWriter, r *http.Request, t *table, inner, name string) {
	var column int
	var ok bool
	nav, isRef := strings.CutSuffix(name, "/$ref")
	if isRef {
		column, ok = t.byNav[nav]
	} else {
		column, ok = t.byProp[name]
	}
	if !ok {
		s.fail(w, &refusal{404, "0x8006088a", "Resource not found for the segment '" + name + "'."})
		return
	}
	var literal []byte
	var bad *refusal
	id := "" // of the row to look up
	switch {
	case r.Method == http.MethodPut && !isRef:
		literal, bad = s.single(r, t, column)
	case r.Method == http.MethodPut:
		var data []byte
		if data, bad = s.body(r); bad == nil {
			id, bad = idOf(data)
		}
	case r.Method != http.MethodDelete:
		bad = &refusal{405, "0x8006088a", "The method is not allowed here."}
	}
	if c := t.Columns[column]; bad == nil && (c.ReadOnly || !isRef && len(c.Targets) > 0 || c.Type == "Owner" && id == "") { // every row has an owner
		bad = &refusal{400, "0x80040203", "The property '" + name + "' cannot be set."}
	}
	if bad == nil {
		bad = s.inTx(r, func(x *tx) *refusal {
			found, _, bad := x.find(r, t, inner)
			if bad == nil && id != "" {
				var key string
				key, bad = x.reference(r, id, slices.DeleteFunc(slices.Clone(t.Columns[column].Targets), func(l Target) bool { return l.Nav != nav }))
				literal = []byte(`"` + key + `"`)
			}
			if bad == nil {
				_, bad = x.put(t, found.key, []assignment{{column, literal}})
			}
			return bad
		})
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// single reads {"value": …}.
func (s *Server) single(r *http.Request, t *table, column int) ([]byte, *refusal) {
	data, bad := s.body(r)
	if bad != nil {
		return nil, bad
	}
	v := gjson.GetBytes(data, "value")
	if !gjson.ValidBytes(data) || !v.Exists() {
		return nil, &refusal{400, "0x80048d19", `Error identified in Payload provided by the user: want {"value": …}.`}
	}
	return t.check(t.Columns[column], v)
}
