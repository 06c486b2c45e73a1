package dataverse

import (
	"net/http"
	"strings"

	"github.com/tidwall/gjson"
)

const actions = "Microsoft.Dynamics.CRM."

// bulk serves the actions over many rows; each is one transaction (§5.4).
func (s *Server) bulk(w http.ResponseWriter, r *http.Request, t *table, action string) {
	if r.Method != http.MethodPost {
		s.fail(w, &refusal{405, "0x8006088a", "The method is not allowed here."})
		return
	}
	var one func(*tx, gjson.Result) (*row, *refusal)
	switch action {
	case "CreateMultiple":
		one = func(x *tx, v gjson.Result) (*row, *refusal) { return x.create(r, t, []byte(v.Raw), nil) }
	case "UpdateMultiple":
		one = func(x *tx, v gjson.Result) (*row, *refusal) { return x.updateOne(r, t, v) }
	case "UpsertMultiple":
		one = func(x *tx, v gjson.Result) (*row, *refusal) { return x.upsertOne(r, t, v) }
	case "DeleteMultiple":
		s.fail(w, &refusal{501, "0x80040216", "DeleteMultiple has not yet been implemented."})
		return
	default:
		s.fail(w, &refusal{404, "0x8006088a", "Resource not found for the segment '" + actions + action + "'."})
		return
	}
	data, bad := s.body(r)
	if bad == nil {
		bad = s.aborted(r)
	}
	ids := []string{}
	var targets []gjson.Result
	if bad == nil {
		targets, bad = targetsOf(t, data)
	}
	if bad == nil {
		s.spend(r.Context(), w, max(0, len(targets)-1)) // the request itself was one
		bad = s.inTx(r, func(x *tx) *refusal {
			for _, v := range targets {
				written, bad := one(x, v)
				if bad != nil {
					return bad
				}
				ids = append(ids, written.key)
			}
			return nil
		})
	}
	switch {
	case bad != nil:
		s.fail(w, bad)
	case action == "CreateMultiple":
		s.write(w, map[string]any{"@odata.context": base(r) + "/$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse", "Ids": ids})
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// targetsOf reads {"Targets": […]}. Each target must name its type.
func targetsOf(t *table, data []byte) ([]gjson.Result, *refusal) {
	list := gjson.GetBytes(data, "Targets")
	if !gjson.ValidBytes(data) || !list.IsArray() {
		return nil, &refusal{400, "0x80048d19", "Error identified in Payload provided by the user for Entity :'" + t.EntitySet + "'"}
	}
	targets := list.Array()
	for _, v := range targets {
		if v.Get(`@odata\.type`).Str != actions+t.LogicalName {
			return nil, &refusal{400, "0x80048d19", "A target's @odata.type is missing or is not " + actions + t.LogicalName + "."}
		}
	}
	return targets, nil
}

func (x *tx) updateOne(r *http.Request, t *table, v gjson.Result) (*row, *refusal) {
	key := strings.ToLower(v.Get(t.Key).Str)
	if _, ok := t.rows[key]; !ok {
		return nil, t.missing(address{key: key})
	}
	set, bad := x.parse(r, t, []byte(v.Raw), false)
	if bad != nil {
		return nil, bad
	}
	return x.put(t, key, set)
}

func (x *tx) upsertOne(r *http.Request, t *table, v gjson.Result) (*row, *refusal) {
	inner := v.Get(t.Key).Str
	if id := v.Get(`@odata\.id`).Str; id != "" {
		path, closed := strings.CutSuffix(id[strings.LastIndexByte(id, '/')+1:], ")")
		set, key, ok := strings.Cut(path, "(")
		if !ok || !closed || set != t.EntitySet {
			return nil, &refusal{400, "0x80060888", "A target's @odata.id is not a row of " + t.EntitySet + "."}
		}
		inner = key
	}
	if inner == "" {
		return x.create(r, t, []byte(v.Raw), nil)
	}
	plain := &http.Request{Host: r.Host, Header: http.Header{}}
	written, _, bad := x.upsert(plain, t, inner, []byte(v.Raw))
	return written, bad
}
