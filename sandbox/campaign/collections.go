package campaign

import (
	"net/http"
	"strconv"
)

// linked serves a collection of a record, such as the subscriptions of a profile, and
// the records in it. In a link of each of them, the record itself is named.
func (s *Server) linked(w http.ResponseWriter, r *http.Request, to target) {
	owner := to.table
	at, bad := owner.address(s.seal, to.tail[0])
	field := owner.Fields[owner.byName[to.tail[1]]]
	if bad == nil && field.Name == "privacyRequestData" && len(to.tail) == 2 {
		s.privacyData(w, r, owner, at)
		return
	}
	child := s.tables[field.Target]
	if bad == nil && child == nil {
		bad = absent("the collection " + field.Name)
	}
	if bad != nil {
		s.count(Calls{Read: 1})
		s.fail(w, bad)
		return
	}
	in := inside{child, child.linkTo(owner), at.row.id, s.place(r, to.api, owner.Name)}
	in.place.base += "/" + to.tail[0] + "/" + field.Name
	switch tail := to.tail[2:]; {
	case r.Method == http.MethodGet && (len(tail) == 0 || len(tail) == 1 && tail[0] == "_count"):
		s.listInside(w, r, in, len(tail) == 1)
	case r.Method == http.MethodPost && len(tail) == 0:
		s.createInside(w, r, to, in)
	case len(tail) == 1 && (r.Method == http.MethodGet || r.Method == http.MethodDelete):
		s.oneInside(w, r, in, tail[0])
	default:
		s.fail(w, unroutable())
	}
}

// inside is a collection of one record.
type inside struct {
	*table
	link  int   // field that names the owner
	owner int64 // its id
	place place
}

// linkTo is the field of t that names records of the owner.
func (t *table) linkTo(owner *table) int {
	for i := range t.joins {
		if t.joins[i].target == owner {
			return t.joins[i].field
		}
	}
	return -1
}

func (in inside) holds(v view) bool { return value(v.data, in.link) == strconv.FormatInt(in.owner, 10) }

func (s *Server) listInside(w http.ResponseWriter, r *http.Request, in inside, counting bool) {
	s.count(Calls{Read: 1})
	q, bad := parseQuery(r.URL.RawQuery)
	c := &condition{tests: []func(view) bool{in.holds}}
	if bad == nil && counting {
		sendCount(w, in.matching(c))
		return
	}
	var p page
	if bad == nil {
		p, bad = s.page(in.table, c, q)
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	send(w, http.StatusOK, s.envelope(s.rows(in.place, in.table, p), in.place, in.table, nil, c, q, p))
}

// createInside adds a record to the collection. Only subscriptions are made so: the body
// names the service, or the subscriber, whichever the path does not.
func (s *Server) createInside(w http.ResponseWriter, r *http.Request, to target, in inside) {
	to.table = in.table
	body, bad := s.body(r, to, nil)
	values := make([]string, len(in.Fields))
	in.apply(values, body.changes, s.o.Clock.Now())
	values[in.link] = strconv.FormatInt(in.owner, 10)
	var changes []change
	if bad == nil {
		changes, bad = s.subscribe(in.table, values)
	}
	var added view
	if bad == nil {
		added, bad = in.insert(changes, s.o.Clock.Now(), true)
	}
	if bad != nil {
		s.count(Calls{Refused: 1})
		s.fail(w, bad)
		return
	}
	s.count(Calls{Insert: 1})
	s.answer(w, http.StatusCreated, in.place, in.table, added)
}

// subscribe completes the values of a new subscription.
func (s *Server) subscribe(t *table, values []string) ([]change, *problem) {
	set := func(name, text string) { values[t.byName[name]] = text }
	of := func(name string) string { return values[t.byName[name]] }
	for _, name := range []string{"service", "subscriber"} {
		if of(name) == "" {
			return nil, failed("PGS-220000 PostgreSQL error: ERROR:  null value in column \"i%sid\" violates not-null constraint", name)
		}
	}
	set("pair", of("service")+"/"+of("subscriber"))
	services := s.tables["service"]
	if id, err := strconv.ParseInt(of("service"), 10, 64); err == nil {
		if found, ok := services.byID(id); ok {
			v, _ := services.read(found)
			set("serviceName", value(v.data, services.key))
		}
	}
	var changes []change
	for i, text := range values {
		if text != "" {
			changes = append(changes, change{i, text})
		}
	}
	return changes, nil
}

// oneInside serves one record of the collection, by its PKey.
func (s *Server) oneInside(w http.ResponseWriter, r *http.Request, in inside, key string) {
	id, ok := s.seal.open(in.Name, key)
	if !ok {
		s.fail(w, in.unreadable(key))
		return
	}
	found, ok := in.byID(id)
	var v view
	if ok {
		v, ok = in.read(found)
	}
	var bad *problem
	switch {
	case !ok || !in.holds(v):
		bad = in.missing(key)
	case r.Method == http.MethodGet:
		s.count(Calls{Read: 1})
		s.answer(w, http.StatusOK, in.place, in.table, v)
		return
	default:
		bad = s.remove(in.table, address{found, key, false}, true)
	}
	if bad != nil {
		s.count(Calls{Refused: 1})
		s.fail(w, bad)
		return
	}
	s.count(Calls{Delete: 1})
	w.WriteHeader(http.StatusNoContent)
}

// plant inserts the records that a new instance has.
func (s *Server) plant() {
	for _, name := range s.names {
		t := s.tables[name]
		for _, record := range t.Resource.Seed {
			var changes []change
			for field, text := range record {
				changes = append(changes, change{t.byName[field], text})
			}
			_, _ = t.insert(changes, s.o.Clock.Now(), false) // the names of a seed differ
		}
	}
}
