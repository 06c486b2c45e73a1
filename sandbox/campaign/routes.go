package campaign

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

var apis = []string{"profileAndServices", "profileAndServicesExt", "customResources", "privacy"}

// target is what the part of a path after the tenant names.
type target struct {
	api   string
	table *table // nil for the index of an API
	kind  string // index, metadata, filters, or "" for records
	tail  []string
}

// parsePath reads the raw path, because a key may hold an escaped slash. Empty segments
// are skipped, because Campaign's own links hold double slashes.
func (s *Server) parsePath(rest string) (target, *problem) {
	var out target
	parts := slices.DeleteFunc(strings.Split(rest, "/"), func(p string) bool { return p == "" })
	for i, p := range parts {
		decoded, err := url.PathUnescape(p)
		if err != nil {
			return out, unroutable()
		}
		parts[i] = decoded
	}
	if len(parts) == 0 || !slices.Contains(apis, parts[0]) {
		return out, nil // the routing layer answers it
	}
	out.api = parts[0]
	if len(parts) == 1 {
		out.kind = "index"
		return out, nil
	}
	name, tail := parts[1], parts[2:]
	if name == "resourceType" {
		if len(tail) == 0 {
			out.kind = "index"
			return out, nil
		}
		name, tail = tail[0], append([]string{"metadata"}, tail[1:]...)
	}
	if len(tail) == 0 {
		name = strings.TrimSuffix(name, ".json")
	}
	t, ok := s.tables[name]
	if name == s.history.Name {
		t, ok = s.history, true
	}
	if !ok || !t.servedBy(out.api) {
		return out, unroutable()
	}
	out.table, out.tail = t, tail
	if len(tail) > 0 && tail[0] == "metadata" {
		switch {
		case len(tail) == 1:
			out.kind = "metadata"
		case len(tail) == 2 && tail[1] == "filters":
			out.kind = "filters"
		default:
			return out, unroutable()
		}
	}
	return out, nil
}

func (s *Server) route(w http.ResponseWriter, r *http.Request, rest string) {
	if r.Method == http.MethodHead { // the server leaves the body out
		asked := *r
		asked.Method, r = http.MethodGet, &asked
	}
	if strings.HasPrefix(rest, "mc") {
		s.fail(w, absent("transactional messages"))
		return
	}
	if tail, ok := strings.CutPrefix(rest, "workflow/execution/"); ok && s.o.Workflows != nil {
		s.workflow(w, r, tail)
		return
	}
	to, bad := s.parsePath(rest)
	switch {
	case bad == nil && to.api == "":
		oops(w, http.StatusInternalServerError)
		return
	case bad == nil:
		if _, bare := s.o.Faults.Named("campaign", "bare_rst", r); bare {
			bad = &problem{http.StatusInternalServerError, general}
		}
	}
	if bad != nil && (r.Method == http.MethodPost || r.Method == http.MethodPatch) {
		if body, err := readInto(nil, r.Body); err == nil && !gjson.ValidBytes(body) {
			bad = constant(body) // the body is read before the resource is looked for
		}
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	if to.kind != "" {
		s.describe(w, r, to)
		return
	}
	s.records(w, r, to)
}

// records serves a collection, or the record in it that the rest of the path names.
func (s *Server) records(w http.ResponseWriter, r *http.Request, to target) {
	get, t := r.Method == http.MethodGet, to.table
	switch {
	case t == s.history:
		s.marketing(w, r, to)
	case !get && t.Can != nil && len(to.tail) < 2 && !slices.Contains(t.Can, r.Method):
		s.fail(w, absent(r.Method+" of the resource "+t.Name))
	case len(to.tail) == 0 && get:
		s.list(w, r, to)
	case len(to.tail) == 0 && r.Method == http.MethodPost:
		s.create(w, r, to)
	case len(to.tail) == 0:
		s.fail(w, unroutable())
	case get && (to.tail[0] == "_count" || t.isFilter(to.tail[0])):
		s.list(w, r, to)
	case len(to.tail) == 1 && get && t.isColumn(to.api, to.tail[0]):
		s.column(w, r, to)
	case len(to.tail) == 1:
		s.one(w, r, to)
	case len(to.tail) > 1 && t.isCollection(to.tail[1]):
		s.linked(w, r, to)
	default:
		s.fail(w, unroutable())
	}
}

func (t *table) isColumn(api, name string) bool {
	i, ok := t.byName[name]
	return ok && !t.Fields[i].Hidden && t.Fields[i].Type != Collection && t.Fields[i].Type != Link && (!t.Fields[i].Ext || api != "profileAndServices")
}

func (t *table) isCollection(name string) bool {
	i, ok := t.byName[name]
	return ok && t.Fields[i].Type == Collection
}
