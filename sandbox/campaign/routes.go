package campaign

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"causeway.dev/sandbox/kit"
)

// route serves /{api}/… on the raw path: // is legal in Campaign's own links.
func (s *Server) route(w http.ResponseWriter, r *http.Request, rest string) {
	parts := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	for i, p := range parts {
		decoded, err := url.PathUnescape(p)
		if err != nil {
			s.fail(w, &problem{404, restError + "Error rc=-2003"})
			return
		}
		parts[i] = decoded
	}
	api := parts[0]
	if api != "profileAndServices" && api != "profileAndServicesExt" && api != "customResources" {
		kit.WriteJSON(w, 500, map[string]any{"code": 500, "message": "Oops. Something went wrong. Check your URI and try again."})
		return
	}
	if len(parts) >= 3 && parts[1] == "resourceType" {
		s.metadata(w, r, api, parts[2])
		return
	}
	if len(parts) < 2 || parts[1] == "" {
		s.index(w, r, api)
		return
	}
	t, ok := s.tables[parts[1]]
	if !ok || !t.servedBy(api) {
		s.fail(w, &problem{404, restError + "Error rc=-2003"})
		return
	}
	tail := slices.DeleteFunc(parts[2:], func(p string) bool { return p == "" })
	switch {
	case len(tail) == 0 && r.Method == http.MethodPost && strings.HasSuffix(rest, "/"):
		s.fail(w, &problem{404, restError + "Error rc=-2003"})
	case len(tail) == 0 && r.Method == http.MethodPost:
		s.create(w, r, api, t)
	case len(tail) == 0 && r.Method == http.MethodGet:
		s.list(w, r, api, t, nil)
	case len(tail) == 1 && r.Method == http.MethodGet && t.byName[tail[0]] > 0:
		s.column(w, r, api, t, tail[0])
	case len(tail) >= 1 && r.Method == http.MethodGet && (strings.HasPrefix(tail[0], "by") || tail[0] == "_count"):
		s.list(w, r, api, t, tail)
	case len(tail) == 1:
		s.one(w, r, api, t, tail[0])
	default:
		s.fail(w, &problem{404, restError + "Error rc=-2003"})
	}
}

func (t *table) servedBy(api string) bool {
	if t.Name == "profile" {
		return api != "customResources"
	}
	if t.API == "customResources" {
		return api == "customResources"
	}
	return api == "profileAndServicesExt"
}

// fail answers with a text, as Campaign does (§5.1).
func (s *Server) fail(w http.ResponseWriter, p *problem) {
	if s.o.ErrorBody == "json_string" {
		kit.WriteJSON(w, p.status, p.text)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(p.status)
	_, _ = io.WriteString(w, p.text)
}

func (s *Server) create(w http.ResponseWriter, r *http.Request, api string, t *table) {
	changes, bad := s.body(r, t)
	if bad == nil {
		if _, bare := s.o.Faults.Named("campaign", "bare_rst", r); bare {
			bad = &problem{500, strings.TrimSpace(restError)}
		}
	}
	if bad != nil {
		s.fail(w, bad)
		return
	}
	s.count("insert")
	added, bad := t.insert(changes, s.o.Clock.Now(), true)
	if bad != nil {
		s.fail(w, bad)
		return
	}
	s.answer(w, http.StatusCreated, s.encode(nil, r, api, t, added))
}

func (s *Server) body(r *http.Request, t *table) ([]change, *problem) {
	data, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return nil, &problem{500, strings.TrimSpace(restError)}
	}
	return t.parseBody(data)
}

