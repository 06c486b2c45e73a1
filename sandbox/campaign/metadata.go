package campaign

import (
	"net/http"
	"strconv"
	"strings"

	"causeway.dev/sandbox/kit"
)

// describe serves the resources of an API, one resource's fields, or its filters (§2.1).
func (s *Server) describe(w http.ResponseWriter, r *http.Request, to target) {
	s.count(Calls{Metadata: 1})
	if r.Method != http.MethodGet {
		s.fail(w, unroutable())
		return
	}
	switch to.kind {
	case "index":
		kit.WriteJSON(w, http.StatusOK, s.index(r, to.api))
	case "filters":
		kit.WriteJSON(w, http.StatusOK, s.filters(to))
	default:
		kit.WriteJSON(w, http.StatusOK, s.metadata(r, to))
	}
}

func (s *Server) index(r *http.Request, api string) map[string]any {
	out := map[string]any{"apiName": "resourceType"}
	for _, name := range s.names {
		if t := s.tables[name]; t.servedBy(api) {
			out[name] = map[string]any{
				"content": s.content(t, api), "data": "/" + api + "/" + name + "/", "help": t.Label,
				"href": s.place(r, api, name).base + "/metadata", "name": name, "type": Collection,
			}
		}
	}
	return out
}

func (s *Server) metadata(r *http.Request, to target) map[string]any {
	t, base := to.table, s.place(r, to.api, to.table.Name).base
	return map[string]any{
		"PKey": s.opaque(t.Name), "apiName": "resourceType", "compatibleResources": map[string]any{}, "content": s.content(t, to.api),
		"data": "/" + to.api + "/" + t.Name + "/", "filters": map[string]string{"href": base + "/metadata/filters"},
		"help": t.Label, "href": base + "/metadata", "label": t.Label, "mandatory": false, "name": t.Name,
		"pkgStatus": "never", "readOnly": false, "schema": t.Schema, "type": Item,
	}
}

func (s *Server) opaque(context string) string {
	return string(s.seal.append(nil, "metadata/"+context, 0))
}

// content maps field names to descriptors. An item has a content of its own.
func (s *Server) content(t *table, api string) map[string]any {
	out := map[string]any{}
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Hidden || f.Ext && api == "profileAndServices" {
			continue
		}
		d := f.descriptor()
		d["PKey"] = s.opaque(f.Name)
		item := f.item()
		if item == "" {
			out[f.Name] = d
			continue
		}
		parent, ok := out[item].(map[string]any)
		if !ok {
			parent = (&Field{Name: item, Type: Item}).descriptor()
			parent["PKey"], parent["content"] = s.opaque(item), map[string]any{}
			out[item] = parent
		}
		parent["content"].(map[string]any)[f.leaf()] = d
	}
	return out
}

// descriptor is the metadata of a field: 19 members, the length as a text.
func (f *Field) descriptor() map[string]any {
	length, kind, metadata := "", f.Type, "attribute"
	if f.Length > 0 {
		length = strconv.Itoa(f.Length)
	}
	switch kind {
	case Datetime:
		kind = Date
	case Link, Collection, Item:
		metadata = kind
	}
	sortable := metadata == "attribute" && f.Computed == ""
	d := map[string]any{
		"PKey": "", "apiName": f.leaf(), "category": "99_none", "dataPolicy": f.Policy, "desc": "", "displayFormat": "",
		"help": "", "label": f.label(), "lazyLoaded": false, "length": length, "mandatory": false, "metadata": metadata,
		"privacy": "firstParty", "queryable": true, "readOnly": f.ReadOnly, "resName": "", "resType": f.ResType,
		"sortable": sortable, "type": kind,
	}
	if f.Target != "" {
		d["resTarget"] = f.Target
	}
	if len(f.Values) > 0 {
		values := make(map[string]any, len(f.Values))
		for i, name := range f.Values {
			stored := strconv.Itoa(i)
			if len(f.Stored) == len(f.Values) {
				stored = f.Stored[i]
			}
			values[name] = map[string]string{"name": name, "label": strings.ToUpper(name[:1]) + name[1:], "value": stored}
		}
		d["values"] = values
	}
	return d
}

// filters describes the filters: URL templates and parameters.
func (s *Server) filters(to target) map[string]any {
	out := map[string]any{}
	for name, params := range to.table.filters {
		described := map[string]any{}
		template := "/" + to.api + "/" + to.table.Name + "/" + name
		for i, p := range params {
			described[p] = map[string]any{"name": p, "type": String}
			if i == 0 {
				template += "?" + p + "=$value"
			}
		}
		out[name] = map[string]any{
			"PKey": s.opaque(name), "category": "99_none", "condition": map[string]any{"enabledIf": "$(" + params[0] + ")!=''", "expr": name},
			"data": template, "formType": "none", "fragmentName": "", "label": name, "metadata": described,
			"resName": to.table.Name, "webPage": "", "webPageName": "",
		}
	}
	return out
}
