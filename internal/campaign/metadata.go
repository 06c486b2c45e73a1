package campaign

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tidwall/gjson"
)

// Metadata describes a resource (§2.1). Fields inside an item have dotted names.
type Metadata struct {
	Fields  map[string]Field
	Filters string // link to the filters; may be ""
}

// Field is one field of a resource.
type Field struct {
	Type, ResType       string
	Length              int // characters; 0 when not given
	ReadOnly, Mandatory bool
	Sortable            bool   // lists may be ordered by it
	DataPolicy          string // email, smartCase
	Target              string // of a link or collection
	Values              map[string]EnumValue
}

// EnumValue is one member of an enumeration, by name.
type EnumValue struct{ Label, Value string }

// Metadata reads the description of a resource.
func (c *Client) Metadata(ctx context.Context, r Resource) (*Metadata, error) {
	op := "describe " + r.Name
	res, err := c.do(ctx, call{op: op, method: http.MethodGet, link: c.root + "/" + url.PathEscape(r.API) + "/resourceType/" + url.PathEscape(r.Name)})
	if err != nil {
		return nil, err
	}
	doc := gjson.ParseBytes(res.Body)
	if !gjson.ValidBytes(res.Body) || !doc.Get("content").IsObject() {
		return nil, badResponse(op, "want a description with content")
	}
	m := &Metadata{Fields: map[string]Field{}, Filters: doc.Get("filters.href").String()}
	m.add("", doc.Get("content"), 0)
	if len(m.Fields) == 0 {
		return nil, badResponse(op, "want a description of at least one field")
	}
	return m, nil
}

// deepest bounds items within items; Campaign shows one level.
const deepest = 5

// add flattens descriptors; an item holds its own content.
func (m *Metadata) add(prefix string, content gjson.Result, depth int) {
	content.ForEach(func(name, d gjson.Result) bool {
		if !d.IsObject() {
			return true
		}
		path := prefix + name.String()
		f := Field{
			Type: d.Get("type").String(), ResType: d.Get("resType").String(), DataPolicy: d.Get("dataPolicy").String(),
			ReadOnly: d.Get("readOnly").Bool(), Mandatory: d.Get("mandatory").Bool(), Sortable: d.Get("sortable").Bool(), Target: d.Get("resTarget").String(),
			Values: enumValues(d.Get("values")),
		}
		if inner := d.Get("content"); inner.IsObject() && f.Type != "link" && f.Type != "collection" && depth < deepest {
			m.add(path+".", inner, depth+1)
			return true
		}
		f.Length, _ = strconv.Atoi(d.Get("length").String()) // a string; "" when not applicable
		m.Fields[path] = f
		return true
	})
}

// enumValues reads an enumeration, given by name or as a list; nil when there is none.
func enumValues(values gjson.Result) map[string]EnumValue {
	var out map[string]EnumValue
	values.ForEach(func(key, v gjson.Result) bool {
		name := key.String()
		if own := v.Get("name"); own.Exists() {
			name = own.String()
		}
		if out == nil {
			out = map[string]EnumValue{}
		}
		out[name] = EnumValue{Label: v.Get("label").String(), Value: v.Get("value").String()}
		return true
	})
	return out
}
