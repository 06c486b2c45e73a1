package campaign

import (
	"github.com/tidwall/gjson"
)

// change is one field of a request body.
type change struct {
	field int
	value string // as stored
}

// parsed is a checked request body.
type parsed struct {
	changes []change
	pkey    string // PKey of the body; "" when it has none
}

// reader says for whom a body is read. An API may hide fields; the admin port may store
// values that an API refuses.
type reader struct {
	api     string
	admin   bool
	resolve func(target, pkey string) (string, *problem) // of links
}

// parse reads and checks the fields of a POST or PATCH.
func (t *table) parse(body []byte, rd reader) (parsed, *problem) {
	if !gjson.ValidBytes(body) {
		return parsed{}, constant(body)
	}
	return t.parseValid(body, rd)
}

// parseValid is parse of a body that is JSON.
func (t *table) parseValid(body []byte, rd reader) (parsed, *problem) {
	var out parsed
	doc := gjson.ParseBytes(body)
	if !doc.IsObject() {
		return out, constant(body)
	}
	out.changes = make([]change, 0, 24)
	bad := t.collect(&out, t.tree, doc, rd)
	return out, bad
}

// node is what a property name means: a field, or an item with fields in it.
type node struct {
	field int
	inner map[string]node
}

func (t *table) collect(out *parsed, level map[string]node, doc gjson.Result, rd reader) (bad *problem) {
	doc.ForEach(func(name, v gjson.Result) bool {
		n, ok := level[name.Str]
		switch {
		case !ok && name.Str == "PKey" && v.Type == gjson.String:
			out.pkey = v.Str
		case !ok:
			bad = t.unknown(name.Str)
		case n.inner != nil && !v.IsObject():
			bad = unconvertible(v.Raw, "item")
		case n.inner != nil:
			bad = t.collect(out, n.inner, v, rd)
		default:
			bad = t.assign(out, n.field, v, rd)
		}
		return bad == nil
	})
	return bad
}

func (t *table) assign(out *parsed, i int, v gjson.Result, rd reader) *problem {
	f := &t.Fields[i]
	switch {
	case f.Hidden, f.Ext && rd.api == "profileAndServices":
		return t.unknown(f.Name)
	case f.ReadOnly:
		return t.readOnly(f.Name)
	case f.Type == Link:
		// A link is made by the PKey; other attributes of the target are ignored (§4.4).
		pkey := v.Get("PKey")
		if v.Type != gjson.Null && !v.IsObject() && v.Raw != `""` {
			return unconvertible(v.Raw, "link")
		}
		if v.Type == gjson.Null || rd.resolve == nil {
			return nil
		}
		if v.IsObject() && !pkey.Exists() {
			return deep(v)
		}
		id, bad := rd.resolve(f.Target, pkey.String())
		out.changes = append(out.changes, change{i, id})
		return bad
	}
	value, bad := t.check(f, v, rd.admin)
	if bad == nil {
		out.changes = append(out.changes, change{i, value})
	}
	return bad
}

// deep refuses the values of a record that is to be made together with the one that
// names it. An object without values names nothing.
func deep(v gjson.Result) (bad *problem) {
	v.ForEach(func(name, _ gjson.Result) bool {
		if name.Str != "href" && name.Str != "title" {
			bad = absent("making a record together with the one that names it")
		}
		return bad == nil
	})
	return bad
}
