package dataverse

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// backward is a collection of rows that look up a row: the other end of a lookup.
type backward struct {
	name   string
	from   *table
	column int // of from
	nav    string
}

// connect finds the other ends of all lookups, once all tables are declared. Rows that
// look up users are not listed: a user may have a million.
func (s *Server) connect() {
	for _, name := range s.order {
		from := s.names[name]
		from.server = s
		for _, column := range from.links {
			for _, l := range from.Columns[column].Targets {
				if to := s.names[l.Table]; to != nil && !l.Inherited {
					to.back = append(to.back, backward{name: from.relationship(l), from: from, column: column, nav: l.Nav})
				}
			}
		}
	}
}

// relationship is the schema name of the relationship that a lookup belongs to.
func (t *table) relationship(l Target) string {
	if l.Relationship != "" {
		return l.Relationship
	}
	return t.LogicalName + "_" + l.Nav
}

func (t *table) backward(name string) (backward, bool) {
	i := slices.IndexFunc(t.back, func(b backward) bool { return b.name == name })
	if i < 0 {
		return backward{}, false
	}
	return t.back[i], true
}

// rows are those that look up a row, in key order. The caller holds the locks.
func (b backward) rows(key string) []*row {
	var out []*row
	if b.from.union != nil {
		for i, part := range b.from.union.parts {
			for _, child := range part.regarding(key) {
				out = append(out, b.from.union.project(i, part.rows[child]))
			}
		}
	} else {
		n := slices.Index(b.from.links, b.column)
		for _, child := range b.from.byLink[n][key] {
			out = append(out, b.from.rows[child])
		}
	}
	slices.SortFunc(out, func(a, b *row) int { return strings.Compare(a.key, b.key) })
	return out
}

// target finds the row that a lookup names, among the tables that it may name. The caller
// holds the locks.
func (t *table) target(column int, r *row) (*table, *row, Target) {
	key := linked(r.value(column))
	if key == "" {
		return nil, nil, Target{}
	}
	for _, l := range t.Columns[column].Targets {
		if to := t.server.names[l.Table]; to != nil {
			if found, ok := to.find(key); ok {
				return to, found, l
			}
		}
	}
	return nil, nil, Target{}
}

// rlockAll locks every table for a read that follows lookups, in the order of writers.
func (s *Server) rlockAll() {
	for _, name := range s.order {
		s.names[name].mu.RLock()
	}
}

func (s *Server) runlockAll() {
	for _, name := range s.order {
		s.names[name].mu.RUnlock()
	}
}

// below serves what a URL names below a row: a column, its raw value, what a lookup names,
// or a collection of rows that look it up.
func (s *Server) below(w http.ResponseWriter, r *http.Request, t *table, inner, path string) {
	name, rest, _ := strings.Cut(path, "/")
	child := ""
	if open := strings.IndexByte(name, '('); open >= 0 && strings.HasSuffix(name, ")") {
		name, child = name[:open], name[open+1:len(name)-1]
	}
	column, isColumn := t.byProp[name]
	_, isNav := t.byNav[name]
	many, isMany := t.backward(name)
	switch {
	case strings.HasPrefix(name, actions):
		s.fail(w, notImitated("The function or action "+name))
	case isMany && rest == "$ref":
		s.references(w, r, t, inner, many, child)
	case r.Method != http.MethodGet:
		s.property(w, r, t, inner, path)
	case isMany && child == "" && (rest == "" || rest == "$count"):
		s.children(w, r, t, inner, many, rest == "$count")
	case isNav && rest == "":
		s.follow(w, r, t, inner, name, false)
	case isNav && rest == "$ref":
		s.follow(w, r, t, inner, name, true)
	case isColumn && (rest == "" || rest == "$value"):
		s.value(w, r, t, inner, column, rest != "")
	default:
		s.fail(w, &refusal{404, "0x8006088a", "Resource not found for the segment '" + path[strings.LastIndexByte(path, '/')+1:] + "'."})
	}
}

// one finds the row that a URL names, for a read. The caller holds the locks.
func (t *table) one(inner string) (*row, *refusal) {
	a, bad := t.address(inner)
	if bad != nil {
		return nil, bad
	}
	found, ok := t.find(a.key)
	if !ok {
		return nil, t.missing(a)
	}
	see, bad := t.server.sees(t)
	if bad == nil && see != nil && !see(found) {
		bad = t.server.concealed(t, a)
	}
	return found, bad
}

// value serves one column. Of a column that is empty there is no content.
func (s *Server) value(w http.ResponseWriter, r *http.Request, t *table, inner string, column int, raw bool) {
	t.rlock()
	found, bad := t.one(inner)
	t.runlock()
	if bad != nil {
		s.fail(w, bad)
		return
	}
	literal := found.value(column)
	switch {
	case literal == nil:
		w.WriteHeader(http.StatusNoContent)
	case raw:
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte(gjson.ParseBytes(literal).String()))
	default:
		context := base(r) + "/$metadata#" + t.EntitySet + "(" + found.key + ")/" + t.Columns[column].property()
		b := append(append([]byte(`{"@odata.context":`), quote(context)...), `,"value":`...)
		s.json(w, http.StatusOK, append(append(b, literal...), '}'))
	}
}