// one serves a record addressed by PKey or by business key.
func (s *Server) one(w http.ResponseWriter, r *http.Request, api string, t *table, id string) {
	key := id
	if strings.HasPrefix(id, "@") {
		var ok bool
		if key, ok = s.openPKey(t, id); !ok {
			s.fail(w, &problem{500, fmt.Sprintf("'%s' attribute unknown (see definition of '%ss (%s)' schema). XTK-170036 Unable to parse expression '@id = @%s'.", strings.TrimPrefix(id, "@"), t.Label, t.Schema, strings.TrimPrefix(id, "@"))})
			return
		}
	}
	switch r.Method {
	case http.MethodGet:
		s.count("read")
		found, bad := t.get(key)
		if bad != nil {
			s.fail(w, bad)
			return
		}
		s.answer(w, http.StatusOK, s.encode(nil, r, api, t, found))
	case http.MethodPatch:
		changes, bad := s.body(r, t)
		if bad == nil {
			s.count("update")
			bad = t.update(key, changes, s.o.Clock.Now(), true)
		}
		if bad != nil {
			s.fail(w, bad)
			return
		}
		updated, bad := t.get(key)
		if bad != nil {
			s.fail(w, bad)
			return
		}
		pkey := s.pkey(t, updated.id)
		kit.WriteJSON(w, http.StatusOK, map[string]string{"PKey": pkey, "href": s.href(r, api, t) + "/" + pkey})
	case http.MethodDelete:
		s.count("delete")
		if bad := t.remove(key, true); bad != nil {
			s.fail(w, bad)
			return
		}
		w.WriteHeader(http.StatusOK)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (s *Server) answer(w http.ResponseWriter, status int, body []byte) {
	w.Header()["Content-Type"] = []string{"application/json;charset=utf-8"}
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// href is the base of a resource's links, on the host the caller used.
func (s *Server) href(r *http.Request, api string, t *table) string {
	return "https://" + r.Host + "/" + s.o.Tenant + "/campaign/" + api + "/" + t.Name
}

// encode appends a record as JSON: nested items, "" for what is empty.
func (s *Server) encode(b []byte, r *http.Request, api string, t *table, row *row) []byte {
	pkey := s.pkey(t, row.id)
	b = append(b, `{"PKey":"`...)
	b = append(b, pkey...)
	b = append(b, '"')
	item := ""
	for i, f := range t.Fields {
		name := f.Name
		if parent, child, nested := strings.Cut(f.Name, "."); nested {
			if item != parent {
				b = append(append(append(b, `,"`...), parent...), `":{`...)
				item = parent
			} else {
				b = append(b, ',')
			}
			name = child
		} else {
			if item != "" {
				b = append(b, '}')
				item = ""
			}
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":`...)
		if f.Type == "boolean" || f.Type == "number" {
			b = append(b, row.values[i]...)
			continue
		}
		b = appendString(b, row.values[i])
	}
	if item != "" {
		b = append(b, '}')
	}
	b = append(b, `,"href":"`...)
	b = append(append(append(b, s.href(r, api, t)...), '/'), pkey...)
	return append(b, `"}`...)
}

func appendString(b []byte, v string) []byte {
	for i := 0; i < len(v); i++ {
		if c := v[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
			encoded, err := json.Marshal(v)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, encoded...)
		}
	}
	return append(append(append(b, '"'), v...), '"')
}

func (s *Server) metadata(w http.ResponseWriter, r *http.Request, api, name string) {
	s.count("metadata")
	t, ok := s.tables[name]
	if !ok || !t.servedBy(api) {
		s.fail(w, &problem{404, restError + "Error rc=-2003"})
		return
	}
	content := map[string]any{}
	for _, f := range t.Fields {
		parent, child, nested := strings.Cut(f.Name, ".")
		if !nested {
			content[f.Name] = f.descriptor()
			continue
		}
		item, ok := content[parent].(map[string]any)
		if !ok {
			item = Field{Name: parent, Type: "item", ResType: ""}.descriptor()
			item["content"] = map[string]any{}
			content[parent] = item
		}
		item["content"].(map[string]any)[child] = f.descriptor()
	}
	base := s.href(r, api, t)
	kit.WriteJSON(w, http.StatusOK, map[string]any{
		"PKey": "@" + name, "apiName": "resourceType", "content": content, "compatibleResources": map[string]any{},
		"data": "/" + api + "/" + name + "/", "filters": map[string]string{"href": base + "/filters"}, "help": "", "href": base + "/metadata",
		"label": t.Label, "mandatory": false, "name": name, "pkgStatus": "", "readOnly": false, "schema": t.Schema, "type": "item",
	})
}

func (s *Server) index(w http.ResponseWriter, r *http.Request, api string) {
	s.count("metadata")
	out := map[string]any{"apiName": "resourceType"}
	for name, t := range s.tables {
		if t.servedBy(api) {
			out[name] = map[string]any{"data": "/" + api + "/" + name + "/", "help": t.Label, "href": s.href(r, api, t) + "/metadata", "name": name, "type": "collection", "content": map[string]any{}}
		}
	}
	kit.WriteJSON(w, http.StatusOK, out)
}
