package campaign

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
)

// maxBody bounds a request body, as the gateway would.
const maxBody = 1 << 20

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// create answers a POST with the whole new record (§4.2).
func (s *Server) create(w http.ResponseWriter, r *http.Request, to target) {
	body, bad := s.body(r, to, nil)
	var added view
	if bad == nil && body.pkey != "" {
		bad = to.table.readOnly("PKey")
	}
	if bad == nil {
		bad = to.table.complete(body.changes)
	}
	if bad == nil && to.table.Name == "privacyTool" {
		body.changes = s.judge(body.changes)
	}
	if bad == nil {
		added, bad = to.table.insert(body.changes, s.o.Clock.Now(), true)
	}
	if bad != nil {
		s.count(Calls{Refused: 1})
		s.fail(w, bad)
		return
	}
	s.count(Calls{Insert: 1})
	at := s.place(r, to.api, to.table.Name)
	at.unexpanded = true
	s.answer(w, http.StatusCreated, at, to.table, added)
}

// one serves a record addressed by PKey or by business key.
func (s *Server) one(w http.ResponseWriter, r *http.Request, to target) {
	switch r.Method {
	case http.MethodGet:
		s.read(w, r, to)
	case http.MethodPatch:
		s.patch(w, r, to)
	case http.MethodDelete:
		at, bad := to.table.address(s.seal, to.tail[0])
		if bad == nil {
			bad = s.remove(to.table, at, true)
		}
		if bad != nil {
			s.count(Calls{Refused: 1})
			s.fail(w, bad)
			return
		}
		s.count(Calls{Delete: 1})
		w.WriteHeader(http.StatusOK)
	default:
		s.fail(w, unroutable())
	}
}

// address finds the row that a path segment names.
func (t *table) address(seal sealer, segment string) (address, *problem) {
	if !strings.HasPrefix(segment, "@") {
		found, ok := t.find(segment)
		if !ok || t.hidden(found) {
			return address{}, t.missing(segment)
		}
		return address{found, segment, true}, nil
	}
	id, ok := seal.open(t.Name, segment)
	if !ok {
		return address{}, t.unreadable(segment)
	}
	found, ok := t.byID(id)
	if !ok || t.hidden(found) {
		return address{}, t.missing(segment)
	}
	return address{found, segment, false}, nil
}

func (s *Server) read(w http.ResponseWriter, r *http.Request, to target) {
	s.count(Calls{Read: 1})
	at, bad := to.table.address(s.seal, to.tail[0])
	if bad != nil {
		s.fail(w, bad)
		return
	}
	v, ok := to.table.read(at.row)
	if !ok {
		s.fail(w, to.table.missing(at.name))
		return
	}
	s.answer(w, http.StatusOK, s.place(r, to.api, to.table.Name), to.table, v)
}

// patch changes the given fields. It answers with the address of the record only.
func (s *Server) patch(w http.ResponseWriter, r *http.Request, to target) {
	t := to.table
	var at address
	body, bad := s.body(r, to, func() (wrong *problem) {
		at, wrong = t.address(s.seal, to.tail[0])
		return wrong
	})
	if bad == nil && body.pkey != "" {
		switch id, ok := s.seal.open(t.Name, body.pkey); {
		case !ok:
			bad = t.unreadable(body.pkey)
		case id != at.row.id:
			bad = t.inconsistent(at.name, body.pkey)
		}
	}
	if bad == nil {
		bad = t.update(at, body.changes, s.o.Clock.Now(), true)
	}
	if bad != nil {
		s.count(Calls{Refused: 1})
		s.fail(w, bad)
		return
	}
	s.count(Calls{Update: 1})
	base := s.place(r, to.api, t.Name).base
	b := make([]byte, 0, 320)
	b = s.seal.append(append(b, `{"PKey":"`...), t.Name, at.row.id)
	b = append(append(append(b, `","href":"`...), base...), '/')
	b = append(s.seal.append(b, t.Name, at.row.id), `"}`...)
	send(w, http.StatusOK, b)
}

// body reads and checks the body of a POST or PATCH. A body that is no JSON is told
// before anything that the path names is looked for. The scripted fault "refuse" makes
// it refuse a record: Body names a field (dotted), Headers["contains"] a text in it.
func (s *Server) body(r *http.Request, to target, found func() *problem) (parsed, *problem) {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	data, err := readInto((*b)[:0], r.Body)
	*b = data
	if err != nil {
		return parsed{}, &problem{http.StatusInternalServerError, general}
	}
	if rule, hit := s.o.Faults.Named("campaign", "refuse", r); hit {
		if got := gjson.GetBytes(data, rule.Body); got.Exists() && strings.Contains(got.String(), rule.Headers["contains"]) {
			return parsed{}, refused("XTK-170019 The value of the '@%s' field is refused by a rule of the '%s' resource", rule.Body, to.table.Name)
		}
	}
	if !gjson.ValidBytes(data) {
		return parsed{}, constant(data)
	}
	if found != nil {
		if bad := found(); bad != nil {
			return parsed{}, bad
		}
	}
	return to.table.parseValid(data, reader{api: to.api, resolve: s.resolve})
}

func readInto(b []byte, from io.Reader) ([]byte, error) {
	from = io.LimitReader(from, maxBody+1)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF && len(b) <= maxBody:
			return b, nil
		case err == io.EOF || len(b) > maxBody:
			return b, io.ErrShortBuffer
		case err != nil:
			return b, err
		}
	}
}

// resolve turns the PKey or business key of a link's target into its id.
func (s *Server) resolve(target, key string) (string, *problem) {
	if key == "" {
		return "", nil
	}
	t, ok := s.tables[target]
	if !ok {
		return "", missingInBody(target, target, key)
	}
	if strings.HasPrefix(key, "@") {
		id, ok := s.seal.open(target, key)
		if !ok {
			return "", t.unreadable(key)
		}
		named, ok := t.byID(id)
		if ok {
			_, ok = t.read(named)
		}
		if !ok || t.hidden(named) {
			return "", missingInBody(t.Label, target, key)
		}
		return strconv.FormatInt(id, 10), nil
	}
	found, ok := t.find(key)
	if !ok || t.hidden(found) {
		return "", missingInBody(t.Label, target, key)
	}
	return strconv.FormatInt(found.id, 10), nil
}

func (s *Server) answer(w http.ResponseWriter, status int, at place, t *table, v view) {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	*b = s.encode((*b)[:0], at, t, v)
	send(w, status, *b)
}

func send(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = []string{"application/json;charset=utf-8"}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