// follow serves the row that a lookup names, or only its address.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, t *table, inner, nav string, ref bool) {
	s.rlockAll()
	defer s.runlockAll()
	found, bad := t.one(inner)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	to, other, l := t.target(t.byNav[nav], found)
	if other == nil || l.Nav != nav {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if ref {
		s.write(w, map[string]any{"@odata.context": base(r) + "/$metadata#$ref", "@odata.id": base(r) + "/" + to.EntitySet + "(" + other.key + ")"})
		return
	}
	rd, bad := s.parseReading(r, to)
	if bad == nil && !rd.shows(other) {
		bad = s.concealed(to, address{key: other.key})
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	rd.applied(w)
	s.json(w, http.StatusOK, s.appendEntity(nil, rd, s.entity(r, to, rd.shape), other))
}

// children serves the rows that look a row up, or their number.
func (s *Server) children(w http.ResponseWriter, r *http.Request, t *table, inner string, many backward, count bool) {
	rd, bad := s.parseReading(r, many.from)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	s.rlockAll()
	defer s.runlockAll()
	found, bad := t.one(inner)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	rows := rd.only(many.rows(found.key))
	if count {
		s.plainCount(w, int64(len(rows)))
		return
	}
	b := s.open(r, many.from, rd, "")
	if rd.count {
		b = append(b, `,"@odata.count":`...)
		b = append(b, literalInt(min(5000, len(rows)))...)
	}
	rd.applied(w)
	s.rows(w, r, b, rd, rd.cut(rows), nil)
}

// references adds a row to a collection, takes it out, or lists the addresses.
func (s *Server) references(w http.ResponseWriter, r *http.Request, t *table, inner string, many backward, child string) {
	var bad *refusal
	switch r.Method {
	case http.MethodGet:
		s.rlockAll()
		found, bad := t.one(inner)
		var see predicate
		if bad == nil {
			see, bad = s.sees(many.from)
		}
		list := []any{}
		if bad == nil {
			for _, one := range many.rows(found.key) {
				if see != nil && !see(one) {
					continue
				}
				list = append(list, map[string]string{"@odata.id": base(r) + "/" + many.from.EntitySet + "(" + one.key + ")"})
			}
		}
		s.runlockAll()
		if bad != nil {
			s.fail(w, bad)
			return
		}
		s.write(w, map[string]any{"@odata.context": base(r) + "/$metadata#Collection($ref)", "value": list})
		return
	case http.MethodPost:
		var data []byte
		if data, bad = s.body(r); bad == nil {
			bad = s.inTx(r, func(x *tx) *refusal { return x.associate(r, t, inner, many, data) })
		}
	case http.MethodDelete:
		if id := r.URL.Query().Get("$id"); child == "" && id != "" {
			child = strings.TrimSuffix(id[strings.LastIndexByte(id, '(')+1:], ")")
		}
		bad = s.inTx(r, func(x *tx) *refusal { return x.disassociate(t, inner, many, child) })
	default:
		bad = &refusal{405, "0x8006088a", "The method is not allowed here."}
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// idOf reads {"@odata.id": "…"}.
func idOf(data []byte) (string, *refusal) {
	id := gjson.GetBytes(data, `@odata\.id`).Str
	if !gjson.ValidBytes(data) || id == "" {
		return "", &refusal{400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'', a reference wants @odata.id."}
	}
	return id, nil
}

func (x *tx) associate(r *http.Request, t *table, inner string, many backward, data []byte) *refusal {
	id, bad := idOf(data)
	if bad != nil {
		return bad
	}
	found, bad := t.one(inner)
	if bad != nil {
		return bad
	}
	switch {
	case many.from.union != nil:
		return many.from.closed
	case many.from.Columns[many.column].ReadOnly || many.from.closed != nil:
		return forbidden(many.from.Table)
	}
	child, bad := x.reference(r, id, []Target{{Table: many.from.LogicalName}})
	if bad != nil {
		return bad
	}
	_, bad = x.put(many.from, child, []assignment{{many.column, []byte(`"` + found.key + `"`)}})
	return bad
}

func (x *tx) disassociate(t *table, inner string, many backward, child string) *refusal {
	found, bad := t.one(inner)
	if bad != nil {
		return bad
	}
	if many.from.union != nil {
		return many.from.closed
	}
	if many.from.Columns[many.column].ReadOnly || many.from.closed != nil {
		return forbidden(many.from.Table)
	}
	other, ok := many.from.rows[strings.ToLower(child)]
	if !ok || linked(other.value(many.column)) != found.key {
		return many.from.missing(address{key: strings.ToLower(child)})
	}
	_, bad = x.put(many.from, other.key, []assignment{{column: many.column}})
	return bad
}
